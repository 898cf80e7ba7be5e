"""Calls without tokens, of opaque.mlir: extents of a function's own, registers that are kept, refusals that change nothing."""
import argparse

import numpy as np

from runtime import Model, Refused


def refused(model, state, part, **inputs):
    try:
        model.call("add", [state], inputs, wanted="none")
    except Refused as refusal:
        assert part in str(refusal), f"'{refusal}' does not say '{part}'"
        return
    raise AssertionError(f"a call was not refused: {part}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", required=True)
    parser.add_argument("--model", required=True)
    options = parser.parse_args()
    model = Model(options.library, options.model)
    add = next(function for function in model.description["functions"] if function["name"] == "add")
    assert add["max_tokens"] == 0 and add["inputs"][0]["shape"] == ["a", 4] and add["outputs"][0]["shape"] == ["b", 4]
    assert add["extents"] == [{"symbol": "a", "from": 1, "to": 8}, {"symbol": "b", "constant": 1, "terms": {"a": 1}}]

    random = np.random.default_rng(1)
    state, total, calls = model.state(), np.zeros(4, np.float16), 0
    lane = lambda number: np.array([number], np.int32)
    for rows in (1, 3, 8, 2):
        x = random.integers(-8, 8, (rows, 4)).astype(np.float16)
        y = model.call("add", [state], {"x": x, "lane": lane(rows % 4)}, wanted="none")["y"]
        before = total.copy()
        before[rows % 4] = 0
        assert y.shape == (rows + 1, 4) and (y == np.vstack([x, before])).all()
        total, calls = total + x.sum(0), calls + 1
        refused(model, state, "lane is 4, the nearest that there is is 3", x=x, lane=lane(4))
        refused(model, state, "lane is -1, the nearest", x=x, lane=lane(-1))
        refused(model, state, "dim 0 of input 'x' is 9; function add takes from 1 to 8", x=np.zeros((9, 4), np.float16),
                lane=lane(0))
        refused(model, state, "input 'x' is f16[2, 5]; the call needs f16[2, 4]", x=np.zeros((2, 5), np.float16), lane=lane(0))
        seen = model.call("peek", [state], {}, wanted="none")
        assert (seen["sum"] == total).all() and seen["calls"] == [calls]
        assert len(state) == 0
    x = np.ones((1, 4), np.float16)
    model.call("add", [state], {"x": x, "lane": lane(0)}, wanted="none")
    refused(model, state, "five calls are enough", x=x, lane=lane(0))
    seen = model.call("peek", [state], {}, wanted="none")
    assert (seen["sum"] == total + x[0]).all() and seen["calls"] == [5], "a call that failed at its end left something"
    try:
        model.call("peek", [state, model.state()], {}, wanted="none")
        raise AssertionError("two states were taken")
    except Refused as refusal:
        assert "takes one state" in str(refusal), refusal
    print("calls without tokens: right")


if __name__ == "__main__":
    main()
