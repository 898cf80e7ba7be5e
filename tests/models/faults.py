"""Plants faults in a model and in a program, and asks `kvasir diff --ops` where they are.

usage: faults.py --compiler BIN --kvasir BIN

Each fault is planted in what the cpu backend compiles, and compared with the right one twice: compiled for cpu, where
equal bits are promised, and for reference, where rounding explains something. A model that enlarges rounding is right, and
with a fault in it wrong.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import gguf
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "..", "programs", "llama.mlir")


def find(reader, name):
    return next(tensor for tensor in reader.tensors if tensor.name == name)


def wrong_weight(path):
    find(gguf.GGUFReader(path, "r+"), "blk.2.ffn_up.weight").data[5, 7] += 0.5


def sharp_attention(path):
    """Heads of layer 1 choose one row each, and whose scores are close, by the last bits."""
    find(gguf.GGUFReader(path, "r+"), "blk.1.attn_q.weight").data[:] *= 64


def wrong_keys(path):
    find(gguf.GGUFReader(path, "r+"), "blk.2.attn_k.weight").data[:] *= -1


def wrong_expert(path):
    """What one of 8 experts of layer 2 contributes has another sign."""
    find(gguf.GGUFReader(path, "r+"), "blk.2.ffn_down_exps.weight").data[3] *= -1


def wrong_rope_base(path):
    field = gguf.GGUFReader(path, "r+").fields["llama.rope.freq_base"]
    field.parts[field.data[0]][0] = 20000.0


def swapped_weights(path):
    reader = gguf.GGUFReader(path, "r+")
    for layer in range(4):
        keys, values = (find(reader, "blk.%d.attn_%s.weight" % (layer, name)).data for name in "kv")
        kept = keys.copy()
        keys[:] = values
        values[:] = kept


def replaced(text, old, new):
    assert text.count(old) == 1, old
    return text.replace(old, new)


def swapped_rows(text):
    """Which the compiler refuses, as long as the schema says which rows turn and which weights make them."""
    text = replaced(text, " rotated(adjacent) by([@attn_k])", "")
    text = replaced(text, " by([@attn_v])", "")
    text = replaced(text, "kv.append %k[%layer], %kr,", "kv.append %k[%layer], %v0,")
    return replaced(text, "kv.append %v[%layer], %v0,", "kv.append %v[%layer], %kr,")


def wrong_for_five_tokens(text):
    """The lower projection of each layer is doubled in calls of 5 tokens."""
    text = replaced(text, "@feed_forward(%layer: index, %x: tensor<?x64xf32>)",
                    "@feed_forward(%layer: index, %x: tensor<?x64xf32>, %batch: !kv.batch)")
    text = replaced(text, "@feed_forward(%layer, %h) : (index, tensor<?x64xf32>)",
                    "@feed_forward(%layer, %h, %batch) : (index, tensor<?x64xf32>, !kv.batch)")
    return replaced(text, "  %y = arith.addf %x, %d : tensor<?x64xf32>\n", """
  %t = kv.tokens %batch
  %c5 = arith.constant 5 : index
  %five = arith.cmpi eq, %t, %c5 : index
  %e = scf.if %five -> tensor<?x64xf32> {
    %twice = arith.addf %d, %d : tensor<?x64xf32>
    scf.yield %twice : tensor<?x64xf32>
  } else {
    scf.yield %d : tensor<?x64xf32>
  }
  %y = arith.addf %x, %e : tensor<?x64xf32>
