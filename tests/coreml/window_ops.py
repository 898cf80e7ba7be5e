"""Activations with constants, norms, convolutions, pools, paddings, against numpy."""
import itertools
import math

import numpy as np

RANDOM = np.random.default_rng(13)
INPUTS = {
    "single": np.float32(-0.75),
    "line": np.array([-2, -0.5, 0, 0.5, 1, 7, 90], np.float32),
    "half": RANDOM.normal(size=(2, 3, 4)).astype(np.float16),
    "image": RANDOM.normal(size=(2, 4, 6, 5)).astype(np.float32),
    "volume": RANDOM.normal(size=(1, 2, 3, 4, 3)).astype(np.float32),
    "far": np.array([[100, 101, 99], [-np.inf, -np.inf, -np.inf], [np.inf, 0, 1], [-200, -300, -200]], np.float32),
    "bands": RANDOM.normal(size=(2, 5, 1, 3)).astype(np.float32),
    "turned": RANDOM.normal(size=(4, 3, 2)).astype(np.float16),
    "counts": RANDOM.integers(-9, 10, (3, 4)).astype(np.int32),
}


def sliding(x, sizes, strides, dilations, before, after, around):
    """Windows of the padded x: [N, C, out.., size..]. Of one that reaches beyond, what is there is `around`."""
    steps = [max(0, n + a + b - d * (k - 1) - 1) // s + 1
             for n, k, s, d, a, b in zip(x.shape[2:], sizes, strides, dilations, before, after)]
    padded = np.pad(x, [(0, 0), (0, 0), *((a, b + k * d) for a, b, k, d in zip(before, after, sizes, dilations))],
                    constant_values=around)
    out = np.empty((*x.shape[:2], *steps, *sizes), x.dtype)
    for at in itertools.product(*map(range, steps)):
        taken = tuple(slice(t * s, t * s + (k - 1) * d + 1, d) for t, s, k, d in zip(at, strides, sizes, dilations))
        out[(slice(None), slice(None), *at)] = padded[(slice(None), slice(None), *taken)]
    return out


def convolved(x, weight, strides, dilations, before, after, groups):
    windows = sliding(x, weight.shape[2:], strides, dilations, before, after, 0)
    n = len(strides)
    each = x.shape[1] // groups
    parts = [np.tensordot(windows[:, g * each:(g + 1) * each], part,
                          ([1, *range(2 + n, 2 + 2 * n)], [1, *range(2, 2 + n)]))
             for g, part in enumerate(np.split(weight, groups))]
    return np.moveaxis(np.concatenate(parts, -1), -1, 1).astype(x.dtype)


def spread(x, weight, strides, dilations, before, after, groups):
    sizes = weight.shape[2:]
    whole = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(x.shape[2:], strides, dilations, sizes)]
    each_in, each_out = x.shape[1] // groups, weight.shape[1]
    out = np.zeros((x.shape[0], each_out * groups, *whole))
    for c, at, tap in itertools.product(range(x.shape[1]), np.ndindex(x.shape[2:]), np.ndindex(sizes)):
        g = c // each_in
        place = tuple(t * s + k * d for t, s, k, d in zip(at, strides, tap, dilations))
        out[(slice(None), slice(g * each_out, (g + 1) * each_out), *place)] += (
            x[(slice(None), c, *at)][:, None] * weight[(c, slice(None), *tap)])
    return out[(slice(None), slice(None), *(slice(a, n - b) for a, b, n in zip(before, after, whole)))].astype(x.dtype)


