"""Writes a GGUF file again with its matrices in another format, norms in f32.

usage: requantise.py IN.gguf TYPE OUT.gguf [LAYERS]      TYPE: F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1

LAYERS keeps that many of the first layers.
"""
import os
import sys

import gguf
import numpy as np


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


def main(source, type_name, target, layers=None):
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target + ".part", reader.fields["general.architecture"].contents())
    count = "%s.block_count" % reader.fields["general.architecture"].contents()
    layers = int(layers or reader.fields[count].contents())
    copy_metadata(reader, writer, {count: layers})
    writer.add_file_type(gguf.LlamaFileType[("ALL_" if type_name == "F32" else "MOSTLY_") + type_name])
    wanted = gguf.GGMLQuantizationType[type_name]
    for tensor in (tensor for tensor in reader.tensors if is_of_layer(tensor.name, layers)):
        shape = tensor.shape[::-1]
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(shape).astype(np.float32)
        kind = wanted if len(shape) == 2 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(tensor.name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.rename(target + ".part", target)


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
