"""Quantises to Q2_K to Q6_K and IQ4_NL and _XS, which gguf-py only reads: nearest codes for scales and mins from each
group's ends.

A block is 256 numbers. Q4_K and Q5_K: x = d s q - dmin m, with 6-bit s and m for each of 8 groups of 32, codes of 4 or 5
bits; Q2_K: 4-bit s and m for each of 16 groups of 16, codes of 2 bits. Q6_K: x = d s (q - 32), with 8-bit s for each of
16 groups of 16; Q3_K: d (s - 32) (q - 4), with 6-bit s. IQ4: x = d v[q], where v are sixteen values; of IQ4_NL d is that
of 32 numbers, of IQ4_XS d (s - 32) with 6-bit s for each of 8 groups of 32.
Source: dequantize_row_q2_K to _q6_K, _iq4_nl, _iq4_xs in llama.cpp's ggml-quants.c.
"""
import numpy as np

BLOCK = 256
IQ4_VALUES = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float32)


def bytes_of_half(numbers):
    return numbers.astype(np.float16)[:, None].view(np.uint8)


def ratio(numbers, scale):
    return np.divide(numbers, scale, out=np.zeros_like(numbers), where=scale > 0)


def in_units(numbers, steps):
    """Numbers of a block as whole multiples, of at most `steps`, of a unit in f16: the units, and the multiples."""
    unit = (numbers.max(1) / steps).astype(np.float16)
    multiples = ratio(numbers, unit.astype(np.float32)[:, None])
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
    codes = np.clip(np.rint(ratio(shifted, scale)), 0, largest).astype(np.uint8)
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
    codes = np.clip(np.rint(ratio(groups, scale)), -32, 31) + 32
    codes = codes.astype(np.uint8).reshape(-1, 2, 4, 32)  # two halves of four times 32
    low, high = codes & 15, codes >> 4
    low = np.concatenate([low[:, :, 0] | low[:, :, 2] << 4, low[:, :, 1] | low[:, :, 3] << 4], 2)
    high = high[:, :, 0] | high[:, :, 1] << 2 | high[:, :, 2] << 4 | high[:, :, 3] << 6
    return np.concatenate([low.reshape(-1, 128), high.reshape(-1, 64), scales, bytes_of_half(d)], 1)


def pairs_of_bits(codes):
    """The two lowest bits of codes [n, 256]: of halves of four times 32, the first 32 lowest."""
    parts = codes.reshape(-1, 2, 4, 32) & 3
    return (parts << np.array([0, 2, 4, 6], np.uint8)[None, None, :, None]).sum(2, dtype=np.uint8).reshape(-1, 64)


def split_multiples(multiples):
    """Sixteen numbers of six bits: their low nibbles, of the first eight low; and the bits above, of four times four."""
    low, high = multiples & 15, (multiples >> 4).reshape(-1, 4, 4)
    shifts = np.array([0, 2, 4, 6], np.uint8)[None, :, None]
    return low[:, :8] | low[:, 8:] << 4, (high << shifts).sum(1, dtype=np.uint8)


def of_two_bits(blocks):
    """Q2_K of blocks [n, 256]."""
    groups = blocks.reshape(-1, 16, 16)
    lowest = np.minimum(groups.min(2), 0)
    d, scales = in_units((groups.max(2) - lowest) / 3, 15)
    dmin, mins = in_units(-lowest, 15)
    shifted = groups + (dmin.astype(np.float32)[:, None] * mins)[..., None]
    codes = np.rint(ratio(shifted, (d.astype(np.float32)[:, None] * scales)[..., None]))
    codes = np.clip(codes, 0, 3).astype(np.uint8).reshape(-1, BLOCK)
    return np.concatenate([scales | mins << 4, pairs_of_bits(codes), bytes_of_half(d), bytes_of_half(dmin)], 1)


def of_three_bits(blocks):
    """Q3_K of blocks [n, 256]."""
    groups = blocks.reshape(-1, 16, 16)
    d, scales = in_units(np.abs(groups).max(2) / 3.5, 31)
    codes = np.rint(ratio(groups, (d.astype(np.float32)[:, None] * scales)[..., None]))
    codes = (np.clip(codes, -4, 3) + 4).astype(np.uint8).reshape(-1, BLOCK)
    third = ((codes >> 2).reshape(-1, 8, 32) << np.arange(8, dtype=np.uint8)[None, :, None]).sum(1, dtype=np.uint8)
    return np.concatenate([third, pairs_of_bits(codes), *split_multiples(scales + 32), bytes_of_half(d)], 1)


def nibbles_of_values(groups, scale):
    """The nearest of the values times the scale for groups [n, 32], as bytes [n, 16]."""
    middles = (IQ4_VALUES[1:] + IQ4_VALUES[:-1]) / 2
    numbers = np.searchsorted(middles, ratio(groups, scale)).astype(np.uint8)
    return numbers[:, :16] | numbers[:, 16:] << 4


def of_values(blocks):
    """IQ4_NL of blocks [n, 256]."""
    groups = blocks.reshape(-1, 32)
    d = (np.abs(groups).max(1) / 127).astype(np.float16)
    return np.concatenate([bytes_of_half(d), nibbles_of_values(groups, d.astype(np.float32)[:, None])], 1)


def of_values_in_levels(blocks):
    """IQ4_XS of blocks [n, 256]."""
    d, scales = in_units(np.abs(blocks.reshape(-1, 8, 32)).max(2) / 127, 31)
    nibbles = nibbles_of_values(blocks.reshape(-1, 32), (d.astype(np.float32)[:, None] * scales).reshape(-1, 1))
    multiples = scales + 32
    high = (multiples.astype(np.uint16) >> 4 << np.arange(0, 16, 2, dtype=np.uint16)).sum(1, dtype=np.uint16)
    low = multiples[:, 0::2] & 15 | (multiples[:, 1::2] & 15) << 4
    return np.concatenate([bytes_of_half(d), high[:, None].view(np.uint8), low, nibbles.reshape(-1, 128)], 1)


KINDS = {"IQ4_NL": of_values, "IQ4_XS": of_values_in_levels, "Q2_K": of_two_bits, "Q3_K": of_three_bits,
         "Q4_K": lambda blocks: with_mins(blocks, 4), "Q5_K": lambda blocks: with_mins(blocks, 5),
         "Q6_K": of_six_bits}


def quantised(values, name):
    """Values [N, K], 256 divides K, as the format's bytes [N, K / 256 blocks]."""
    return KINDS[name](values.astype(np.float32).reshape(-1, BLOCK)).reshape(len(values), -1)
