"""Writes a GGUF file again with its matrices in another format, norms in f32.

usage: requantise.py IN.gguf TYPE OUT.gguf [LAYERS]      TYPE: F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q2_K Q3_K
       Q4_K Q5_K Q6_K IQ4_NL IQ4_XS MXFP4

LAYERS keeps that many of the first layers. For what k_quants.py quantises a llama model is made wider by zeros, to multiples of 256, where
it must be.
"""
import os
import sys

import gguf
import numpy as np

import k_quants
import oracle
from widen import Wider


def copy_metadata(reader, writer, changed):
    """All metadata but the architecture, which the writer knows, and the file type, which is another; some changed."""
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        kind = field.types[0]
        element = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, changed.get(field.name, field.contents()), kind, sub_type=element)


def is_of_layer(name, layers):
    return not name.startswith("blk.") or int(name.split(".")[1]) < layers


def file_type(name):
    """That of a whole file, which has variants of some kinds."""
    kinds = {"F32": "ALL_F32", "MXFP4": "MOSTLY_MXFP4_MOE", "Q3_K": "MOSTLY_Q3_K_M", "Q4_K": "MOSTLY_Q4_K_M",
             "Q5_K": "MOSTLY_Q5_K_M"}
    return gguf.LlamaFileType[kinds.get(name, "MOSTLY_" + name)]


def quantised(values, name):
    if name in k_quants.KINDS:
        return k_quants.quantised(values, name)
    return gguf.quants.quantize(values, gguf.GGMLQuantizationType[name])


def main(source, type_name, target, layers=None):
    reader = gguf.GGUFReader(source)
    config = oracle.Configuration(reader)
    wider = Wider(config) if type_name in k_quants.KINDS else None
    writer = gguf.GGUFWriter(target + ".part", config.architecture)
    layers = int(layers or config.layers)
    changed = {config.architecture + ".block_count": layers, **(wider.metadata() if wider else {})}
    copy_metadata(reader, writer, changed)
    writer.add_file_type(file_type(type_name))
    for tensor in (tensor for tensor in reader.tensors if is_of_layer(tensor.name, layers)):
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(tensor.shape[::-1]).astype(np.float32)
        values = wider.tensor(tensor.name, values) if wider else values
        kind = type_name if values.ndim == 2 else "F32"
        writer.add_tensor(tensor.name, quantised(values, kind), raw_dtype=gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.rename(target + ".part", target)


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
