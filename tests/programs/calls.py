#!/usr/bin/env python3
"""Functions called by name: `kvasir run --call` with arrays of numpy, in one call and in two, one of them in column order.

usage: calls.py KVASIR MODEL      MODEL: imported_position.mlir, compiled
"""
import os
import subprocess
import sys
import tempfile

import numpy


def causal(past, tokens):
    mask = numpy.zeros((1, 1, tokens, past + tokens))
    for row in range(tokens):
        mask[..., row, past + row + 1:] = -numpy.inf
    return mask


def main(kvasir, model):
    with tempfile.TemporaryDirectory() as folder:
        def path(name):
            return os.path.join(folder, name + ".npy")

        def call(function, ids, past, mask, output):
            numpy.save(path(output + "_mask"), mask)
            return ["--call", function, "--input", "input_ids=" + ids, "--input", f"position={past}",
                    "--input", "mask=" + path(output + "_mask"), "--output", "logits=" + path(output)]

        numpy.save(path("ids"), numpy.array([[33, 7, 0, 12, 5]]))
        subprocess.run([kvasir, "run", model] + call("prefill", path("ids"), 0, numpy.asfortranarray(causal(0, 5)), "whole"),
                       check=True)
        subprocess.run([kvasir, "run", model] + call("prefill", "33,7,0,12", 0, causal(0, 4), "first") +
                       call("decode", "5", 4, causal(4, 1).astype(numpy.float32), "last"), check=True)
        whole, first, last = (numpy.load(path(name)) for name in ("whole", "first", "last"))
    assert whole.shape == (1, 5, 96) and whole.dtype == numpy.float32
    assert numpy.array_equal(whole[:, :4], first) and numpy.array_equal(whole[:, 4:], last)
    print("5 tokens at once are 4 and 1, to the bit")


main(*sys.argv[1:])
