"""Calls of two_forms.mlir against the same calls in the opaque form alone: outputs and whole states, after every call."""
import argparse
import ctypes
import os
import tempfile

import numpy as np

from runtime import Model, Refused

ROWS = 160
HIDDEN = np.float16(-65504)
# Rows of layer 1 are rounded to f16 after an attention whose sums are in another order: numbers of up to 2.
CLOSE = 2 ** -8


def causal(start, count, width):
    columns = np.arange(width)[None, :] <= start + np.arange(count)[:, None]
    return np.where(columns, np.float16(0), HIDDEN)[None, None].astype(np.float16)


def prefill(start, ids, mask=None):
    mask = causal(start, len(ids), start + len(ids)) if mask is None else mask
    return "prefill", {"ids": np.array([ids], np.int32), "mask": mask}


def decode(start, token, mask=None):
    mask = causal(start, 1, ROWS) if mask is None else mask
    return "decode", {"ids": np.array([[token]], np.int32), "pos": np.array([start], np.int32), "mask": mask}


def contents(state):
    return {name: state.register(name, 0) for name in ("k_cache", "v_cache", "calls")}


def layer(values, name, index):
    return values["k_cache"][index] if name == "k_cache" else values["v_cache"][:, index]


def assert_close(mine, due, what):
    for name in ("k_cache", "v_cache"):
        assert (layer(mine, name, 0) == layer(due, name, 0)).all(), f"{what}: {name} of layer 0"
        distance = np.abs(layer(mine, name, 1) - layer(due, name, 1)).max()
        assert distance <= CLOSE, f"{what}: {name} of layer 1 is off by {distance}"
    assert (mine["calls"] == due["calls"]).all(), f"{what}: calls"


def assert_same(mine, due, what):
    for name, value in due.items():
        assert (mine[name] == value).all(), f"{what}: {name} changed"


class Pair:
    """One state that calls take as they can, and one whose calls are all opaque."""

    def __init__(self, model, states=None):
        self.model = model
        self.mine, self.due = states or (model.state(), model.state())
        self.forms = {"raised": 0, "opaque": 0, "refused": 0}

    def call(self, function, inputs, expected=None, reason="", cancel=None):
        before = contents(self.mine)
        what = f"{function} {[value.shape for value in inputs.values()]}"
        try:
            due = self.model.call(function, [self.due], inputs, wish="opaque", cancel=cancel)
        except Refused as refusal:
            return self.refused(function, inputs, refusal, before, cancel)
        outputs = self.model.call(function, [self.mine], inputs, cancel=cancel)
        form, why = self.model.form, self.model.reason
        assert (form == "opaque") == bool(why), (form, why)
        assert expected in (None, form) and reason in why, f"{what}: {form}, '{why}'"
        for name, value in due.items():
            assert outputs[name].shape == value.shape and outputs[name].dtype == value.dtype, what
            distance = np.abs(outputs[name].astype(np.float64) - value).max()
            assert distance <= CLOSE, f"{what}: output {name} is off by {distance}"
        self.compare(what)
        self.assert_rest(function, inputs, before, what)
        if form in self.forms:
            self.forms[form] += 1
        return form

    def refused(self, function, inputs, refusal, before, cancel):
        try:
            self.model.call(function, [self.mine], inputs, cancel=cancel)
        except Refused as mine:
            assert mine.status == refusal.status, f"'{mine}', opaque: '{refusal}'"
            assert cancel or str(mine) == str(refusal), f"'{mine}', opaque: '{refusal}'"
            assert_same(contents(self.mine), before, f"a refused {function}")
            self.forms["refused"] += 1
            return "refused"
        raise AssertionError(f"{function} was not refused: {refusal}")

    def compare(self, what):
        assert_close(contents(self.mine), contents(self.due), what)
        length = len(self.mine)
        assert len(self.due) == 0
        values = contents(self.mine)
        for index in range(2):  # rows by the cache are rows of the register
            keys = np.moveaxis(layer(values, "k_cache", index)[0], 0, 1)[:length]
            assert (self.mine.rows("k_cache.rows", index) == keys).all(), what
            rows = layer(values, "v_cache", index)[:length].reshape(length, 2, 8)
            assert (self.mine.rows("v_cache.rows", index) == rows).all(), what

    def assert_rest(self, function, inputs, before, what):
        """What the call does not write is as it was, to the bit."""
        if function == "peek":
            return assert_same(contents(self.mine), before, what)
        count = inputs["ids"].shape[1]
        start = int(inputs["pos"][0]) if "pos" in inputs else inputs["mask"].shape[3] - count
        after = contents(self.mine)
        rest = [row for row in range(ROWS) if not start <= row < start + count]
        assert (after["k_cache"][:, :, :, rest] == before["k_cache"][:, :, :, rest]).all(), f"{what}: other keys"
        assert (after["v_cache"][rest] == before["v_cache"][rest]).all(), f"{what}: other values"
        assert (after["calls"] == before["calls"] + 1).all()

    def fork(self):
        return Pair(self.model, (self.mine.fork(), self.due.fork()))


