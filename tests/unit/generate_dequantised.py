"""Writes tests/unit/data/dequantised/<type>.bin: random blocks of weight formats of GGUF and gguf-py's values.

usage: generate_dequantised.py TYPE...        (in a Python environment with gguf and numpy; types as gguf-py names them)

A file is one row: u32 elements, u32 bytes of blocks, the blocks, the values in f32. Blocks are any bits whose values are
finite: scales over all finite exponents, negative ones and subnormals among them (MXFP4's least and largest at the
front). Floats are drawn over 40 powers of ten.
"""
import os
import struct
import sys

import gguf
import numpy as np

ELEMENTS = 1024


def floats(name, rng):
    values = rng.standard_normal(ELEMENTS) * 10.0 ** rng.integers(-20, 20, ELEMENTS)
    halves = values.astype(np.float32).view(np.uint16).reshape(ELEMENTS, 2)
    return halves.view(np.uint8) if name == "F32" else np.ascontiguousarray(halves[:, 1:]).view(np.uint8)


def blocks_of(name, rng):
    kind = gguf.GGMLQuantizationType[name]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = floats(name, rng) if name in ("F32", "BF16") else np.zeros((0, size), np.uint8)
    if name == "MXFP4":
        blocks = rng.integers(0, 256, (4, size), dtype=np.uint8)
        blocks[:, 0] = 0, 1, 2, 252
    while len(blocks) < ELEMENTS // elements:
        block = rng.integers(0, 256, (1, size), dtype=np.uint8)
        if np.isfinite(gguf.quants.dequantize(block, kind).astype(np.float32)).all():
            blocks = np.concatenate([blocks, block])
    return blocks


def main(names):
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "dequantised")
    for name in names:
        blocks = blocks_of(name, np.random.default_rng(sum(name.encode()))).reshape(1, -1)
        values = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[name]).astype(np.float32)
        assert values.size == ELEMENTS and np.isfinite(values).all()
        with open(os.path.join(folder, name + ".bin"), "wb") as out:
            out.write(struct.pack("<II", ELEMENTS, blocks.size) + blocks.tobytes() + values.tobytes())


if len(sys.argv) < 2:
    sys.exit(__doc__)
main(sys.argv[1:])
