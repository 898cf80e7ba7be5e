"""Holds onednn against cpu, both with activations in bf16, at calls of 1 to 512 rows, and against the machine's peak.

usage: swap.py [--rounds 5] [--threads 2] [--models BF16,Q4_1,1B]

Both run in turn, call by call; a figure is the median of the rounds and a ratio the median of the rounds' ratios. The peak
is that of the arithmetic which the matrices are computed in, as `kvasir bench` measures it in the same run: of bf16 where
the machine multiplies bf16, else of f32. Matrix products alone are measured by bench_onednn on one thread, beside the peak
of one. Prints a table and exits with 1 when a goal is missed.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys

from bench import BIN, MODELS, ROOT, SMOLLM2, run

ROWS = (1, 4, 16, 32, 64, 128, 512)
BACKENDS = ("cpu", "onednn")
NOISE = 0.02  # two runs of the same file differ by so much
OF_PRODUCTS, OF_ALL = 0.85, 0.6  # of the peak, at 512 rows
LARGE = ("--type", "Q4_0", "--width", "2048", "--heads", "32", "--key-heads", "8", "--feed-forward", "8192", "--layers", "16",
         "--vocabulary", "49152", "--context", "8192")
# name: file, what makes it where it is missing, its name in bench_onednn
MODEL_FILES = {
    "BF16": ("SmolLM2-135M.BF16.gguf", lambda to: ("requantise.py", SMOLLM2, "BF16", to), "135M BF16"),
    "Q4_1": (os.path.basename(SMOLLM2), None, "135M Q4_1"),
    "1B": ("random-1B.Q4_0.gguf", lambda to: ("random_model.py", to, *LARGE), "1B Q4_0"),
}


def is_older(made, than):
    return not os.path.exists(made) or os.path.getmtime(made) < os.path.getmtime(than)


def compiled(name):
    """The model, compiled by each backend."""
    file, maker, _ = MODEL_FILES[name]
    source = os.path.join(MODELS, file)
    if not os.path.exists(source):
        script, *arguments = maker(source)
        run(sys.executable, os.path.join(ROOT, "tests/models", script), *arguments)
    compiler, files = os.path.join(BIN, "kvasir-compile"), []
    for backend in BACKENDS:
        files.append(os.path.join(MODELS, "swap.%s.%s.kvasir" % (name, backend)))
        if is_older(files[-1], compiler):
            run(compiler, source, "--backend", backend, "--activations", "bf16", "-o", files[-1], stderr=subprocess.DEVNULL)
    return files


def speed(file, rows, threads):
    """One run's result, and what the machine's limits are in it."""
    said = json.loads(run(os.path.join(BIN, "kvasir"), "bench", file, "-t", str(threads), "-p", str(rows), "-n", "0",
                          "-r", str(min(max(256 // rows, 1), 9)), "--json"))
    return said["results"][0], said["machine"]["limits"][0]


def measure(name, args):
    """Prints a line for each number of rows; gives how many goals are missed."""
    missed, files = 0, compiled(name)
    for rows in ROWS:
        rounds = [[speed(file, rows, args.threads) for file in files] for _ in range(args.rounds)]
        own, others = ([pair[i][0]["tokens_per_s"] for pair in rounds] for i in (1, 0))
        ratio = statistics.median(a / b for a, b in zip(own, others))
        share = statistics.median(pair[1][0]["limit_fraction"] for pair in rounds)
        is_missed = ratio < 1 - NOISE or rows == ROWS[-1] and share < OF_ALL
        missed += is_missed
        print("| %s | %d | %.1f | %.1f | %.3f | %.2f | %s |" % (name, rows, statistics.median(own), statistics.median(others),
              ratio, share, "missed" if is_missed else ""), flush=True)
    print("peak: %s, %.0f Gop/s" % (rounds[-1][1][1]["arithmetic"], rounds[-1][1][1]["gops_per_s"]))
    return missed


def measure_products(names):
    """Of the peak, all linears of a layer at 512 rows."""
    run("ninja", "-C", os.path.dirname(BIN), "bench_onednn")
    said, missed = run(os.path.join(BIN, "bench_onednn")), 0
    for name in names:
        share = int(re.search(r"%s +all of a layer +512 rows: .* = (\d+) %%" % MODEL_FILES[name][2], said).group(1)) / 100
        missed += share < OF_PRODUCTS
        print("%s: products of 512 rows at %.2f of the peak (at least %.2f)" % (name, share, OF_PRODUCTS), flush=True)
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", default=",".join(MODEL_FILES))
    args = parser.parse_args()
    names = args.models.split(",")
    print("| model | rows | onednn tok/s | cpu tok/s | ratio | of the peak | |\n|---|---|---|---|---|---|---|")
    missed = sum([measure(name, args) for name in names])
    sys.exit(1 if missed + measure_products(names) else 0)


if __name__ == "__main__":
    main()
