"""Each op that no package here has, against numpy: one package of all, compiled and called."""
import argparse
import math
import os
import subprocess
import sys

import numpy as np

import indexed_ops
import window_ops
from mil_package import Package

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "programs"))
from runtime import Model, Refused  # noqa: E402

RANDOM = np.random.default_rng(7)
X = RANDOM.normal(size=(3, 5)).astype(np.float32)
Y = RANDOM.normal(size=(3, 5)).astype(np.float32)
I = RANDOM.integers(-9, 10, (3, 5)).astype(np.int32)
IMAGE = RANDOM.normal(size=(1, 4, 9)).astype(np.float32)
ERF = np.vectorize(math.erf)


def softmax(x, axis):
    power = np.exp(x - x.max(axis, keepdims=True))
    return power / power.sum(axis, keepdims=True)


def layer_norm(x):
    mean = x.mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + np.float32(1e-5)) * Y[0] + Y[1]


def convolved(x, weight, stride, dilation, pad, groups):
    x = np.pad(x, ((0, 0), (0, 0), pad))
    width = (weight.shape[2] - 1) * dilation + 1
    steps = (x.shape[2] - width) // stride + 1
    out = np.zeros((1, weight.shape[0], steps))
    each_in, each_out = weight.shape[1], weight.shape[0] // groups
    for o in range(weight.shape[0]):
        for t in range(steps):
            first = o // each_out * each_in
            window = x[0, first:first + each_in, t * stride:t * stride + width:dilation]
            out[0, o, t] = (window * weight[o]).sum()
    return out


class Checks:
    """One package of ops, the inputs of its function and what each output must be. With `is_open` only a call knows the
    first dim of each input, and any of a result."""

    def __init__(self, is_open=False):
        self.package, self.inputs, self.expected, self.is_open = Package(), {}, [], is_open

    def input(self, name, array):
        self.inputs[name] = array
        is_open = self.is_open and array.ndim
        return self.package.input(name, array.dtype.name, (None, *array.shape[1:]) if is_open else array.shape)

    def dims(self, array):
        return [None] * array.ndim if self.is_open else array.shape

    def op(self, name, expected, **operands):
        """`expected`: an array, or a tuple of one for each result."""
        many = [np.asarray(each) for each in (expected if isinstance(expected, tuple) else (expected,))]
        kinds = [each.dtype.name if each.dtype in (bool, np.float16, np.uint16) else
                 "float32" if each.dtype.kind == "f" else "int32" for each in many]
        results = self.package.ops(name, [(kind, self.dims(each)) for kind, each in zip(kinds, many)], **operands)
        for result, kind, each in zip(results, kinds, many):
            if kind in ("bool", "uint16"):  # no output of a plugin is one
                self.package.outputs.remove(result[1:])
                result = self.package.op("cast", "int32", self.dims(each), x=result, dtype="int32")
            tolerance = 1e-3 if kind == "float16" else 3e-6
            self.expected.append((name, result[1:], each.astype(np.float64), tolerance))
        return results[0]


