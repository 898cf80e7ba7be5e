"""Plants a fault in a kernel of a copy of the tree, one after the other, and has the kit find each.

usage: planted.py --root TREE --work DIR [--only TEXT]

A fault is a place in a backend's code and what stands there instead. The part of the kit that asks for what the kernel does
has to fail, at a case of that name. DIR/tree is the copy, and is kept; what a fault does not touch is built once, or taken
from TREE's release build (tests/acid/reuse.py).
"""
import argparse
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "acid"))
from tree_copy import TreeCopy, demand, read  # noqa: E402


class Fault:
    def __init__(self, what, path, old, new, only, activations="exact"):
        self.what, self.path, self.old, self.new = what, "backends/" + path, old, new
        self.only, self.activations, self.backend = only, activations, path.split("/")[0]


FAULTS = [
    Fault("codes of 4 bits: the high nibble is the low one", "cpu/panel.cpp",
          "code.andI(first ? code.shr(word, first) : word, splat", "code.andI(first ? word : word, splat",
          "linear.u4g32m.", "int8"),
    Fault("codes of 6 bits: the bits above nibbles are left out", "cpu/panel.cpp",
          "return weight.highBits() ? code.orI(", "return weight.highBits() == 1 ? code.orI(", "linear.u6g16z32", "int8"),
    Fault("codes of 3 bits: the pairs of bits are one further", "cpu/panel.cpp", "quad % quads * width};",
          "quad % quads * width + 1};", "linear.u3g32z4.", "int8"),
    Fault("values are taken from one place further", "cpu/isa.cpp", "table[i % 16]", "table[(i + 1) % 16]", "linear.v32b.",
          "int8"),
    Fault("the last of an odd number of rows is not computed", "cpu/panel_int.cpp",
          "code.loop(done, end, numRows, [&](Value row) { emitTile(source, {row, numRows, first,",
          "if (numRows > 1)\n        code.loop(done, end, numRows, [&](Value row) { emitTile(source, {row, numRows, first,", "linear.u5g32m.", "int8"),
    Fault("groups of 16: the second half has the sums of the first", "cpu/activations.cpp",
          "{code.reduceAdd(low), code.reduceAdd(high)}", "{code.reduceAdd(low), code.reduceAdd(low)}", "linear.u4g16m.",
          "bf16"),
    Fault("a minimum is left out, of many rows and of one", "cpu/panel_float.cpp",
          "return weight.min ? code.fma(min, sumOfRow, y) : y;", "return y;", "linear.u5g32mf."),
    Fault("tiles of rows leave an odd one", "cpu/panel_float.cpp",
          "SmallVector<int64_t>{6, 4, 2, 1} : SmallVector<int64_t>{8, 4, 1}",
          "SmallVector<int64_t>{6, 4, 2} : SmallVector<int64_t>{8, 4}", "linear.bf16."),
    Fault("the last columns of a matrix have the first one's bias", "cpu/epilogues.cpp",
          "code.load(code.f32, code.at(linear.bias, code.mul(at, 4)))", "code.load(code.f32, linear.bias)",
          "linear_bias_of_layer.f16.33x128"),
    Fault("a linear without a bias takes the first layer's weights", "cpu/kernels.cpp",
          "if (select.getLayer())", "if (select.getLayer() && op.getSource().ends_with(\"bias\"))", "linear_of_layer.f16"),
    Fault("an exponent is off by one in a thousand", "cpu/epilogues.cpp", "-1.44269504f", "-1.44f", "gate_up."),
    Fault("a gate's cubic term is left out", "cpu/epilogues.cpp", "kOfThird = 0.044715f * kOfFirst", "kOfThird = 0.0f",
          "gate_up.geglu"),
    Fault("the last columns of a matrix are not capped", "cpu/epilogues.cpp",
          "if (map)\n      y = code.extract", "if (!map)\n      y = code.extract", "linear_softcap."),
    Fault("an embedding's scale is left out", "cpu/kernels.cpp", "if (!ops.unaries.empty())",
          "if (ops.unaries.size() > 1)", "embedding_scale."),
    Fault("a norm behind a linear leaves its weight out", "cpu/activations.cpp",
          "code.mulF(code.mulF(lanesAt(source), factor), lanesAt(norm))", "code.mulF(lanesAt(source), factor)", "norm_add."),
    Fault("a mix leaves its factor out", "cpu/experts.cpp", "if (factor != 1)", "if (factor > 2)", "expert_mix_scale"),
    Fault("an expert's panels begin among those before", "cpu/experts.cpp", "code.add(code.mul(expert, units()), unit)",
          "code.add(expert, unit)", "expert_gate.swiglu.bf16"),
    Fault("rows of an expert have the first one's step", "cpu/experts.cpp", "unitOf(activations, stride, place)",
          "unitOf(activations, stride, begin)", "expert_gate.swiglu.i8g32", "int8"),
    Fault("shares of all experts are those of the chosen", "cpu/routing.cpp", "choice.isOfAll ? powersOf(",
          "choice.experts == 1 ? powersOf(", "route.all."),
    Fault("a rope turns the wrong way", "cpu/epilogues.cpp",
          "signs.push_back(i & 1 ? 1.0f : -1.0f);", "signs.push_back(i & 1 ? -1.0f : 1.0f);", "llama"),
    Fault("halves of a head turn the wrong way", "cpu/epilogues.cpp",
          "code.mulF(sines, code.splat(step, -1.0f))", "code.mulF(sines, code.splat(step, 1.0f))", "heads.halves.3x64"),
    Fault("a norm divides the squares of a head by its panel's lanes", "cpu/epilogues.cpp",
          "constant(double(heads.width))", "constant(double(kPanelRows))", "normed_qk"),
    Fault("a token does not see itself", "cpu/attention.cpp",
          "return code.sub(code.add(part.position, 1), ", "return code.sub(code.add(part.position, 0), ", "attend.4x2x32"),
    Fault("a tile that begins in front of a block's border does not see behind it", "cpu/attention.cpp",
          "code.add(code.div(code.add(position, code.sub(tokens, code.num(1))), kPartition), 1)",
          "code.add(code.div(position, kPartition), 1)", "attend.3x3x64"),
    Fault("a window is a row too wide", "cpu/attention_partition.cpp",
          "code.sub(code.add(call.limit, token), code.num(shape.window))",
          "code.sub(code.add(call.limit, token), code.num(shape.window + 1))", "attend.4x2x32.window40"),
    Fault("blocks are read from the second one of a window on", "cpu/attention.cpp",
          "return code.div(code.max(code.sub(position, code.num(attention.window - 1)), none), kPartition);",
          "return code.div(code.max(code.sub(code.add(position, kPartition - 1), code.num(attention.window - 1)), none), kPartition);",
          "attend.9x3x64.window163"),
    Fault("a cap is half as high", "cpu/attention_partition.cpp", "const float cap = shape.softcap * kLog2E;",
          "const float cap = shape.softcap * kLog2E / 2;", "attend.4x2x32.softcap"),
    Fault("partitions are merged as if they had the same largest score", "cpu/attention_partition.cpp",
          "code.store(code.fma(code.load(lanes, to), a, scaled), to);",
          "code.store(code.addF(code.load(lanes, to), scaled), to);", "attend.2x1x16"),
    Fault("a code keeps its zero", "cpu/panel.cpp", "return weight.zero ? code.subI(", "return weight.zero > 8 ? code.subI(",
          "linear.u4g32z8."),
    Fault("an unpacked minimum is left out", "onednn/unpack.cpp", "code.fma(q, scales[part], mins[part])",
          "code.mulF(q, scales[part])", "linear.u4g32m.", "bf16"),
    Fault("a block of rows that is longer than the others is cut", "onednn/panels.cpp",
          "code.num(ONEDNN_GEMM_ROWS), code.sub(input.rows, first))",
          "code.num(ONEDNN_GEMM_ROWS), code.min(code.sub(input.rows, first), code.num(ONEDNN_GEMM_ROWS)))",
          "linear.u4g32m.", "bf16"),
]


