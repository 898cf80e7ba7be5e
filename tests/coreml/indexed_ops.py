"""Ops whose operands are indices, or whose results are, against numpy: gathers, scatters, orders, one_hot."""
import numpy as np

RANDOM = np.random.default_rng(11)
INPUTS = {
    "table": RANDOM.normal(size=(6, 5)).astype(np.float32),
    "cube": RANDOM.normal(size=(2, 3, 4)).astype(np.float16),
    "whole": RANDOM.integers(-9, 10, (2, 3, 4)).astype(np.int32),
    "rows": np.array([4, 0, 4], np.int32),
    "columns": np.array([[1, 0, 3], [3, 3, 2]], np.int32),
    "places": np.array([[[1, 2], [0, 0]], [[1, 2], [1, 0]]], np.int32),
    "cells": RANDOM.integers(0, 3, (2, 2, 4)).astype(np.int32),
    "ties": np.array([[2, -1, 2, 0, np.nan, 2, -np.inf], [1, np.inf, 1, np.nan, 1, 0, 3]], np.float32),
    "long": RANDOM.integers(-40, 40, 100).astype(np.int32),
}
JOINS = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum, "min": np.minimum,
         "update": lambda old, new: new,
         "div": lambda old, new: np.trunc(old / new).astype(old.dtype) if old.dtype.kind == "i" else old / new}


def scattered(data, updates, mode, target):
    out = data.copy()
    for at in np.ndindex(updates.shape):
        out[target(at)] = JOINS[mode](out[target(at)], updates[at])
    return out


def along(indices, axis):
    """Where the update at `at` goes if one vector of indices is for the axis, or one index for each of them."""
    return lambda at: at[:axis] + (indices[at[axis] if indices.ndim == 1 else at],) + at[axis + 1:]


def ordered(x, axis, ascending):
    return np.argsort(x if ascending else -x, axis, kind="stable").astype(np.int32)


def add_gathers(op, x):
    table, cube, places = INPUTS["table"], INPUTS["cube"], INPUTS["places"]
    op("gather", table[INPUTS["columns"]], x=x["table"], indices=x["columns"], axis=0)
    op("gather", table[:, INPUTS["rows"]], x=x["table"], indices=x["rows"], axis=-1)
    op("gather", table[-1], x=x["table"], indices=np.int32(-1), axis=0)
    op("gather", np.stack([row[at] for row, at in zip(cube, INPUTS["columns"] % 3)]), x=x["cube"],
       indices=INPUTS["columns"] % 3, axis=1, batch_dims=1)
    op("gather", np.stack([row[:, at] for row, at in zip(cube, INPUTS["columns"])]), x=x["cube"], indices=x["columns"],
       axis=2, batch_dims=1, validate_indices=True)
    op("gather_along_axis", np.take_along_axis(cube, INPUTS["cells"], -2), x=x["cube"], indices=x["cells"], axis=-2)
    op("gather_nd", cube[places[..., 0], places[..., 1]], x=x["cube"], indices=x["places"])
    op("gather_nd", cube[[1, 0], [2, 1], [3, 0]], x=x["cube"], indices=np.array([[1, 2, 3], [0, 1, 0]], np.int32))
    op("gather_nd", np.stack([part[at[:, 0], at[:, 1]] for part, at in zip(cube, places)]), x=x["cube"],
       indices=x["places"], batch_dims=1)
    op("gather_nd", INPUTS["whole"][1, 2], x=x["whole"], indices=np.array([1, 2], np.int32))