def check_choice(model):
    """Which form runs, and why."""
    pair = Pair(model)
    assert pair.call(*prefill(0, [3, 1, 4, 1, 5])) == "raised" and len(pair.mine) == 5
    assert pair.call(*decode(5, 9)) == "raised" and len(pair.mine) == 6
    pair.call(*decode(3, 2), "raised")  # back: rows 4 and 5 stay where later calls may find them
    assert len(pair.mine) == 4
    pair.call(*decode(6, 7), "raised")
    assert len(pair.mine) == 7
    blind = causal(7, 1, ROWS)
    blind[..., 2] = HIDDEN
    pair.call(*decode(7, 7, blind), "opaque", "input 'mask' is not causal: token 7 does not see row 2")
    assert len(pair.mine) == 0
    pair.call(*decode(8, 7, np.zeros((1, 1, 1, ROWS), np.float16)), "opaque", "not causal: token 8 sees row 9")
    pair.call(*decode(8, 7, causal(8, 1, ROWS) / np.float16(65504)), "opaque", "not causal: token 8 sees row 9")
    pair.call(*prefill(9, [1, 2, 3]), "raised")
    assert len(pair.mine) == 12
    assert pair.call("peek", {}) == "single" and len(pair.mine) == 0
    pair.call(*prefill(12, [1, 2, 3], np.zeros((1, 1, 3, 15), np.float16)), "opaque", "token 12 sees row 13")
    fresh = Pair(model)
    fresh.call(*decode(8, 5), "raised")  # nine rows, of which eight are zero
    assert len(fresh.mine) == 9
    fresh.call(*prefill(0, list(range(ROWS))), "raised")
    fresh.call(*decode(ROWS - 1, 5), "raised")
    assert fresh.call(*decode(ROWS, 5)) == "refused"
    assert fresh.call(*decode(-1, 5)) == "refused"
    assert fresh.call(*prefill(1, list(range(ROWS)))) == "refused"
    assert fresh.call(*prefill(-2, [1, 2, 3, 4])) == "refused"
    assert fresh.forms == {"raised": 3, "opaque": 0, "refused": 4}
    for name in ("prefill.raised", "decode.raised"):
        try:
            model.call(name, [fresh.mine], {})
            raise AssertionError(f"{name} was called")
        except Refused as refusal:
            assert "is the raised form of another" in str(refusal), refusal


def random_call(random, length):
    start = int(random.choice([length, length, random.integers(0, ROWS), max(0, length - 3)]))
    ids = [int(number) for number in random.integers(0, 50, random.choice([1, 2, 5, 30, 60]))]
    kind = random.integers(0, 10)
    if kind < 4:
        return prefill(min(start, ROWS), ids)
    if kind < 7:
        return decode(min(start, ROWS), ids[0])
    if kind == 7:
        return "peek", {}
    holes = np.where(random.random((1, 1, 1, ROWS)) < 0.5, HIDDEN, np.float16(0)).astype(np.float16)
    holes[..., 0] = 0
    start = min(start, ROWS - 1)
    return decode(start, ids[0], holes) if kind == 8 else \
        prefill(0, ids[:8], np.zeros((1, 1, len(ids[:8]), len(ids[:8])), np.float16))


