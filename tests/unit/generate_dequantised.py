"""Writes tests/unit/data/dequantised/<type>.bin: random blocks of each weight format of GGUF and gguf-py's values.

usage: generate_dequantised.py        (in a Python environment with gguf and numpy)

A file is one row: u32 elements, u32 bytes of blocks, the blocks, the values in f32. Scales (f16) are drawn over all
finite exponents, negative ones, subnormals and zero among them; everything else of a block is any bits.
"""
import os
import struct

import gguf
import numpy as np

# Offsets of the f16 numbers in a block.
HALVES = {"F32": [], "F16": [0], "BF16": [], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
ELEMENTS = 1024


def random_halves(rng, shape):
    bits = rng.integers(0, 1 << 16, shape, dtype=np.uint16)
    bits[(bits & 0x7C00) == 0x7C00] &= 0xBFFF  # no infinities, no NaNs
    return bits


def blocks_of(name, rng):
    elements, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    if name in ("F32", "BF16"):  # finite ones
        values = rng.standard_normal(ELEMENTS).astype(np.float32) * np.float32(10) ** rng.integers(-20, 20, ELEMENTS)
        halves = values.astype(np.float32).view(np.uint16).reshape(ELEMENTS, 2)
        return halves.view(np.uint8) if name == "F32" else np.ascontiguousarray(halves[:, 1:]).view(np.uint8)
    blocks = rng.integers(0, 256, (ELEMENTS // elements, size), dtype=np.uint8)
    for offset in HALVES[name]:
        blocks[:, offset:offset + 2] = random_halves(rng, (len(blocks), 1)).view(np.uint8)
    return blocks


def main():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "dequantised")
    os.makedirs(folder, exist_ok=True)
    for seed, name in enumerate(sorted(HALVES)):
        blocks = blocks_of(name, np.random.default_rng(seed)).reshape(1, -1)
        values = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[name]).astype(np.float32)
        assert values.size == ELEMENTS and np.isfinite(values).all()
        with open(os.path.join(folder, name + ".bin"), "wb") as out:
            out.write(struct.pack("<II", ELEMENTS, blocks.size) + blocks.tobytes() + values.tobytes())


main()
