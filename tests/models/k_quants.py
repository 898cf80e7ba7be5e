"""Quantises to Q4_K, Q5_K and Q6_K, which gguf-py only reads: nearest codes for scales and mins from each group's ends.

A block is 256 numbers. Q4_K and Q5_K: x = d s q - dmin m, with 6-bit s and m for each of 8 groups of 32, codes of 4 or 5
bits. Q6_K: x = d s (q - 32), with 8-bit s for each of 16 groups of 16.
Source: dequantize_row_q4_K, _q5_K, _q6_K in llama.cpp's ggml-quants.c.
"""
import numpy as np

BLOCK = 256


def bytes_of_half(numbers):
    return numbers.astype(np.float16)[:, None].view(np.uint8)


def in_units(numbers, steps):
    """Numbers of a block as whole multiples, of at most `steps`, of a unit in f16: the units, and the multiples."""
    unit = (numbers.max(1) / steps).astype(np.float16)
    exact = unit.astype(np.float32)[:, None]
    multiples = np.divide(numbers, exact, out=np.zeros_like(numbers), where=exact > 0)
    return unit, np.clip(np.rint(multiples), 0, steps).astype(np.uint8)


def packed_scales(scales, mins):
    """Eight 6-bit scales and mins in 12 bytes: four each as they are, whose upper bits hold those of the other four."""
    low, high = slice(0, 4), slice(4, 8)
    return np.concatenate([scales[:, low] | scales[:, high] >> 4 << 6, mins[:, low] | mins[:, high] >> 4 << 6,
                           scales[:, high] & 15 | (mins[:, high] & 15) << 4], 1)


def with_mins(blocks, bits):
    """Q4_K, Q5_K of blocks [n, 256]."""
    groups, largest = blocks.reshape(-1, 8, 32), 2 ** bits - 1
    lowest = np.minimum(groups.min(2), 0)
    d, scales = in_units((groups.max(2) - lowest) / largest, 63)
    dmin, mins = in_units(-lowest, 63)
    scale = (d.astype(np.float32)[:, None] * scales)[..., None]
    shifted = groups + (dmin.astype(np.float32)[:, None] * mins)[..., None]
    codes = np.divide(shifted, scale, out=np.zeros_like(shifted), where=scale > 0)
    codes = np.clip(np.rint(codes), 0, largest).astype(np.uint8)
    head = [bytes_of_half(d), bytes_of_half(dmin), packed_scales(scales, mins)]
    if bits == 5:  # the fifth bits of group g are bit g of 32 bytes
        head.append(((codes >> 4) << np.arange(8, dtype=np.uint8)[None, :, None]).sum(1, dtype=np.uint8))
    nibbles = codes & 15
    return np.concatenate([*head, (nibbles[:, 0::2] | nibbles[:, 1::2] << 4).reshape(-1, 128)], 1)


def of_six_bits(blocks):
    """Q6_K of blocks [n, 256]."""
    groups = blocks.reshape(-1, 16, 16)
    d, scales = in_units(np.abs(groups).max(2) / 31, 127)
    scale = (d.astype(np.float32)[:, None] * scales)[..., None]
    codes = np.divide(groups, scale, out=np.zeros_like(groups), where=scale > 0)
    codes = (np.clip(np.rint(codes), -32, 31) + 32).astype(np.uint8).reshape(-1, 2, 4, 32)  # two halves of four times 32
    low, high = codes & 15, codes >> 4
    low = np.concatenate([low[:, :, 0] | low[:, :, 2] << 4, low[:, :, 1] | low[:, :, 3] << 4], 2)
    high = high[:, :, 0] | high[:, :, 1] << 2 | high[:, :, 2] << 4 | high[:, :, 3] << 6
    return np.concatenate([low.reshape(-1, 128), high.reshape(-1, 64), scales, bytes_of_half(d)], 1)


KINDS = {"Q4_K": lambda blocks: with_mins(blocks, 4), "Q5_K": lambda blocks: with_mins(blocks, 5), "Q6_K": of_six_bits}


def quantised(values, name):
    """Values [N, K], 256 divides K, as the format's bytes [N, K / 256 blocks]."""
    return KINDS[name](values.astype(np.float32).reshape(-1, BLOCK)).reshape(len(values), -1)
