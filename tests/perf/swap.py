"""Holds onednn against cpu, both with activations in bf16, at calls of 1 to 512 rows, and against the machine's peak.

usage: swap.py [--rounds 5] [--threads 2] [--only TEXT]

Both run in turn, now the one first, now the other; a figure is the best of the rounds, since other guests of a shared
machine only ever slow a run down, and a ratio that of two such figures. The share of the peak is the median. The peak is
that of the arithmetic which the matrices are computed in, as `kvasir bench` measures it in the same run: of bf16 where
the machine multiplies bf16, else of f32. Matrix products alone are measured by bench_onednn on one thread, beside the peak
of one. Prints a table and exits with 1 when a goal is missed.
"""
import argparse
import json
import os
import re
import subprocess
import sys

from bench_models import BIN, MODELS, source
from peers import output
from rounds import in_turn, median

ROWS = (1, 4, 16, 32, 64, 128, 512)
BACKENDS = ("cpu", "onednn")
NOISE = 0.02  # two runs of the same file differ by so much
OF_PRODUCTS, OF_ALL = 0.85, 0.6  # of the peak, at 512 rows
# model, kind of weights: their name in bench_onednn
LINES = {("SmolLM2", "BF16"): "135M BF16", ("SmolLM2", "Q4_1"): "135M Q4_1", ("1B", "Q4_0"): "1B Q4_0"}


def compiled(line):
    """The model's plugins, one of each backend."""
    compiler, files = os.path.join(BIN, "kvasir-compile"), []
    for backend in BACKENDS:
        files.append(os.path.join(MODELS, "swap.%s.%s.%s.kvasir" % (*line, backend)))
        if not os.path.exists(files[-1]) or os.path.getmtime(files[-1]) < os.path.getmtime(compiler):
            output(compiler, source(*line), "--backend", backend, "--activations", "bf16", "-o", files[-1],
                   stderr=subprocess.DEVNULL)
    return files


def speed(file, rows, threads):
    """One run's result, and what the machine's limits are in it."""
    said = json.loads(output(os.path.join(BIN, "kvasir"), "bench", file, "-t", str(threads), "-p", str(rows), "-n", "0",
                             "-r", str(min(max(256 // rows, 1), 9)), "--json"))
    return said["results"][0], said["machine"]["limits"][0]


def measure(line, args):
    """Prints a row for each number of rows; gives how many goals are missed."""
    missed, files = 0, compiled(line)
    for rows in ROWS:
        rounds = in_turn(args.rounds, *(lambda number, file=file: speed(file, rows, args.threads) for file in files))
        own, others = (max(pair[i][0]["tokens_per_s"] for pair in rounds) for i in (1, 0))
        ratio = own / others
        share = median(rounds, lambda cpu, onednn: onednn[0]["limit_fraction"])
        is_missed = ratio < 1 - NOISE or rows == ROWS[-1] and share < OF_ALL
        missed += is_missed
        print("| %s %s | %d | %.1f | %.1f | %.3f | %.2f | %s |" %
              (*line, rows, own, others, ratio, share, "missed" if is_missed else ""), flush=True)
    print("peak: %s, %.0f Gop/s" % (rounds[-1][1][1]["arithmetic"], rounds[-1][1][1]["gops_per_s"]))
    return missed


def measure_products(lines):
    """Of the peak, all linears of a layer at 512 rows."""
    output("ninja", "-C", os.path.dirname(BIN), "bench_onednn")
    said, missed = output(os.path.join(BIN, "bench_onednn")), 0
    for line in lines:
        share = int(re.search(r"%s +all of a layer +512 rows: .* = (\d+) %%" % LINES[line], said).group(1)) / 100
        missed += share < OF_PRODUCTS
        print("%s: products of 512 rows at %.2f of the peak (at least %.2f)" % (LINES[line], share, OF_PRODUCTS), flush=True)
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="", help="models whose names have this in them")
    args = parser.parse_args()
    lines = [line for line in LINES if args.only in " ".join(line)]
    print("| model | rows | onednn tok/s | cpu tok/s | ratio | of the peak | |\n|---|---|---|---|---|---|---|")
    missed = sum([measure(line, args) for line in lines])
    sys.exit(1 if missed + measure_products(lines) else 0)


if __name__ == "__main__":
    main()
