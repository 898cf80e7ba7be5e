"""Writes a package of one function: ops by hand, for tests of what they compute."""
import json
import os

import numpy as np

TYPES = {"bool": 1, "string": 2, "float16": 10, "float32": 11, "int8": 21, "int32": 23, "uint16": 32}


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor_type(element, dims):
    """A dim that only a call knows is None."""
    shape = b"".join(field(3, field(2, b"") if dim is None else field(1, field(1, dim))) for dim in dims)
    return field(1, field(1, TYPES[element]) + field(2, len(dims)) + shape)


def literal(value):
    if isinstance(value, str):
        return field(2, tensor_type("string", [])) + field(3, field(1, field(4, field(1, value))))
    value = np.asarray(value)
    value = value.astype({"i": np.int32, "f": value.dtype if value.dtype == np.float16 else np.float32}.get(value.dtype.kind, bool))
    packed = b"".join(varint(int(number)) for number in value.ravel())
    form = {"float32": lambda: field(1, field(1, value.tobytes())), "int32": lambda: field(2, field(1, packed)),
            "bool": lambda: field(3, field(1, packed)), "float16": lambda: field(7, field(1, value.tobytes()))}
    return field(2, tensor_type(value.dtype.name, value.shape)) + field(3, field(1, form[value.dtype.name]()))


class Package:
    def __init__(self):
        self.inputs, self.operations, self.outputs = [], [], []

    def input(self, name, element, dims):
        self.inputs.append(field(1, name) + field(2, tensor_type(element, dims)))
        return "%" + name

    def op(self, op, element, dims, **operands):
        """One result, which is an output. Operands: "%name", numbers, arrays, texts, or lists of names."""
        return self.ops(op, [(element, dims)], **operands)[0]

    def ops(self, op, results, **operands):
        """Results of these element types and dims, which are outputs."""
        names = [f"out{len(self.operations)}" + (f"_{i}" if i else "") for i in range(len(results))]
        arguments = b""
        for key, given in operands.items():
            many = given if isinstance(given, list) and isinstance(given[0], str) else [given]
            bindings = b"".join(field(1, field(1, one[1:]) if isinstance(one, str) and one[:1] == "%"
                                      else field(2, literal(one))) for one in many)
            arguments += field(2, field(1, key) + field(2, bindings))
        made = b"".join(field(3, field(1, name) + field(2, tensor_type(element, dims)))
                        for name, (element, dims) in zip(names, results))
        self.operations.append(field(1, op) + arguments + made)
        self.outputs += names
        return ["%" + name for name in names]

    def write(self, path):
        block = b"".join(field(2, name) for name in self.outputs) + b"".join(field(3, op) for op in self.operations)
        function = (b"".join(field(1, given) for given in self.inputs) + field(2, "CoreML8")
                    + field(3, field(1, "CoreML8") + field(2, block)))
        model = field(1, 9) + field(2, b"") + field(502, field(1, 1) + field(2, field(1, "main") + field(2, function)))
        folder = os.path.join(path, "Data", "com.apple.CoreML")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "model.mlmodel"), "wb") as file:
            file.write(model)
        item = {"author": "test", "description": "", "name": "model.mlmodel", "path": "com.apple.CoreML/model.mlmodel"}
        with open(os.path.join(path, "Manifest.json"), "w", encoding="utf-8") as file:
            json.dump({"fileFormatVersion": "1.0.0", "itemInfoEntries": {"A": item}, "rootModelIdentifier": "A"}, file)