def check_random(model, seed, calls, folder):
    random = np.random.default_rng(seed)
    pair, others = Pair(model), []
    cancel = model.library.kvasir_cancel_make()
    model.library.kvasir_cancel_request(ctypes.c_void_p(cancel))
    for number in range(calls):
        pair.call(*random_call(random, len(pair.mine)))
        if number % 7 == 3:
            assert pair.call(*random_call(random, len(pair.mine)), cancel=cancel) == "refused"
        if number % 11 == 5:
            others.append((pair.fork(), contents(pair.mine)))
        if number % 13 == 6:  # the other goes on, and this one stays
            branch, held = others[random.integers(0, len(others))]
            mine = contents(pair.mine)
            assert_same(contents(branch.mine), held, "a fork")
            branch.call(*random_call(random, len(branch.mine)))
            assert_same(contents(pair.mine), mine, "what was forked")
            others = [(branch, contents(branch.mine))]
        if number % 17 == 9:
            path = os.path.join(folder, "two_forms.kvstate")
            pair.mine.save(path)
            loaded = model.load(path)
            assert_same(contents(loaded), contents(pair.mine), "a state from a file")
            assert len(loaded) == len(pair.mine)
            pair.mine = loaded
    assert pair.forms["raised"] > calls / 4 and pair.forms["opaque"] > calls / 20, pair.forms


def check_lengths(model):
    """truncate: to what the state was when it had so many tokens, or refused by name."""
    pair = Pair(model)
    pair.call(*prefill(0, [1, 2, 3, 4]))
    four = contents(pair.mine)
    pair.call(*decode(4, 9))
    pair.call(*decode(5, 9))
    pair.mine.truncate(4)
    assert_same(contents(pair.mine), four, "truncate")
    try:
        pair.mine.truncate(3)
        raise AssertionError("a length without a checkpoint was legal")
    except Refused as refusal:
        assert "can't be cut to 3 tokens" in str(refusal), refusal
    pair.due = model.state()
    model.call(*("prefill", [pair.due]), prefill(0, [1, 2, 3, 4])[1], wish="opaque")
    pair.call(*decode(4, 7), "raised")


def check_audit(model):
    """A live audit of calls in both forms finds nothing."""
    audit = ctypes.c_void_p()
    model.run("kvasir_audit_make", model.handle, ctypes.byref(audit))
    state = model.state()
    for function, inputs in (prefill(0, [1, 2, 3]), decode(3, 4), prefill(4, [5, 6], np.zeros((1, 1, 2, 6), np.float16)),
                             decode(6, 7)):
        model.call(function, [state], inputs, audit=audit)
    count = model.library.kvasir_audit_num_findings(audit)
    assert count == 0, [model.library.kvasir_audit_finding(audit, ctypes.c_uint64(i)) for i in range(count)]
    model.library.kvasir_audit_free(audit)


def check_move(model, other):
    """A conversation with rows and registers goes on with another backend, and back."""
    pair = Pair(model)
    pair.call(*prefill(0, list(range(40))))
    pair.call(*decode(20, 3), "raised")
    moved = Pair(other, (pair.mine.move_to(other), pair.due.move_to(other)))
    moved.compare("a state that was moved")
    assert len(moved.mine) == 21
    assert_same(contents(moved.mine), contents(pair.mine), "a state that was moved")
    moved.call(*decode(21, 4), "raised")
    moved.call(*decode(30, 4, np.zeros((1, 1, 1, ROWS), np.float16)), "opaque")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--other", required=True, help="the same program for another backend")
    parser.add_argument("--calls", type=int, default=60)
    options = parser.parse_args()
    model, other = Model(options.library, options.model), Model(options.library, options.other)
    prefill_of = next(function for function in model.description["functions"] if function["name"] == "prefill")
    assert prefill_of["max_tokens"] == 0 and prefill_of["raised"]["function"] == "prefill.raised"
    assert model.slot("v_cache.rows")["from"] == {"state": "v_cache", "rows": ROWS, "first": 0, "layer": 16, "head": 8,
                                                  "row": 32, "lane": 1}
    check_choice(model)
    check_lengths(model)
    check_audit(model)
    check_move(model, other)
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(3):
            check_random(model, seed, options.calls, folder)
    print("two forms of one function: one state")


if __name__ == "__main__":
    main()