""")


class Bench:
    def __init__(self, args, folder):
        self.args, self.folder, self.failed = args, folder, 0

    def path(self, name):
        return os.path.join(self.folder, name)

    def compile(self, source, backend, *options):
        out = self.path("%s.%s.kvasir" % (os.path.basename(source), backend))
        if not os.path.exists(out):
            subprocess.run([self.args.compiler, source, "-o", out, "--backend", backend, "--activations", "exact",
                            "--probe", *options], check=True, capture_output=True)
        return out

    def diff(self, a, b):
        ran = subprocess.run([self.args.kvasir, "diff", a, b, "--ops", "--json"], capture_output=True, text=True)
        found = json.loads(ran.stdout)
        assert ran.returncode == (0 if found["equal"] else 1), ran.stderr
        return found

    def expect(self, what, found, expected):
        for key, value in expected.items():
            place = found
            for part in key.split("."):
                place = place[part] if place else place
            if not (value(place) if callable(value) else place == value):
                self.failed += 1
                print("%s: %s is %r\n  %s" % (what, key, place, found["verdict"]))

    def check(self, name, right, wrong, options, expected, in_equal_bits):
        for backend in ("cpu", "reference"):
            found = self.diff(self.compile(right, backend, *options), self.compile(wrong, "cpu", *options))
            print("%s, %s: %s" % (name, backend, found["verdict"]))
            self.expect(name + ", " + backend, found, {"equal": False, **expected})
            if backend == "cpu":
                self.expect(name, found, in_equal_bits)

    def check_model(self, name, plant, expected, in_equal_bits):
        right, wrong = self.path("right.gguf"), self.path(name + ".gguf")
        if not os.path.exists(right):
            subprocess.run([sys.executable, os.path.join(HERE, "random_model.py"), right, "--layers", "4"], check=True)
        shutil.copyfile(right, wrong)
        plant(wrong)
        self.check(name, right, wrong, [], expected, in_equal_bits)

    def check_program(self, name, plant, expected, in_equal_bits):
        wrong = self.path(name + ".mlir")
        with open(PROGRAM) as source, open(wrong, "w") as target:
            target.write(plant(source.read()))
        self.check(name, PROGRAM, wrong, ["--random-weights", "1"], expected, in_equal_bits)

    def check_right(self):
        for source, options in ((self.path("right.gguf"), []), (PROGRAM, ["--random-weights", "1"])):
            backends = [self.compile(source, backend, *options) for backend in ("reference", "cpu")]
            self.expect("right", self.diff(*backends), {"equal": True, "result": "rounding", "enlarged": 0, "programs": "",
                                                        "notes": []})
            self.expect("right", self.diff(backends[1], backends[1]), {"verdict": "equal to the bit"})


    def check_mixture(self):
        """Rounding may choose other experts; a wrong one is found, and a wrong choice."""
        right, wrong = self.path("mixture.gguf"), self.path("wrong_expert.gguf")
        subprocess.run([sys.executable, os.path.join(HERE, "random_model.py"), right, "--architecture", "qwen3moe",
                        "--layers", "4"], check=True)
        for a, b in (("reference", "cpu"), ("cpu", "reference")):
            found = self.diff(self.compile(right, a), self.compile(right, b))
            print("mixture, %s: %d rows of other experts, %s" % (a, found["rerouted"], found["verdict"]))
            self.expect("mixture", found, {"result": "rounding", "programs": "", "notes": []})
        shutil.copyfile(right, wrong)
        wrong_expert(wrong)
        self.check("wrong expert", right, wrong, [], {"first_op.op": "blk.2.ffn_down_exps",
                                                      "first_op.kind": "lm.expert_linear"},
                   {"first.slot": "k", "first.layer": 3, "first.call_tokens": 140})

    def check_enlarged(self):
        """What rounding explains is measured where a model enlarges it; a fault beside that is found all the same."""
        sharp, wrong = self.path("sharp.gguf"), self.path("sharp_and_wrong.gguf")
        shutil.copyfile(self.path("right.gguf"), sharp)
        sharp_attention(sharp)
        shutil.copyfile(sharp, wrong)
        wrong_keys(wrong)
        for a, b in (("reference", "cpu"), ("cpu", "reference")):
            found = self.diff(self.compile(sharp, a), self.compile(sharp, b))
            print("sharp, %s: %d rows, %s" % (a, found["enlarged"], found["verdict"]))
            self.expect("sharp", found, {"result": "rounding", "enlarged": lambda rows: rows > 0})
            found = self.diff(self.compile(sharp, a), self.compile(wrong, b))
            print("sharp and wrong, %s: %d rows, %s" % (a, found["enlarged"], found["verdict"]))
            self.expect("sharp and wrong", found, {"result": "different", **first_is("k", 2, 0, 140),
                                                   "first_op.op": "blk.2.attn_k"})


def first_is(slot, layer, row, tokens):
    return {"first.slot": slot, "first.layer": layer, "first.row": row, "first.call_tokens": tokens}


def contains(word):
    return lambda text: word in text


def run(bench):
    bench.check_model("weight", wrong_weight,
                      {"first_op.op": "blk.2.ffn_up", "first_op.kind": "lm.linear", "first_op.element": 5,
                       "first_op.row": 0, "programs": ""},
                      {**first_is("k", 3, 0, 140), "first.op": "blk.3.append_k"})
    bench.check_model("rope_base", wrong_rope_base,
                      {"first_op.op": "rope", "first_op.kind": "lm.rope_angles", "first_op.row": 1, "programs": ""},
                      {**first_is("k", 0, 1, 140), "first.op": "blk.0.append_k"})
    bench.check_model("swapped_weights", swapped_weights,
                      {**first_is("k", 0, 0, 140), "origin": "A's row of slot v", "first_op.op": "blk.0.attn_k",
                       "first_op.row": 0, "programs": ""}, {"first.op": "blk.0.append_k"})
    bench.check_program("swapped_rows", swapped_rows,
                        {**first_is("k", 0, 0, 140), "origin": "A's row of slot v", "first_op": None,
                         "programs": contains("append"), "suspects": contains("append")}, {})
    bench.check_program("five_tokens", wrong_for_five_tokens,
                        {**first_is("k", 1, 142, 5), "first_op": None, "programs": contains("addf")}, {})
    bench.check_right()
    bench.check_enlarged()
    bench.check_mixture()


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--kvasir", required=True)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(parser.parse_args(), folder)
        run(bench)
    sys.exit(1 if bench.failed else 0)


main()