def add_ops(checks):
    x, y, i, image = (checks.input(*named) for named in (("x", X), ("y", Y), ("i", I), ("image", IMAGE)))
    op = checks.op

    positive = np.abs(X) + np.float32(0.1)
    p = op("add", positive, x=op("abs", np.abs(X), x=x), y=np.float32(0.1))
    for name, of in (("ceil", np.ceil), ("floor", np.floor), ("round", np.round), ("exp", np.exp), ("tanh", np.tanh),
                     ("sign", np.sign), ("square", np.square), ("exp2", np.exp2), ("erf", ERF)):
        op(name, of(X).astype(np.float32), x=x)
    op("sqrt", np.sqrt(positive), x=p)
    op("log", np.log(positive), x=p)
    op("inverse", 1 / positive, x=p, epsilon=np.float32(0))
    op("pow", positive ** 1.7, x=p, y=np.float32(1.7))
    op("relu", np.maximum(X, 0), x=x)
    op("sigmoid", 1 / (1 + np.exp(-X)), x=x)
    op("softplus", np.log1p(np.exp(X)), x=x)
    op("leaky_relu", np.where(X >= 0, X, X * np.float32(0.2)), x=x, alpha=np.float32(0.2))
    op("elu", np.where(X >= 0, X, np.expm1(X)), x=x, alpha=np.float32(1))
    op("clip", np.clip(X, -0.5, 0.25), x=x, alpha=np.float32(-0.5), beta=np.float32(0.25))
    op("gelu", X / 2 * (1 + ERF(X / math.sqrt(2))), x=x, mode="EXACT")
    op("gelu", X / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (X + 0.044715 * X ** 3))), x=x, mode="TANH_APPROXIMATION")
    for name, of in (("maximum", np.maximum), ("minimum", np.minimum), ("mod", np.mod), ("real_div", np.divide),
                     ("floor_div", np.floor_divide)):
        op(name, of(X, Y).astype(np.float32), x=x, y=y)
    op("floor_div", I // np.int32(4), x=i, y=np.int32(4))
    op("mod", I % np.int32(-4), x=i, y=np.int32(-4))
    # Integers by -1, of which the least has no negative: it wraps, and the machine does not trap.
    least = np.full((3, 5), np.iinfo(np.int32).min, np.int32)
    smallest = op("minimum", least, x=i, y=least[0, 0])
    minus = op("maximum", np.full((3, 5), -1, np.int32), x=op("minimum", np.minimum(I, -1), x=i, y=np.int32(-1)),
               y=np.int32(-1))
    op("floor_div", least, x=smallest, y=minus)
    op("mod", 0 * least, x=smallest, y=minus)
    op("floor_div", -I, x=i, y=minus)
    op("mod", 0 * I, x=i, y=minus)
    op("mul", I * I, x=i, y=i)
    op("less", X < Y, x=x, y=y)
    op("not_equal", I != 3, x=i, y=np.int32(3))
    op("reduce_sum", X.sum(0), x=x, axes=np.array([0], np.int32))
    op("reduce_max", X.max(1, keepdims=True), x=x, axes=np.array([-1], np.int32), keep_dims=True)
    op("reduce_min", X.min(1), x=x, axes=np.array([1], np.int32))
    op("reduce_prod", X.prod(), x=x)
    op("reduce_sum", I.sum(1), x=i, axes=np.array([1], np.int32))
    op("reduce_l2_norm", np.sqrt((X ** 2).sum(1)), x=x, axes=np.array([1], np.int32))
    op("reduce_argmax", X.argmax(1), x=x, axis=np.int32(1), keep_dims=False)
    op("cumsum", X.cumsum(1), x=x, axis=np.int32(1))
    op("softmax", softmax(X, 0), x=x, axis=np.int32(0))
    op("softmax", softmax(X, -1), x=x, axis=np.int32(-1))
    op("layer_norm", layer_norm(X), x=x, axes=np.array([-1], np.int32), gamma=Y[0], beta=Y[1], epsilon=np.float32(1e-5))
    op("matmul", X @ Y.T, x=x, y=y, transpose_y=True)
    op("matmul", X.T @ Y, x=x, y=y, transpose_x=True)
    op("pad", np.pad(X, ((1, 0), (0, 2)), constant_values=3), x=x, pad=np.array([1, 0, 0, 2], np.int32), mode="constant",
       constant_val=np.float32(3))
    op("stack", np.stack([X, Y], 1), values=[x, y], axis=np.int32(1))
    op("tile", np.tile(X, (2, 3)), x=x, reps=np.array([2, 3], np.int32))
    op("transpose", X.T, x=x, perm=np.array([1, 0], np.int32))
    op("slice_by_size", X[1:3, 2:], x=x, begin=np.array([1, 2], np.int32), size=np.array([2, -1], np.int32))
    op("slice_by_index", X[::2, 1:5:3], x=x, begin=np.array([0, 1], np.int32), end=np.array([3, 5], np.int32),
       stride=np.array([2, 3], np.int32))
    op("gather_along_axis", np.take_along_axis(X, np.array([[4, 0], [1, 1], [2, 3]]), 1), x=x,
       indices=np.array([[4, 0], [1, 1], [2, 3]], np.int32), axis=np.int32(1))
    op("reshape", X.reshape(5, 3), x=x, shape=np.array([-1, 3], np.int32))
    weight = RANDOM.normal(size=(6, 2, 3)).astype(np.float32)
    op("conv", convolved(IMAGE, weight, 2, 2, (1, 2), 2).astype(np.float32), x=image, weight=weight, groups=np.int32(2),
       strides=np.array([2], np.int32), dilations=np.array([2], np.int32), pad_type="custom", pad=np.array([1, 2], np.int32))
    # Constants that are large enough to be weights.
    table = RANDOM.normal(size=(256, 5)).astype(np.float32)
    op("linear", X @ table.T + table[:, 0], x=x, weight=table, bias=table[:, 0])
    op("linear", X @ table.T, x=x, weight=table, bias=np.zeros(256, np.float32))
    op("matmul", X @ table.T, x=x, y=np.ascontiguousarray(table.T))
    op("matmul", X @ table.T, x=x, y=table, transpose_y=True)
    op("gather", table[np.abs(I)], x=table, indices=op("abs", np.abs(I), x=i), axis=0)
    window = RANDOM.normal(size=(300, 4, 1)).astype(np.float32)
    op("conv", (convolved(IMAGE, window, 1, 1, (0, 0), 1) + window[None, :, :1, 0]).astype(np.float32), x=image,
       weight=window, bias=window[:, 0, 0])


def compile_package(options, package, out):
    package.write(out + ".mlpackage")
    return subprocess.run([options.compiler, out + ".mlpackage", "--backend", options.backend, "-o", out + ".kvasir"],
                          stderr=subprocess.PIPE, text=True)


def check(options, out, checks):
    compiled = compile_package(options, checks.package, out)
    assert compiled.returncode == 0, compiled.stderr
    outputs = Model(options.library, out + ".kvasir").call("main", [], checks.inputs, wanted="none")
    wrong = [f"{what} '{name}': {outputs[name]}, expected {expected}" for what, name, expected, tolerance in
             checks.expected if not np.allclose(outputs[name], expected, rtol=tolerance, atol=tolerance, equal_nan=True)]
    assert not wrong, "\n".join(wrong)
    print(f"{len(checks.expected)} results: right")


NOTHING = np.zeros((3, 5), np.float32)
ROW = np.arange(5, dtype=np.int32)
# Op, dims of its result, operands besides x, and why it is not compiled.
REFUSED = (
    ("gather", (2, 5), {"indices": np.array([0, 3], np.int32)}, "has an index that is outside of what it points into"),
    ("gather", (1, 5), {"indices": np.array([-4], np.int32)}, "has an index that is outside of what it points into"),
    ("gather_nd", (), {"indices": np.array([2, 5], np.int32)}, "has an index that is outside of what it points into"),
    ("gather_nd", (5,), {"indices": np.array([2], np.int32), "batch_dims": 1},
     "has batch_dims 1, which are none of its operands"),
    ("topk", (3, 6), {"k": 6, "return_indices": False}, "takes more elements than there are"),
    ("topk", (3, 1), {"return_indices": False, "output_indices_dtype": "int8"},
     "gives indices of type 'int8', which is not known"),
    ("layer_norm", (3, 5), {"axes": np.array([1], np.int32), "gamma": np.ones(4, np.float32)},
     "has a 'gamma' of another shape than what it norms"),
    ("prelu", (3, 5), {"alpha": np.ones(4, np.float32)}, "has a 'alpha' that is not one number for each channel"),
    ("pad", (3, 9), {"pad": np.array([2, 2], np.int32), "mode": "circular"}, "pads in a way that is not compiled"),
    ("pad", (3, 11), {"pad": np.array([5, 1], np.int32), "mode": "reflect"}, "pads by more elements than there are"),
    ("upsample_nearest_neighbor", (3, 5), {"scale_factor_width": np.float32(1.5)},
     "has fewer than three dims, or factors that are no whole numbers, which is not compiled"),
    ("gelu", (3, 5), {"mode": "EXACTLY"}, "has mode 'EXACTLY', which is not known"),
)
# Of scatters, which take data.
REFUSED_SCATTERS = (
    ("scatter", {"indices": ROW[:3], "updates": NOTHING, "mode": "or"}, "has mode 'or', which is not known"),
    ("scatter", {"indices": ROW[:2], "updates": NOTHING},
     "has updates of another shape than the slices that they go to"),
    ("scatter", {"indices": ROW[2:5], "updates": NOTHING}, "has an index that is outside of what it points into"),
    ("scatter", {"indices": ROW[:3], "updates": NOTHING, "axis": 2}, "asks for dim 2 of 2"),
    ("scatter_nd", {"indices": ROW[None, :3], "updates": np.float32(0)}, "has indices that are no places in its data"),
    ("scatter_along_axis", {"indices": ROW[None], "updates": NOTHING[:1], "axis": 1},
     "has indices of another shape than its data"),
)


def refuse_packages(options):
    cases = [(op, dims, {"x": NOTHING, **operands}, why) for op, dims, operands, why in REFUSED]
    cases += [(op, (3, 5), {"data": NOTHING, **operands}, why) for op, operands, why in REFUSED_SCATTERS]
    for op, dims, operands, why in cases:
        checks = Checks()
        operand = checks.input("x", NOTHING)
        checks.package.op(op, "float32", dims, **{name: operand if value is NOTHING and name in ("x", "data") else value
                                                  for name, value in operands.items()})
        compiled = compile_package(options, checks.package, options.out + ".refused")
        line = f"function 'main': {op} 'out0' (op 0) {why}"
        assert compiled.returncode and line in compiled.stderr, f"{line}: {compiled.stderr}"
    print(f"{len(cases)} packages: refused")


def refuse_calls(options):
    """Indices that a call brings, one of which is outside."""
    for op, names in (("gather", ("x",)), ("gather_along_axis", ("x",)), ("scatter", ("data", "updates")),
                      ("scatter_along_axis", ("data", "updates"))):
        checks = Checks()
        square = np.arange(400, dtype=np.float32).reshape(20, 20)
        operand, indices = checks.input("x", square), checks.input("i", ROW)
        if "along" in op:
            indices = checks.package.op("tile", "int32", (20, 20), reps=np.array([20, 4], np.int32), x=checks.package.op(
                "expand_dims", "int32", (1, 5), x=indices, axes=np.array([0], np.int32)))
        else:
            indices = checks.package.op("tile", "int32", (20,), x=indices, reps=np.array([4], np.int32))
        checks.package.op(op, "float32", (20, 20), indices=indices, axis=1, **{name: operand for name in names})
        assert compile_package(options, checks.package, options.out + ".calls").returncode == 0
        model = Model(options.library, options.out + ".calls.kvasir")
        model.call("main", [], {"x": square, "i": ROW + 15}, wanted="none")
        for outside in (ROW - 1, ROW + 16, ROW + np.iinfo(np.int32).min):
            try:
                model.call("main", [], {"x": square, "i": outside}, wanted="none")
                raise AssertionError(f"{op}: took {outside}")
            except Refused as error:
                assert f"{op} 'out" in str(error) and "has an index that is outside" in str(error), error
        print(f"{op}: refused in a call")


def main():
    parser = argparse.ArgumentParser()
    for name in ("--compiler", "--library", "--backend", "--out"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    checks = Checks()
    add_ops(checks)
    check(options, options.out, checks)
    for is_open in (False, True):
        for cases in (indexed_ops, window_ops):
            checks = Checks(is_open)
            cases.add(checks.op, {name: checks.input(name, array) for name, array in cases.INPUTS.items()})
            check(options, f"{options.out}.{cases.__name__}{'.open' if is_open else ''}", checks)
    refuse_packages(options)
    refuse_calls(options)


if __name__ == "__main__":
    main()