def same(extents, sizes, strides, dilations, is_lower):
    total = [max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
             for n, k, s, d in zip(extents, sizes, strides, dilations)]
    small, large = [t // 2 for t in total], [t - t // 2 for t in total]
    return (large, small) if is_lower else (small, large)


def channels(vector, rank):
    return vector.reshape(-1, *[1] * (rank - 2))


def add_activations(op, x):
    line, half, single, image = (INPUTS[name] for name in ("line", "half", "single", "image"))
    for array, name in ((line, "line"), (half, "half"), (single, "single"), (image, "image")):
        kind = array.dtype.type
        v = array.astype(np.float64)
        alpha, beta = kind(0.25), kind(1.5)
        leaky = np.where(v >= 0, v, v * 0.25)
        for what, expected in (("relu6", np.clip(v, 0, 6)), ("softsign", v / (1 + np.abs(v)))):
            op(what, expected.astype(kind), x=x[name])
        for what, expected in (("leaky_relu", leaky), ("elu", np.where(v >= 0, v, 0.25 * np.expm1(np.minimum(v, 0)))),
                               ("thresholded_relu", np.where(v >= 0.25, v, 0)), ("threshold", np.maximum(v, 0.25))):
            op(what, expected.astype(kind), x=x[name], alpha=alpha)
        for what, expected in (("clamped_relu", np.minimum(leaky, 1.5)), ("clip", np.clip(v, 0.25, 1.5)),
                               ("linear_activation", v * 0.25 + 1.5), ("scaled_tanh", 0.25 * np.tanh(v * 1.5)),
                               ("sigmoid_hard", np.clip(0.25 * v + 1.5, 0, 1))):
            op(what, expected.astype(kind), x=x[name], alpha=alpha, beta=beta)
    # Constants of another float type than x (from iOS 17 on), and one for each channel.
    op("clip", np.clip(half, np.float16(0.1), np.float16(0.5)), x=x["half"], alpha=np.float32(0.1), beta=np.float32(0.5))
    slopes, bends = np.array([0.5, -1, 2, 0.25], np.float32), np.array([1, 2, 0.5, -1], np.float32)
    op("prelu", np.where(image > 0, image, image * channels(slopes, 4)), x=x["image"], alpha=slopes)
    op("prelu", np.where(half > 0, half, half * np.float16(0.5)), x=x["half"], alpha=np.full(3, 0.5, np.float16))
    op("softplus_parametric", channels(slopes, 4) * np.log1p(np.exp(image * channels(bends, 4))), x=x["image"],
       alpha=slopes, beta=bends)


def normed(x, axes, epsilon):
    v = x.astype(np.float64)
    return (v - v.mean(axes, keepdims=True)) / np.sqrt(v.var(axes, keepdims=True) + epsilon)


def add_norms(op, x):
    half, image, volume, far = (INPUTS[name] for name in ("half", "image", "volume", "far"))
    mean, variance, gamma, beta = (RANDOM.normal(size=4).astype(np.float32) for _ in range(4))
    variance = np.abs(variance)
    plain = (image - channels(mean, 4)) / np.sqrt(channels(variance, 4) + np.float32(1e-3))
    op("batch_norm", plain, x=x["image"], mean=mean, variance=variance, epsilon=np.float32(1e-3))
    op("batch_norm", plain * channels(gamma, 4) + channels(beta, 4), x=x["image"], mean=mean, variance=variance,
       gamma=gamma, beta=beta, epsilon=np.float32(1e-3))
    op("instance_norm", normed(image, (2, 3), 1e-5).astype(np.float32), x=x["image"])
    op("instance_norm", (normed(half, 2, 1e-3) * channels(gamma[:3], 3) + channels(beta[:3], 3)).astype(np.float16),
       x=x["half"], gamma=gamma[:3], beta=beta[:3], epsilon=np.float16(1e-3))
    op("l2_norm", (half / np.sqrt((half.astype(np.float64) ** 2).sum() + 1e-6)).astype(np.float16), x=x["half"])
    op("l2_norm", volume / np.sqrt((volume ** 2).sum((2, 3, 4), keepdims=True) + 0.5), x=x["volume"],
       epsilon=np.float32(0.5))
    op("layer_norm", (normed(image, (1, 3), 1e-5) * image[0, :, 0][:, None] + image[1, :, 0][:, None])
       .astype(np.float32), x=x["image"], axes=np.array([3, 1], np.int32), gamma=image[0, :, 0], beta=image[1, :, 0],
       epsilon=np.float32(1e-5))
    op("reduce_log_sum_exp", np.logaddexp.reduce(far, 1), x=x["far"], axes=np.array([-1], np.int32))
    op("reduce_log_sum_exp", np.log(np.exp(half.astype(np.float64)).sum((0, 2), keepdims=True)).astype(np.float16),
       x=x["half"], axes=np.array([0, 2], np.int32), keep_dims=True)


def add_windows(op, x):
    image, volume, half = INPUTS["image"], INPUTS["volume"], INPUTS["half"]
    for sizes, strides, dilations in (((3, 2), (2, 1), (1, 2)), ((2, 2), (1, 3), (1, 1)), ((1, 4), (3, 2), (1, 1))):
        weight = RANDOM.normal(size=(6, 2, *sizes)).astype(np.float32)
        for padding in ("same", "same_lower"):
            sides = same(image.shape[2:], sizes, strides, dilations, padding == "same_lower")
            op("conv", convolved(image, weight, strides, dilations, *sides, 2), x=x["image"], weight=weight,
               pad_type=padding, groups=2, strides=np.array(strides, np.int32), dilations=np.array(dilations, np.int32))
    weight, bias = RANDOM.normal(size=(3, 2, 2, 1, 2)).astype(np.float32), np.array([1, 2, 3], np.float32)
    op("conv", convolved(volume, weight, (1, 1, 1), (1, 1, 1), (0, 0, 0), (0, 0, 0), 1) + channels(bias, 5),
       x=x["volume"], weight=weight, bias=bias, pad_type="valid")
    for strides, dilations, before, after, groups in (((2, 3), (1, 1), (0, 0), (0, 0), 1),
                                                      ((1, 2), (2, 1), (1, 0), (0, 2), 2)):
        weight = RANDOM.normal(size=(4, 3, 2, 3)).astype(np.float32)
        bias = RANDOM.normal(size=3 * groups).astype(np.float32)
        op("conv_transpose", spread(image, weight, strides, dilations, before, after, groups) + channels(bias, 4),
           x=x["image"], weight=weight, bias=bias, groups=groups, strides=np.array(strides, np.int32),
           dilations=np.array(dilations, np.int32), pad_type="custom",
           pad=np.array([number for pair in zip(before, after) for number in pair], np.int32))
    weight = RANDOM.normal(size=(3, 2, 2)).astype(np.float16)
    expected = spread(half.astype(np.float32), weight.astype(np.float32), (3,), (1,), (0,), (0,), 1).astype(np.float16)
    op("conv_transpose", expected, x=x["half"], weight=weight, strides=np.array([3], np.int32), pad_type="valid")


def add_pools(op, x):
    image, half, volume = INPUTS["image"], INPUTS["half"], INPUTS["volume"]
    for array, name, sizes, strides, before, after in (
            (image, "image", (2, 2), (2, 2), (0, 0), (0, 0)), (image, "image", (3, 2), (2, 1), (1, 1), (1, 0)),
            (half, "half", (3,), (1,), (1,), (1,)), (volume, "volume", (2, 3, 1), (1, 1, 2), (0, 1, 0), (1, 1, 0))):
        inner = tuple(range(-len(sizes), 0))
        ones = (1,) * len(sizes)
        ways = {"kernel_sizes": np.array(sizes, np.int32), "strides": np.array(strides, np.int32), "pad_type": "custom",
                "pad": np.array([number for pair in zip(before, after) for number in pair], np.int32)}
        wide = array.astype(np.float64)
        largest = sliding(wide, sizes, strides, ones, before, after, -np.inf).max(inner)
        zeros = sliding(wide, sizes, strides, ones, before, after, 0)
        counts = sliding(np.ones_like(wide), sizes, strides, ones, before, after, 0).sum(inner)
        op("max_pool", largest.astype(array.dtype), x=x[name], **ways)
        op("avg_pool", zeros.mean(inner).astype(array.dtype), x=x[name], **ways)
        op("avg_pool", (zeros.sum(inner) / counts).astype(array.dtype), x=x[name], exclude_padding_from_average=True,
           **ways)
        op("l2_pool", np.sqrt((zeros ** 2).sum(inner)).astype(array.dtype), x=x[name], **ways)
    # Rounded up: a last window that reaches beyond, which counts what is there; none that begins beyond.
    for pad, steps, means in ((0, 3, [(0, 2), (2, 4), (4, 5)]), (1, 3, [(0, 1), (1, 3), (3, 5)])):
        expected = np.stack([image[..., a:b].sum(-1) / (2 if pad or b - a == 2 else 1) for a, b in means], -1)
        op("avg_pool", expected, x=x["image"], kernel_sizes=np.array([1, 2], np.int32), pad_type="custom",
           strides=np.array([1, 2], np.int32), pad=np.array([0, 0, pad, pad], np.int32), ceil_mode=True)
    sides = same((6, 5), (3, 3), (2, 2), (1, 1), False)
    op("max_pool", sliding(image, (3, 3), (2, 2), (1, 1), *sides, -np.inf).max((-1, -2)), x=x["image"],
       kernel_sizes=np.array([3, 3], np.int32), strides=np.array([2, 2], np.int32), pad_type="same")


def add_moves(op, x):
    half, image, counts = INPUTS["half"], INPUTS["image"], INPUTS["counts"]
    for mode, way in (("reflect", "reflect"), ("replicate", "edge")):
        op("pad", np.pad(image, ((0, 0), (0, 0), (2, 1), (0, 3)), way), x=x["image"], mode=mode,
           pad=np.array([2, 1, 0, 3], np.int32))
        op("pad", np.pad(counts, ((1, 1), (2, 0)), way), x=x["counts"], mode=mode, pad=np.array([1, 1, 2, 0], np.int32))
    op("reverse", half[:, ::-1], x=x["half"], axes=np.array([-2], np.int32))
    op("reverse", counts[::-1, ::-1], x=x["counts"])
    for axis, exclusive, reverse in itertools.product((0, 1), (False, True), (False, True)):
        turned = np.flip(counts, axis) if reverse else counts
        sums = turned.cumsum(axis) - (turned if exclusive else 0)
        op("cumsum", np.flip(sums, axis) if reverse else sums, x=x["counts"], axis=axis, exclusive=exclusive,
           reverse=reverse)
    for lower, upper in ((-1, 0), (0, -1), (1, 2), (0, 0), (-1, -1)):
        keep = np.fromfunction(lambda m, n: ((lower < 0) | (m - n <= lower)) & ((upper < 0) | (n - m <= upper)), (3, 4))
        op("band_part", counts * keep, x=x["counts"], lower=lower, upper=upper)
        op("band_part", (half * keep).astype(np.float16), x=x["half"], lower=lower, upper=upper)
    deep = image.reshape(2, 1, 2, 2, 6, 5).transpose(0, 1, 4, 2, 5, 3).reshape(2, 1, 12, 10)
    shuffled = op("pixel_shuffle", deep, x=x["image"], upscale_factor=2)
    op("pixel_unshuffle", image, x=shuffled, downscale_factor=np.int32(2))
    op("upsample_nearest_neighbor", image.repeat(3, 2).repeat(2, 3), x=x["image"], scale_factor_height=3,
       scale_factor_width=np.float32(2))
    op("upsample_nearest_neighbor", half, x=x["half"])
    op("fill", np.full((2, 3), 7, np.int32), shape=np.array([2, 3], np.int32), value=np.int32(7))
    op("fill", np.zeros((2,), np.float32), shape=np.array([2], np.int32))
    op("fill_like", np.full((3, 4), 0.5, np.float16), ref_tensor=x["counts"], value=np.float16(0.5))
    bands, turned = INPUTS["bands"], INPUTS["turned"]
    op("einsum", np.einsum("nchw,nwhu->nchu", image, np.broadcast_to(bands, (2, 5, 6, 3))),
       equation="nchw,nwhu->nchu", values=[x["image"], x["bands"]])
    op("einsum", np.einsum("chw,whr->chr", half.astype(np.float32), turned.astype(np.float32)).astype(np.float16),
       equation="chw,whr->chr", values=[x["half"], x["turned"]])
    op("einsum", np.einsum("ij, kj -> ki", counts, counts).astype(np.int32), equation="ij, kj -> ki",
       values=[x["counts"], x["counts"]])


def add(op, x):
    """Adds each op: op(name, expected, operands), where `x` are the names of INPUTS."""
    add_activations(op, x)
    add_norms(op, x)
    add_windows(op, x)
    add_pools(op, x)
    add_moves(op, x)
