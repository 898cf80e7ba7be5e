"""Each op that no package here has, against numpy: one package of all, compiled and called."""
import argparse
import math
import os
import subprocess
import sys

import numpy as np

from mil_package import Package

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "programs"))
from runtime import Model  # noqa: E402

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


def add_ops(package):
    """(what, name of the output, expected)"""
    x, y, i = (package.input(name, element, (3, 5)) for name, element in
               (("x", "float32"), ("y", "float32"), ("i", "int32")))
    image = package.input("image", "float32", IMAGE.shape)
    checks = []

    def op(name, expected, **operands):
        expected = np.asarray(expected)
        kind = {"f": "float32", "b": "bool"}.get(expected.dtype.kind, "int32")
        result = package.op(name, kind, expected.shape, **operands)
        if kind == "bool":  # no output of a plugin is one
            result = package.op("cast", "int32", expected.shape, x=result, dtype="int32")
            package.outputs.remove(package.outputs[-2])
        checks.append((name, result[1:], expected.astype(np.float64)))
        return result

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
    op("conv", (convolved(IMAGE, window, 1, 1, (0, 0), 1) + window[None, :, :1, 0]).astype(np.float32), x=image, weight=window, bias=window[:, 0, 0])
    return checks


def main():
    parser = argparse.ArgumentParser()
    for name in ("--compiler", "--library", "--backend", "--out"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    package = Package()
    checks = add_ops(package)
    package.write(options.out + ".mlpackage")
    subprocess.run([options.compiler, options.out + ".mlpackage", "--backend", options.backend, "-o", options.out + ".kvasir"],
                   check=True)
    outputs = Model(options.library, options.out + ".kvasir").call("main", [], {"x": X, "y": Y, "i": I, "image": IMAGE},
                                                                   wanted="none")
    wrong = [f"{what}: off by {np.abs(outputs[name] - expected).max():.3g}" for what, name, expected in checks
             if not np.allclose(outputs[name], expected, rtol=3e-6, atol=3e-6)]
    assert not wrong, "\n".join(wrong)
    print(f"{len(checks)} ops: right")


if __name__ == "__main__":
    main()