class Planter(TreeCopy):
    def backends(self):
        built = os.path.join(self.root, "build/release/lib/kvasir/backends")
        return [name for name in ("cpu", "onednn", "reference")
                if os.path.exists(os.path.join(built, "libkvasir-%s.so" % name))]

    def prepare(self):
        self.bring_up_to_date()
        self.configure(self.backends())
        self.make("backends", "kvasir-compile", "kvasir-conformance")

    def plant(self, fault):
        whole = read(os.path.join(self.root, fault.path))
        demand(whole.count(fault.old.encode()) == 1, "%s: '%s' is there %d times; say again where the fault is" %
               (fault.path, fault.old, whole.count(fault.old.encode())))
        self.write(fault.path, whole.replace(fault.old.encode(), fault.new.encode()))
        try:
            self.make("kvasir_backend_" + fault.backend)
            return self.kit(fault)
        finally:
            self.write(fault.path, whole)

    def kit(self, fault):
        """What the kit says where it fails."""
        done = subprocess.run([os.path.join(self.build, "bin/kvasir-conformance"), "--backend", fault.backend,
                               "--activations", fault.activations, "--only", fault.only], capture_output=True, text=True)
        failed = [line for line in done.stdout.splitlines() if fault.only in line.split(" ")[0]]
        demand(done.returncode == 1 and failed and re.search(r"^[1-9]\d* failures$", done.stdout, re.MULTILINE),
               "%s: not found\n%s%s" % (fault.what, done.stdout, done.stderr))
        return failed


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    planter = Planter(args.root, args.work)
    planter.prepare()
    there = [fault for fault in FAULTS if fault.backend in planter.backends() and args.only in fault.what]
    for fault in there:
        begin = time.monotonic()
        failed = planter.plant(fault)
        print("%s: %s\n  %d lines, the first: %s\n  %.0f s" % (fault.path, fault.what, len(failed), failed[0],
                                                           time.monotonic() - begin), flush=True)
    print("%d faults planted, %d found" % (len(there), len(there)))


main()
