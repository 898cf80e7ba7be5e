"""How far rounding takes a model from the truth, on three kinds of text, 2556 tokens in all, with one format of weights.

usage: divergence.py --compiler BIN --kvasir BIN --gguf X.gguf [--format Q4_K]

With --format, of the model with its matrices in that format (requantise.py). The truth is the f32 oracle on the file's own
dequantised weights. Held to limits are the means over all tokens of
KL(truth || plugin), in nats, with activations in int8 and in bf16, and of KL(truth || oracle on the weights as the plugin
holds them), which is what packing them anew costs.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np

import oracle
import packed
import requantise
from check import HERE, log_softmax, run

KINDS_OF_TEXT = ("prose", "code", "talk")
LIMITS = {"int8": 0.004, "bf16": 0.0003}
OF_PACKING = 1e-4
ROWS_AT_ONCE = 128


def divergences(truth, logits):
    """KL(truth || logits) of each token, few at a time since a row has 49152 numbers in f64."""
    found = []
    for first in range(0, len(truth), ROWS_AT_ONCE):
        p, q = (log_softmax(rows[first:first + ROWS_AT_ONCE]) for rows in (truth, logits))
        found.append((np.exp(p) * (p - q)).sum(-1))
    return np.concatenate(found)


class Measurement:
    """One format's; `found` has for each of what is held to a limit the divergences of each text's tokens."""

    def __init__(self, args, folder):
        self.args, self.folder, self.found, self.gguf = args, folder, {}, args.gguf
        if args.format:
            self.gguf = os.path.join(folder, "x.gguf")
            requantise.main(args.gguf, args.format, self.gguf)
        self.plugins = {name: self.compiled(name) for name in LIMITS}

    def compiled(self, activations):
        path = os.path.join(self.folder, activations + ".kvasir")
        subprocess.run([self.args.compiler, self.gguf, "-o", path, "--activations", activations], check=True,
                       stderr=subprocess.DEVNULL)
        return path

    def ids(self, text):
        path = os.path.join(HERE, "texts", text + ".txt")
        return run(self.args.kvasir, "tokenize", self.plugins["int8"], "--ids", "-f", path).replace(",", " ").split()

    def logits(self, activations, ids):
        path = os.path.join(self.folder, "logits.npy")
        run(self.args.kvasir, "logits", self.plugins[activations], "--ids", ",".join(ids), "-o", path)
        return np.load(path, mmap_mode="r")

    def add(self, name, truth, logits):
        self.found.setdefault(name, []).append(divergences(truth, logits))

    def measure(self):
        model = oracle.of(self.gguf)
        given = model.weights
        weights = packed.Weights(self.args.kvasir, self.plugins["int8"])
        held = {name: weights.values(name) for name in given}
        is_same = all(np.array_equal(given[name], held[name]) for name in given)
        for text in KINDS_OF_TEXT:
            ids = self.ids(text)
            numbers = [int(i) for i in ids]
            model.weights = given
            truth = model.forward(numbers)[0]
            for activations in LIMITS:
                self.add(activations, truth, self.logits(activations, ids))
            model.weights = held
            self.add("packing", truth, truth if is_same else model.forward(numbers)[0])

    def is_within_limits(self):
        means = {name: np.concatenate(texts).mean() for name, texts in self.found.items()}
        for name, limit in {**LIMITS, "packing": OF_PACKING}.items():
            of_texts = ", ".join("%s %.2g" % (text, mean.mean()) for text, mean in zip(KINDS_OF_TEXT, self.found[name]))
            print("%s: mean KL divergence %.3g of at most %g, over %d tokens; %s" % (
                name, means[name], limit, sum(map(len, self.found[name])), of_texts))
        return all(means[name] <= limit for name, limit in {**LIMITS, "packing": OF_PACKING}.items())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--kvasir", required=True)
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--format")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.path.dirname(args.gguf)) as folder:
        measurement = Measurement(args, folder)
        measurement.measure()
        sys.exit(0 if measurement.is_within_limits() else 1)


if __name__ == "__main__":
    main()
