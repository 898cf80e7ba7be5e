"""Measures Kvasir and its peers in turn on the same files and threads, and holds the ratios to their goals.

usage: bench.py [--rounds 3] [--threads 2] [--only TEXT] [--no-openvino]

In each round of a line llama.cpp, OpenVINO GenAI and Kvasir run one after the other; a figure is the median over the
rounds, and a ratio the median of the rounds' ratios. Beside each figure stands the share of this machine's own limit,
which `kvasir bench` measures in the same run. Models and peers are made when they are missing (1B: some minutes).
Exits with 1 when a goal is missed.
"""
import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass

from bench_models import BIN, compiled, source
from peers import llama_cpp_speed, llama_cpp_tool, need_llama_cpp, need_openvino, openvino_speeds, output
from rounds import in_turn, median


@dataclass(frozen=True)
class Line:
    """One line of the table: what runs, and what shall hold: share of the limit, times llama.cpp (None: no goal)."""
    model: str
    weights: str
    kind: str  # prefill or decode
    tokens: int
    limit_goal: float | None
    peer_goal: float | None
    depth: int = 0
    batch: int = 1
    activations: str = "int8"

    def title(self):
        text = "%s %s, %s %d" % (self.model, self.weights, self.kind, self.tokens)
        text += " at depth %d" % self.depth if self.depth else ""
        text += ", %d sequences" % self.batch if self.batch > 1 else ""
        return text + (", %s activations" % self.activations if self.activations != "int8" else "")


LINES = [
    Line("SmolLM2", "Q4_1", "decode", 128, 0.90, 2.8),
    Line("SmolLM2", "Q4_0", "decode", 128, 0.90, 2.2),
    Line("SmolLM2", "Q8_0", "decode", 128, 0.90, 1.7),
    Line("SmolLM2", "BF16", "decode", 128, 0.90, 1.25),
    Line("1B", "Q4_0", "decode", 128, 0.92, 1.15),
    Line("1B", "Q4_K_M", "decode", 128, 0.85, 2.0),
    Line("SmolLM2", "Q4_0", "decode", 128, 0.80, 3.3, depth=4096),
    Line("SmolLM2", "Q4_0", "decode", 64, None, 4.5, batch=4),
    Line("SmolLM2", "Q4_0", "decode", 64, None, 4.5, batch=8),
    Line("SmolLM2", "Q4_0", "decode", 64, None, 3.3, batch=16),
    Line("SmolLM2", "Q4_1", "prefill", 512, 0.58, 9.0),
    Line("SmolLM2", "Q4_0", "prefill", 512, 0.62, 3.2),
    Line("SmolLM2", "Q8_0", "prefill", 512, 0.60, 5.0),
    Line("1B", "Q4_0", "prefill", 512, 0.62, 2.4),
    Line("1B", "Q4_K_M", "prefill", 512, 0.55, 4.0),
    Line("SmolLM2", "Q4_0", "prefill", 4096, None, 4.3),
    Line("SmolLM2", "BF16", "prefill", 512, 0.85, 2.1, activations="bf16"),
    Line("SmolLM2", "Q4_0", "prefill", 512, 0.75, 2.0, activations="bf16"),
]


def own_speed(line, threads):
    """The result of `kvasir bench`; threads: how many, or None for its own choice."""
    prompt, generated = (line.tokens, 0) if line.kind == "prefill" else (0, line.tokens)
    team = [] if threads is None else ["-t", str(threads)]
    out = output(os.path.join(BIN, "kvasir"), "bench", compiled(line.model, line.weights, line.activations), *team,
                 "-p", str(prompt), "-n", str(generated), "-d", str(line.depth), "-b", str(line.batch), "-r", "1",
                 "--json")
    return json.loads(out)["results"][0]


class OpenVino:
    """Its speeds on the lines that it can run: one sequence, a prompt of 512, 128 decoded; both are of one run."""

    def __init__(self, is_there):
        self.is_there, self.speeds = is_there, {}

    def speed(self, line, threads, round_number):
        if not self.is_there or line.depth or line.batch > 1 or (line.kind, line.tokens) not in (
                ("prefill", 512), ("decode", 128)):
            return None
        key = line.model, line.weights, round_number
        if key not in self.speeds:
            self.speeds[key] = openvino_speeds(source(line.model, line.weights), threads)
        return self.speeds[key].get(line.kind)