def add_scatters(op, x):
    table, cube, whole, places = (INPUTS[name] for name in ("table", "cube", "whole", "places"))
    rows, columns = INPUTS["rows"], np.array([3, 1], np.int32)
    some = RANDOM.normal(size=(3, 5)).astype(np.float32)
    few = RANDOM.normal(size=(2, 3, 2)).astype(np.float16)
    counts = RANDOM.integers(1, 5, (2, 2, 4)).astype(np.int32)
    deep = RANDOM.normal(size=(2, 2, 4)).astype(np.float16)
    for mode in JOINS:
        op("scatter", scattered(table, some, mode, along(rows, 0)), data=x["table"], indices=x["rows"], updates=some,
           axis=0, mode=mode, validate_indices=False)
        op("scatter", scattered(cube, few, mode, along(columns, 2)), data=x["cube"], indices=columns, updates=few,
           axis=-1, mode=mode)
        op("scatter_along_axis", scattered(whole, counts, mode, along(INPUTS["cells"], 1)), data=x["whole"],
           indices=x["cells"], updates=counts, axis=1, mode=mode)
        op("scatter_nd", scattered(cube, deep, mode, lambda at: (*places[at[:2]], at[2])), data=x["cube"],
           indices=x["places"], updates=deep, mode=mode)
    op("scatter", scattered(table, some, "add", along(rows, 0)), data=x["table"], indices=x["rows"], updates=some)
    op("scatter_nd", scattered(table, some[:2], "update", lambda at: (rows[at[0]], at[1])), data=x["table"],
       indices=rows[:2, None], updates=some[:2], mode="update")
    op("scatter_nd", scattered(whole, np.int32(77), "update", lambda at: (1, 0, 3)), data=x["whole"],
       indices=np.array([1, 0, 3], np.int32), updates=np.int32(77), mode="update")
    # Who else reads the data sees what it was.
    op("add", table + table, x=x["table"], y=x["table"])


def add_orders(op, x):
    ties, cube, whole, long = INPUTS["ties"], INPUTS["cube"], INPUTS["whole"], INPUTS["long"]
    for ascending in (True, False):
        op("argsort", ordered(ties, 1, ascending), x=x["ties"], axis=-1, ascending=ascending)
        op("argsort", ordered(long, 0, ascending), x=x["long"], ascending=ascending)
        op("argsort", ordered(whole, 1, ascending), x=x["whole"], axis=1, ascending=ascending)
        for array, name, axis, k in ((ties, "ties", 1, 3), (cube, "cube", 0, 1), (cube, "cube", 2, 4),
                                     (long, "long", 0, 9)):
            first = np.take(ordered(array, axis, ascending), range(k), axis)
            op("topk", (np.take_along_axis(array, first, axis), first), x=x[name], k=k, axis=axis, ascending=ascending,
               sort=True, return_indices=True)
    op("topk", np.sort(long)[::-1], x=x["long"], k=-1, return_indices=False)
    op("topk", (np.sort(long)[::-1][:2], ordered(long, 0, False)[:2].astype(np.uint16)), x=x["long"], k=2,
       output_indices_dtype="uint16")
    op("topk", (whole.max(-1, keepdims=True), ordered(whole, -1, False)[..., :1]), x=x["whole"])


def add_one_hots(op, x):
    rows, columns = INPUTS["rows"], INPUTS["columns"]
    op("one_hot", np.eye(5, dtype=np.int32)[rows], indices=x["rows"], one_hot_vector_size=5)
    op("one_hot", np.eye(4, dtype=np.int32)[columns].transpose(0, 2, 1), indices=x["columns"], one_hot_vector_size=4,
       axis=1)
    op("one_hot", np.where(rows[None] == np.arange(3)[:, None], np.float16(2), np.float16(-1)), indices=x["rows"],
       one_hot_vector_size=3, axis=0, on_value=np.float16(2), off_value=np.float16(-1))
    op("one_hot", np.arange(3)[None] == np.array([[-1], [2], [3]]), indices=np.array([-1, 2, 3], np.int32),
       one_hot_vector_size=3, axis=-1, on_value=True, off_value=False)


def add(op, x):
    """Adds each op: op(name, expected, operands), where `x` are the names of INPUTS."""
    add_gathers(op, x)
    add_scatters(op, x)
    add_orders(op, x)
    add_one_hots(op, x)
