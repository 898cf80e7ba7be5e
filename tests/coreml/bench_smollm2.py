"""How fast SmolLM2's package runs beside the same weights from a GGUF, both compiled with --activations exact. By hand.

usage: bench_smollm2.py GGUF.kvasir PACKAGE.kvasir --library LIBKVASIR [--rounds 5] [--prompt 256] [--tokens 32]

The two run in turn, in one process; each figure is the median of the rounds. A package says nothing of wanted tokens: its
prompts' logits are all computed, so they are compared with a GGUF's of which all are wanted, too.
"""
import argparse
import os
import sys
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "programs"), os.path.join(HERE, "..", "perf")]
from check_smollm2 import TEXT, causal  # noqa: E402
from rounds import in_turn, median  # noqa: E402
from runtime import Model  # noqa: E402


class Gguf:
    def __init__(self, library, path):
        self.model = Model(library, path)

    def inputs(self, ids, first):
        return {"ids": np.asarray(ids, np.int32)}

    def call(self, state, inputs, wanted):
        self.model.call("forward", [state], inputs, [len(inputs["ids"])], wanted=wanted)


class Package:
    def __init__(self, library, path):
        self.model = Model(library, path)

    def inputs(self, ids, first):
        return {"inputIds": np.asarray([ids], np.int32), "causalMask": causal(first, len(ids))}

    def call(self, state, inputs, wanted):
        self.model.call("main", [state], inputs, wanted="none")
        assert self.model.form == "raised", self.model.reason


def seconds(program, state, ids, first, wanted):
    inputs = program.inputs(ids, first)
    began = time.perf_counter()
    program.call(state, inputs, wanted)
    return time.perf_counter() - began


class Runner:
    """Measures a program in one conversation a round."""

    def __init__(self, program, options):
        self.program, self.prompt = program, (TEXT * (options.prompt // len(TEXT) + 1))[:options.prompt]
        self.tokens = options.tokens

    def __call__(self, number):
        """Tokens a second of the prompt, and of tokens after it."""
        state = self.program.model.state()
        prefill = seconds(self.program, state, self.prompt, 0, "all")
        decode = [[seconds(self.program, state, self.prompt[:1], len(self.prompt) + i, "last")]
                  for i in range(self.tokens)]
        return {"prefill": len(self.prompt) / prefill, "decode": 1 / median(decode, lambda each: each)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("gguf")
    parser.add_argument("package")
    parser.add_argument("--library", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompt", type=int, default=256)
    parser.add_argument("--tokens", type=int, default=32)
    options = parser.parse_args()
    runners = [Runner(program, options)
               for program in (Gguf(options.library, options.gguf), Package(options.library, options.package))]
    rounds = in_turn(options.rounds + 1, *runners)[1:]  # the first warms up
    for what in ("prefill", "decode"):
        own, package = (median(rounds, lambda *pair: pair[i][what]) for i in (0, 1))
        ratio = median(rounds, lambda gguf, package: package[what] / gguf[what])
        print(f"{what}: GGUF {own:.1f} tokens/s, package {package:.1f}: {ratio:.2f} of it")


if __name__ == "__main__":
    main()