def measure(line, args, openvino):
    """What counts of Kvasir's results, and how many times the peers' speed that is."""
    rounds = in_turn(
        args.rounds,
        lambda number: llama_cpp_speed(source(line.model, line.weights), args.threads, line.kind, line.tokens, line.depth,
                                       line.batch),
        lambda number: openvino.speed(line, args.threads, number),
        lambda number: own_speed(line, args.threads))
    own = {name: median(rounds, lambda *round: round[-1][name])
           for name in ("tokens_per_s", "limit_fraction", "barrier_ns")}
    return own, [median(rounds, lambda *round: round[-1]["tokens_per_s"] / round[peer] if round[peer] else None)
                 for peer in (0, 1)]


def cell(value, goal=None):
    text = "–" if value is None else "%.2f" % value
    return text + (" (≥ %g)" % goal if goal is not None else "")


def print_line(line, args, openvino):
    """Prints one line; how many of its goals were missed."""
    own, ratios = measure(line, args, openvino)
    print("| %s | %.0f | %s | %s | %s | %.0f ns |" % (
        line.title(), own["tokens_per_s"], cell(own["limit_fraction"], line.limit_goal),
        cell(ratios[0], line.peer_goal), cell(ratios[1]), own["barrier_ns"]), flush=True)
    return ((line.limit_goal or 0) > own["limit_fraction"]) + ((line.peer_goal or 0) > (ratios[0] or 0))


def seconds_to_first_byte(*command):
    begin = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        run.stdout.read(1)
        seconds = time.monotonic() - begin
        run.stdout.read()
    return seconds


def print_first_token(args):
    """From the start of the process to its first byte of text, pages in the cache; missed goals."""
    prompt = "Once upon a time"
    own = [os.path.join(BIN, "kvasir"), "run", compiled("SmolLM2", "Q4_1"), "-p", prompt, "-n", "1"]
    peer = [llama_cpp_tool("llama-completion"), "-m", source("SmolLM2", "Q4_1"), "-p", prompt, "-n", "1", "-c", "512",
            "-no-cnv", "--no-display-prompt", "--no-warmup", "-t", str(args.threads)]
    rounds = in_turn(max(args.rounds, 5), lambda number: seconds_to_first_byte(*own),
                     lambda number: seconds_to_first_byte(*peer))
    own_ms = 1e3 * median(rounds, lambda first, other: first)
    sooner = median(rounds, lambda first, other: other / first)
    print("first token after %.1f ms (at most 20), %.1f times sooner than llama.cpp (≥ 6)" % (own_ms, sooner), flush=True)
    return (own_ms > 20) + (sooner < 6)


def print_competition(args):
    """Decode beside a process that never stops computing, which takes one of the processors; missed goals."""
    line = next(line for line in LINES if line.kind == "decode")
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            rounds = in_turn(args.rounds, *(lambda number, threads=threads: own_speed(line, threads)["tokens_per_s"]
                                            for threads in (1, args.threads, None)))
        finally:
            busy.kill()
    share = median(rounds, lambda one, all_, own: own / max(one, all_))
    print("beside a busy process: %.2f of the better of 1 and %d threads (≥ 0.85)" % (share, args.threads), flush=True)
    return int(share < 0.85)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="", help="lines whose title has this text, first token, beside a busy process")
    parser.add_argument("--no-openvino", action="store_true")
    args = parser.parse_args()
    need_llama_cpp()
    openvino = OpenVino(not args.no_openvino and need_openvino())
    print("| | Kvasir tok/s | of the limit | times llama.cpp | times OpenVINO | barrier |\n|---|---|---|---|---|---|")
    missed = sum(print_line(line, args, openvino) for line in LINES if args.only in line.title())
    others = {"first token": print_first_token, "beside a busy process": print_competition}
    missed += sum(measure_other(args) for name, measure_other in others.items() if args.only in name)
    print("%d goals missed" % missed)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
