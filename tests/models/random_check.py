"""Holds a random model, compiled, against the oracle.

usage: random_check.py --compiler BIN --kvasir BIN [--backend reference] [--tokens 80] [--state f32|bf16|f16]
                       -- OPTIONS OF random_model.py

How far may logits be from the truth? As far as f32 brings any implementation of the same formulas, which depends on the
model: the oracle in f32 is one, and its distance from the oracle in f64 says how large rounding errors are. Sums in
another order have other errors of the same size; kernels that add one after the other, where numpy adds in pairs, have
larger ones: sqrt(K) instead of sqrt(log K) roundings, a factor of sqrt(K / log2 K) = 8 for inner products of K = 512.

--state is what rows are kept in, and compiled for where it is f16.
A backend that keeps keys and values in bf16, and computes in f32 (--activations exact), rounds queries, keys, values and
weights of each attention by 2^-9 at most, 2^-10 on average. These errors reach logits of standard deviation s through
norms that bring every stream to one size; of L = 2 layers with 4 such roundings each, 2^-10 sqrt(8) s is left, and the
largest of 25600 logits is at 4.5 times that: 0.012 s. Keys also err in the exponent, where a score of size 3 triples it.
Where rows are in f16 they are rounded by an eighth of that, and nothing else is.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np

import oracle

HERE = os.path.dirname(os.path.abspath(__file__))
SUMMATION = 8
STATE = {"f32": 0, "bf16": 0.036, "f16": 0.036 / 8}  # of the logits' standard deviation


def check(args, folder):
    source, compiled, out = (os.path.join(folder, name) for name in ("x.gguf", "x.kvasir", "x.npy"))
    subprocess.run([sys.executable, os.path.join(HERE, "random_model.py"), source, *args.options], check=True)
    exact = ["--backend", args.backend, "--activations", "exact", "--kv-type", "f16" if args.state == "f16" else "auto"]
    subprocess.run([args.compiler, source, "-o", compiled, *exact], check=True)
    ids = [int(i) for i in np.random.default_rng(5).integers(0, 256, args.tokens)]
    subprocess.run([args.kvasir, "logits", compiled, "--ids", ",".join(map(str, ids)), "-o", out], check=True)
    truth, rounded = (oracle.of(source, precision).forward(ids)[0] for precision in (np.float64, np.float32))
    limit = max(SUMMATION * np.abs(rounded - truth).max(), STATE[args.state] * truth.std())
    difference = np.abs(np.load(out) - truth).max()
    print("largest difference of a logit from f64: %.2e; limit %.2e" % (difference, limit))
    return difference <= limit


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--kvasir", required=True)
    parser.add_argument("--backend", default="reference")
    parser.add_argument("--tokens", type=int, default=80)
    parser.add_argument("--state", choices=STATE, default="f32")
    parser.add_argument("options", nargs="*")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(0 if check(args, folder) else 1)


main()
