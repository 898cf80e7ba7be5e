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
sys.path[:0] = [HERE, os.path.join(HERE, "..", "programs")]
from check_smollm2 import PROMPT, causal  # noqa: E402
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("gguf")
    parser.add_argument("package")
    parser.add_argument("--library", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompt", type=int, default=256)
    parser.add_argument("--tokens", type=int, default=32)
    options = parser.parse_args()
    prompt = (PROMPT * (options.prompt // len(PROMPT) + 1))[:options.prompt]
    programs = {"GGUF": Gguf(options.library, options.gguf), "package": Package(options.library, options.package)}
    prefill, decode = {name: [] for name in programs}, {name: [] for name in programs}
    for _ in range(options.rounds + 1): # the first warms up
        for name, program in programs.items():
            state = program.model.state()
            prefill[name].append(seconds(program, state, prompt, 0, "all"))
            decode[name] += [[seconds(program, state, prompt[:1], len(prompt) + i, "last") for i in range(options.tokens)]]
    for what, times, count in (("prefill", prefill, len(prompt)), ("decode", decode, 1)):
        rate = {name: count / np.median(times[name][1:]) for name in programs}
        print(f"{what}: GGUF {rate['GGUF']:.1f} tokens/s, package {rate['package']:.1f}: "
              f"{rate['package'] / rate['GGUF']:.2f} of it")


if __name__ == "__main__":
    main()
