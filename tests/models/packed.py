"""What the weights in a plugin are worth, read by the plugin's own table of tensors: planes of digits, as data."""
import json
import re
import subprocess

import numpy as np

DTYPES = {"f32": np.float32, "f16": np.float16, "bf16": np.uint16, "i8": np.int8, "u8": np.uint8}


class Weights:
    """The weights of a plugin by the names of its source's tensors, each as values in f32."""

    def __init__(self, kvasir, path):
        said = json.loads(subprocess.run([kvasir, "inspect", "--json", path], check=True, stdout=subprocess.PIPE).stdout)
        self.bytes = np.memmap(path, np.uint8, "r", said["weights"]["offset"], (said["weights"]["size"],))
        self.tensors, self.at = said["tensors"], {}
        for tensor in self.tensors:
            for layer in range(tensor["layers"]):
                self.at[member_name(tensor["name"], layer)] = tensor, layer

    def values(self, name):
        tensor, layer = self.at[name]
        shape = [int(n) for n in re.search(r"(\d+(x\d+)?),", tensor["type"])[1].split("x")]
        begin = tensor["offset"] + layer * tensor["stride"]
        unit = self.bytes[begin:begin + tensor["size"]]
        rows, columns = shape if len(shape) == 2 else (1, shape[0])
        part, first = {}, {}
        for plane in tensor["layout"]["planes"]:
            role = plane["role"]
            if role not in first:
                first[role], part[role] = plane, elements(plane, unit, rows, columns)
            elif role == "code":  # bits above those of the first plane
                part[role] += elements(spread(plane), unit, rows, columns) * (1 << int(first[role]["element"][1:]))
            else:  # units of which the first plane has multiples
                part[role] *= elements(plane, unit, rows, columns)
        if "value" in part:
            return part["value"].reshape(shape)
        part["code"] = looked_up(part["code"], tensor["type"], first["code"])
        values = (part["code"] - zero_of(tensor["type"], first["code"])) * part["scale"]
        return values + part["min"] if "min" in part else values


def member_name(pattern, member):
    """plugins/member_name.h: "blk.{}.w" and "blk.{2,5}.w" name families."""
    return re.sub(r"\{([\d,]*)\}", lambda found: found[1].split(",")[member] if found[1] else str(member), pattern)


def looked_up(codes, type_name, plane):
    """Narrow codes may be numbers of values that the type lists."""
    values = re.search(r"values = \[(.*?)\]", type_name)
    if not values or plane["element"] in ("i8", "u8"):
        return codes
    return np.array([int(value) for value in values[1].split(",")], np.float32)[codes.astype(int)]


def zero_of(type_name, plane):
    """The code of 0; codes with a sign are stored 128 higher in u8."""
    zero = re.search(r"zero = (\d+)", type_name)
    shifted = 128 if "codes = si8" in type_name and plane["element"] == "u8" else 0
    return np.float32((int(zero[1]) if zero else 0) + shifted)


def spread(plane):
    """A plane of high bits, in whose bytes columns lie beside each other that digits of stride 0 count, as one of bits."""
    shared = int(np.prod([extent for _, extent, stride in plane["digits"] if stride == 0]))
    width, digits = int(plane["element"][1:]) // shared, []
    stride_of_next = width
    for axis, extent, stride in plane["digits"]:
        digits.append((axis, extent, stride or stride_of_next))
        stride_of_next *= 1 if stride else extent
    return {**plane, "element": "u%d" % width, "digits": digits}


def bits_of(plane, axis, count):
    """The bit that each index of an axis adds."""
    index, bits = np.arange(count), np.zeros(count, np.int64)
    for digit_axis, extent, stride in plane["digits"]:
        if digit_axis == axis:
            bits += index % extent * stride
            index = index // extent
    return bits


def elements(plane, unit, rows, columns):
    """A plane's elements [rows, columns] in f32."""
    bits = plane["offset_bits"] + bits_of(plane, "row", rows)[:, None] + bits_of(plane, "column", columns)
    if plane["element"] in ("u1", "u2", "u4"):
        mask = (1 << int(plane["element"][1:])) - 1
        return (unit[bits // 8] >> (bits % 8).astype(np.uint8) & mask).astype(np.float32)
    stored = np.frombuffer(unit, DTYPES[plane["element"]])
    found = stored[bits // (8 * stored.itemsize)]
    if plane["element"] == "bf16":
        found = (found.astype(np.uint32) << 16).view(np.float32)
    return found.astype(np.float32)
