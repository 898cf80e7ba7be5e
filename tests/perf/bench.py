"""Measures Kvasir and llama.cpp in turn on the same file and the same threads, and holds the ratios to their goals.

usage: bench.py [--rounds 5] [--threads 2] [--formats Q4_1,Q8_0]

Each round runs one after the other; a figure is the median over the rounds, and a ratio the median of the rounds'
ratios. Beside each figure stands the share of this machine's own limit, measured by `kvasir bench` in the same run.
Needs build/peers/llama.cpp (made here when it is missing). Exits with 1 when a goal is missed.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BIN = os.path.join(ROOT, "build/release/bin")
PEER = os.path.join(ROOT, "build/peers/llama.cpp")
MODELS = os.path.join(ROOT, "build/models")
SMOLLM2 = os.path.join(MODELS, "SmolLM2-135M-Instruct.Q4_1.gguf")

# format: (decode ratio, prefill ratio) at least, against llama.cpp; None where there is no goal yet
GOALS = {"Q4_1": (2.0, 5.0), "Q4_0": (None, None), "Q8_0": (None, None), "BF16": (None, None)}


def run(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def model(name):
    """The GGUF file of SmolLM2 in a format, and its compiled form."""
    source = SMOLLM2 if name == "Q4_1" else os.path.join(MODELS, "SmolLM2-135M.%s.gguf" % name)
    if not os.path.exists(source):
        run(sys.executable, os.path.join(ROOT, "tests/models/requantise.py"), SMOLLM2, name, source)
    compiled = os.path.join(MODELS, "SmolLM2.%s.cpu.kvasir" % name)
    if not os.path.exists(compiled) or os.path.getmtime(compiled) < os.path.getmtime(os.path.join(BIN, "kvasir-compile")):
        run(os.path.join(BIN, "kvasir-compile"), source, "-o", compiled)
    return source, compiled


def peer_speed(source, threads):
    out = json.loads(run(os.path.join(PEER, "build/bin/llama-bench"), "-m", source, "-t", str(threads), "-p", "512",
                         "-n", "128", "-r", "1", "-o", "json", stderr=subprocess.DEVNULL))
    return {"prefill" if test["n_prompt"] else "decode": test["avg_ts"] for test in out}


def own_speed(compiled, threads):
    out = json.loads(run(os.path.join(BIN, "kvasir"), "bench", compiled, "-t", str(threads), "-p", "512", "-n", "128",
                         "-d", "0", "-b", "1", "-r", "1", "--json"))
    return {result["test"]: result for result in out["results"]}


def measure(name, args):
    source, compiled = model(name)
    rounds = [(peer_speed(source, args.threads), own_speed(compiled, args.threads)) for _ in range(args.rounds)]
    rows = []
    for test, goal in zip(("decode", "prefill"), GOALS[name]):
        own = [r[1][test] for r in rounds]
        rows.append({
            "model": name,
            "test": test,
            "kvasir": statistics.median(o["tokens_per_s"] for o in own),
            "peer": statistics.median(r[0][test] for r in rounds),
            "ratio": statistics.median(r[1][test]["tokens_per_s"] / r[0][test] for r in rounds),
            "limit_fraction": statistics.median(o["limit_fraction"] for o in own),
            "barrier_ns": statistics.median(o["barrier_ns"] for o in own),
            "goal": goal,
        })
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--formats", default=",".join(GOALS))
    args = parser.parse_args()
    run(os.path.join(HERE, "build_llama_cpp.sh"), PEER)
    print("| SmolLM2-135M | test | Kvasir tok/s | of the limit | llama.cpp tok/s | ratio | goal |")
    print("|---|---|---|---|---|---|---|")
    missed = 0
    for name in args.formats.split(","):
        for row in measure(name, args):
            goal = row["goal"]
            missed += goal is not None and row["ratio"] < goal
            print("| {model} | {test} | {kvasir:.0f} | {limit_fraction:.2f} | {peer:.0f} | {ratio:.2f} |".format(**row),
                  "≥ %.1f |" % goal if goal else "– |", flush=True)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
