"""The model files that are measured: made once, kept in build/models."""
import os
import subprocess
import sys

from peers import llama_cpp_tool, output

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BIN = os.path.join(ROOT, "build/release/bin")
MODELS = os.path.join(ROOT, "build/models")
SMOLLM2 = os.path.join(MODELS, "SmolLM2-135M-Instruct.Q4_1.gguf")
RANDOM_1B = "--width 2048 --feed-forward 8192 --layers 16 --heads 32 --key-heads 8 --vocabulary 49152 --context 8192"


def script(name):
    return os.path.join(ROOT, "tests/models", name)


def make_smollm2(kind, target):
    output(sys.executable, script("requantise.py"), SMOLLM2, kind, target)


def make_random_1b(kind, target):
    if kind == "Q4_0":
        output(sys.executable, script("random_model.py"), target, "--type", kind, *RANDOM_1B.split())
    else:
        subprocess.run([llama_cpp_tool("llama-quantize"), "--allow-requantize", source("1B", "Q4_0"), target, kind],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


# model: its name in a file's, and what makes it in a kind of weights
MODELS_MADE = {"SmolLM2": ("SmolLM2-135M", make_smollm2), "1B": ("random-1B", make_random_1b)}


def source(model, kind):
    """The GGUF file of a model with one kind of weights."""
    if (model, kind) == ("SmolLM2", "Q4_1"):
        return SMOLLM2
    name, make = MODELS_MADE[model]
    target = os.path.join(MODELS, "%s.%s.gguf" % (name, kind))
    if not os.path.exists(target):
        make(kind, target + ".new")
        os.rename(target + ".new", target)
    return target


def compiled(model, kind, activations="int8"):
    """The plugin of it, compiled again when the compiler is newer."""
    target = os.path.join(MODELS, "%s.%s.cpu.%s.kvasir" % (MODELS_MADE[model][0], kind, activations))
    compiler = os.path.join(BIN, "kvasir-compile")
    if not os.path.exists(target) or os.path.getmtime(target) < os.path.getmtime(compiler):
        output(compiler, source(model, kind), "--activations", activations, "-o", target, stderr=subprocess.DEVNULL)
    return target
