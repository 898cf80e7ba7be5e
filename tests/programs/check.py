"""Holds a compiled program against the oracle, and against itself in other chunks.

usage: check.py PROGRAM --kvasir BIN --library libkvasir.so --reference REFERENCE.kvasir --model MODEL.kvasir

Logits and rows may be as far from the oracle in f64 as rounding brings any implementation of the same formulas: SUMMATION
times as far as the oracle in f32 is (tests/models/random_check.py says why). Where rows are rounded to a narrower type,
the oracle in f64 may round a number to the other side: then one step of that type is added, and its effect on logits.
"""
import argparse
import sys

import numpy as np

import oracle
import runtime

SUMMATION = 8
STEP = {"f32": 0.0, "f16": 2.0 ** -10, "bf16": 2.0 ** -7}  # of a number just above a power of two
STATE_IN_BF16 = 0.036  # of the logits' standard deviation, as in random_check.py
TOKENS = 200


class Check:
    def __init__(self, args):
        self.args = args
        self.model = runtime.Model(args.library, args.model)
        weights = oracle.read_weights(args.kvasir, args.reference)
        self.ids = np.random.default_rng(5).integers(0, 96, TOKENS).astype(np.int32)
        oracles = [oracle.Oracle(weights, precision) for precision in (np.float64, np.float32)]
        self.truth, self.rounded = (getattr(one, args.program)(self.ids) for one in oracles)
        self.registers, self.rounded_registers = (one.registers for one in oracles)
        self.failed = False

    def expect(self, holds, text):
        print(("ok      " if holds else "FAILED  ") + text)
        self.failed |= not holds

    def first_held(self, slot):
        window = self.model.slot(slot).get("window", 0)
        return TOKENS - window + 1 if window else 0

    def compare(self, name, found, truth, rounded, slack=0.0):
        limit = SUMMATION * np.abs(rounded - truth).max() + slack
        difference = np.abs(found - truth).max()
        self.expect(difference <= limit, "%s: at most %.1e from f64, limit %.1e" % (name, difference, limit))

    def check_numbers(self, logits, state):
        narrow = {slot["name"]: slot["layout"]["planes"][0]["element"] for slot in self.model.description["slots"]}
        worst = max((STEP[element] for element in narrow.values()))
        rounds = 2.0 ** -10 if self.args.program == "imported_mask" else 0.0
        slack = (STATE_IN_BF16 if worst == STEP["bf16"] else rounds) * self.truth[0].std()
        self.compare("logits", logits, self.truth[0], self.rounded[0], slack)
        for slot, layers in self.truth[1].items():
            first = self.first_held(slot)
            for layer, truth in enumerate(layers):
                # Later layers are of streams that differ as logits do.
                step = max(STEP[narrow[slot]], rounds) * np.abs(truth).max() + slack
                self.compare("rows of %s, layer %d" % (slot, layer), state.rows(slot, layer, first), truth[first:],
                             self.rounded[1][slot][layer][first:], step)

        for slot, layers in self.registers.items():
            for layer, truth in enumerate(layers):
                self.compare("register %s, layer %d" % (slot, layer), state.register(slot, layer), truth,
                             self.rounded_registers[slot][layer], slack)

    def bits(self, logits, state):
        """All that a conversation leaves."""
        rows = [state.rows(slot, layer, self.first_held(slot)).tobytes()
                for slot, layers in self.truth[1].items() for layer in range(len(layers))]
        registers = [state.register(slot, layer).tobytes()
                     for slot, layers in self.registers.items() for layer in range(len(layers))]
        return logits.tobytes(), rows, registers

    def run(self, chunks):
        """The logits of all tokens, and the state."""
        state, logits = self.model.state(), []
        begin = 0
        for count in chunks:
            logits.append(self.call(state, begin, count))
            begin += count
        return np.concatenate(logits), state

    def call(self, state, begin, count):
        ids = self.ids[begin:begin + count]
        if not self.args.program.startswith("imported"):
            return self.model.call("forward", [state], {"ids": ids})["logits"]
        function, inputs = self.imported_inputs(begin, ids)
        return self.model.call(function, [state], inputs)["logits"][0]

    def imported_inputs(self, begin, ids):
        seen = np.arange(begin + len(ids))[None, :] <= begin + np.arange(len(ids))[:, None]
        hidden = -np.inf if self.args.program == "imported_position" else -65504.0
        mask = np.where(seen, 0.0, hidden).astype(np.float32)[None, None]
        inputs = {"input_ids": ids[None]}
        if self.args.program == "imported_position":
            inputs.update(position=np.array([begin], np.int32), mask=mask)
        else:
            inputs.update(causal_mask=mask)
        return "decode" if len(ids) == 1 else "prefill", inputs

    def check_chunks(self):
        logits, state = self.run([TOKENS])
        self.check_numbers(logits, state)
        ones, some = [1] * TOKENS, [3, 125, 1, 1, 2, 60, 8]
        for name, chunks in ("token by token", ones), ("in chunks", some):
            self.expect(self.bits(*self.run(chunks)) == self.bits(logits, state),
                        name + ": the same bits as in one chunk")

    def refuse(self, name, function, states, inputs, message, counts=None):
        before = [len(state) for state in states]
        try:
            self.model.call(function, states, inputs, counts)
            self.expect(False, name + ": should have been refused")
        except runtime.Refused as refusal:
            self.expect(refusal.status == 2 and message in str(refusal), "%s: %s" % (name, refusal))
        self.expect([len(state) for state in states] == before, name + ": the states are as before")

    def check_refusals(self):
        """Calls whose inputs are not what the program binds them to."""
        state, mask = self.model.state(), "mask"
        self.call(state, 0, 10)
        _, good = self.imported_inputs(10, self.ids[10:14])
        if self.args.program == "imported_position":
            self.refuse("position", "prefill", [state], good | {"position": np.array([9], np.int32)},
                        "position is 9, the sequence holds 10 rows")
        else:
            mask = "causal_mask"
            shows = good[mask].copy()
            shows[0, 0, 0, 13] = 0
            self.refuse("a mask that shows too much", "prefill", [state], good | {mask: shows},
                        "causal_mask is not causal: 1 of its numbers")
            hides = good[mask].copy()
            hides[0, 0, 1, 0:2] = -65504
            self.refuse("a mask that hides too much", "prefill", [state], good | {mask: hides},
                        "causal_mask is not causal: 2 of its numbers")
        self.refuse("a mask that is too wide", "prefill", [state],
                    good | {mask: np.concatenate([good[mask], good[mask][..., :1]], -1)},
                    "input '%s' is f32[1, 1, 4, 15]; the call needs f32[1, 1, 4, 14]" % mask)
        other = self.model.state()
        self.refuse("two sequences", "prefill", [state, other], good, "the rows of one sequence; the call has 2", [2, 2])
        again, whole = self.call(state, 10, 4), self.run([14])[0]
        self.expect(again.tobytes() == whole[10:].tobytes(), "after the refusals: the same bits as without them")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("program")
    for name in ("kvasir", "library", "reference", "model"):
        parser.add_argument("--" + name, required=True)
    check = Check(parser.parse_args())
    check.check_chunks()
    if check.args.program.startswith("imported"):
        check.check_refusals()
    sys.exit(1 if check.failed else 0)


main()
