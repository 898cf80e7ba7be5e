"""Layers in different formats are packed in their own.

usage: mixed.py --compiler BIN --kvasir BIN

A random model whose attn_v and ffn_down are in three formats in turn: each tensor's values in the plugin are the file's,
to the bit, in as many bytes; more layers make no more code; and a weight in more formats than one body tells apart has
one that holds them all.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

import gguf
import numpy as np

import packed

HERE = os.path.dirname(os.path.abspath(__file__))
MIXED = ("blk.%s.attn_v.weight", "blk.%s.ffn_down.weight")


class Mixed:
    def __init__(self, args, folder):
        self.args, self.folder = args, folder

    def compile(self, name, mixed, layers, backend="cpu"):
        """The source, the plugin and the KB of its code."""
        source, plugin = (os.path.join(self.folder, name + end) for end in (".gguf", ".kvasir"))
        subprocess.run([sys.executable, os.path.join(HERE, "random_model.py"), source, "--type", "Q4_1", "--mixed", mixed,
                        "--layers", str(layers), "--width", "128"], check=True)
        said = subprocess.run([self.args.compiler, source, "-o", plugin, "--backend", backend], check=True,
                              stderr=subprocess.PIPE, text=True).stderr
        return source, plugin, int(re.search(r"code (\d+) KB", said)[1])

    def check(self):
        source, plugin, code = self.compile("three", "Q8_0,BF16", 5)
        weights = packed.Weights(self.args.kvasir, plugin)
        families = {tensor["name"] for tensor in weights.tensors}
        for name in MIXED:
            expect({name % "{0,3}", name % "{1,4}", name % "{2}"} <= families, "families are " + " ".join(families))
        for tensor in gguf.GGUFReader(source).tensors:
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(tensor.shape[::-1])
            expect(np.array_equal(weights.values(tensor.name), values), tensor.name + " has other values")
            size = weights.at[tensor.name][0]["size"]
            expect(size == tensor.n_bytes, "%s has %d bytes, in the file %d" % (tensor.name, size, tensor.n_bytes))
        deeper = self.compile("deeper", "Q8_0,BF16", 20)[2]
        expect(deeper <= code + 1, "5 layers are %d KB of code, 20 are %d KB" % (code, deeper))  # 1: tables of layers
        joined = packed.Weights(self.args.kvasir, self.compile("five", "Q8_0,BF16,F16,Q5_0", 6, "reference")[1])
        families = {tensor["name"] for tensor in joined.tensors}
        expect({name % "{}" for name in MIXED} <= families, "families are " + " ".join(families))


def expect(holds, message):
    if not holds:
        sys.exit(message)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--kvasir", required=True)
    with tempfile.TemporaryDirectory() as folder:
        Mixed(parser.parse_args(), folder).check()


main()
