"""Holds SmolLM2's package (export_smollm2.py) against the f32 oracle on the GGUF that it was made from. By hand.

usage: check_smollm2.py MODEL.gguf PACKAGE.kvasir --library LIBKVASIR [--chunks 48,1,7,8]

The program rounds each op's result to float16, whose roundings are off by at most u = 2^-11 of a value, as often up as
down. From a token's embedding to its logits go R = 14 a layer (two norms of two roundings, a linear into the head, rope
of two products and a sum, attention, a linear back, a sum; a linear up, silu, a product, a linear down, a sum) and 4
more, so the root mean square of the logits' errors is at most sqrt(R) u of that of the logits: 1.0 % with 30 layers.
The largest of N errors of one distribution is within sqrt(2 ln N) of their root mean square.
"""
import argparse
import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", folder) for folder in ("models", "programs")]
from check import CONTINUATION, PROMPT  # noqa: E402
from oracle import Oracle  # noqa: E402
from runtime import Model  # noqa: E402

# "Once upon a time", and how SmolLM2 goes on.
TEXT = PROMPT + CONTINUATION


def rms(x):
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


def causal(first, count):
    seen = np.arange(first + count)[None, :] <= first + np.arange(count)[:, None]
    return np.where(seen, 0, -np.inf).astype(np.float16)[None, None]


def package_logits(model, ids, chunks):
    state, rows, first = model.state(), [], 0
    for count in chunks:
        inputs = {"inputIds": np.asarray([ids[first:first + count]], np.int32), "causalMask": causal(first, count)}
        rows.append(model.call("main", [state], inputs, wanted="none")["logits"][0].astype(np.float32))
        first += count
    return np.concatenate(rows)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("gguf")
    parser.add_argument("plugin")
    parser.add_argument("--library", required=True)
    parser.add_argument("--chunks", default="48,1,7,8")
    options = parser.parse_args()
    chunks = [int(count) for count in options.chunks.split(",")]
    ids = (TEXT * (1 + sum(chunks) // len(TEXT)))[:sum(chunks)]
    oracle = Oracle(options.gguf)
    expected = oracle.forward(ids)[0]
    found = package_logits(Model(options.library, options.plugin), ids, chunks)
    error = found - expected
    share = np.sqrt(14 * oracle.config.layers + 4) * 2.0 ** -11
    largest = np.sqrt(2 * np.log(error.size))
    print(f"{len(ids)} tokens: errors of {rms(error):.4f} (root mean square; limit {share * rms(expected):.4f}), the "
          f"largest {np.abs(error).max():.4f} (limit {largest * share * rms(expected):.4f}); "
          f"{(found.argmax(-1) == expected.argmax(-1)).sum()} of {len(ids)} best tokens are the same")
    assert rms(error) <= share * rms(expected) and np.abs(error).max() <= largest * share * rms(expected)


if __name__ == "__main__":
    main()
