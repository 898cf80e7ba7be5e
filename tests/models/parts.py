"""Compiles a random model from one file and from several, and asks for the same bits of either.

usage: parts.py --compiler BIN --kvasir BIN
"""
import argparse
import glob
import os
import subprocess
import sys
import tempfile

import gguf
import numpy as np

from requantise import copy_metadata

HERE = os.path.dirname(os.path.abspath(__file__))
TENSORS_OF_A_PART = 7


def write_parts(source, target):
    """The same model in files of at most so many tensors."""
    reader = gguf.GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(target, architecture, split_max_tensors=TENSORS_OF_A_PART)
    copy_metadata(reader, writer, {})
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def logits(args, source, compiled):
    subprocess.run([args.compiler, source, "-o", compiled], check=True)
    subprocess.run([args.kvasir, "logits", compiled, "--ids", "1,2,3", "-o", compiled + ".npy"], check=True)
    return np.load(compiled + ".npy")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--kvasir", required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole = os.path.join(folder, "whole.gguf")
        subprocess.run([sys.executable, os.path.join(HERE, "random_model.py"), whole], check=True)
        write_parts(whole, os.path.join(folder, "parts.gguf"))
        parts = sorted(glob.glob(os.path.join(folder, "parts-*.gguf")))
        assert len(parts) > 2, parts
        expected = logits(args, whole, os.path.join(folder, "whole.kvasir"))
        for part in parts[:2]:
            got = logits(args, part, os.path.join(folder, "parts.kvasir"))
            assert (got == expected).all()


main()
