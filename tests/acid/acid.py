"""Adds an op, a backend, an architecture and a weight format to a copy of the tree; counts, builds and runs it.

usage: acid.py counts --root TREE --work DIR     what each addition takes, in new and edited files, is no more than allowed
       acid.py builds --root TREE --work DIR     and the copy with all four builds, and each of them works

An addition is a folder beside this file: new files at their places, and edits.patch. DIR/tree is the copy; it is kept, so
that a second run builds what has changed. Objects whose command and files are as in TREE are TREE's own (reuse.py).
"""
import argparse
import json
import os
import shutil
import sys
import tempfile
import time

from tree_copy import TreeCopy, demand, files_below, read, run

HERE = os.path.dirname(os.path.abspath(__file__))
PATCH, BACKEND = "edits.patch", "abacus"
ADDITIONS = {  # name: new files, edited files, lines in these (0: any number)
    "op": (1, 3, 0),
    "backend": (None, 0, 0),
    "architecture": (2, 1, 1),
    "format": (2, 1, 1),
}


class Addition:
    def __init__(self, name, where=HERE):
        self.name, self.folder = name, os.path.join(where, name)
        self.new = [path for path in files_below(self.folder) if path != PATCH]
        self.patch = os.path.join(self.folder, PATCH) if os.path.exists(os.path.join(self.folder, PATCH)) else None
        listed = run("git", "apply", "--numstat", self.patch, cwd="/").splitlines() if self.patch else []
        self.edits = {path: (int(added), int(removed)) for added, removed, path in (line.split("\t") for line in listed)}

    def check(self, root):
        new, edited, lines = ADDITIONS[self.name]
        print("%s: new %s; edited %s" % (self.name, ", ".join(self.new),
              ", ".join("%s +%d -%d" % (path, *count) for path, count in self.edits.items()) or "nothing"))
        there = [path for path in self.new if os.path.exists(os.path.join(root, path))]
        demand(not there, "%s: is there already: %s" % (self.name, there))
        if new is None:
            demand(len({tuple(path.split("/")[:2]) for path in self.new}) == 1, self.name + " is more than a folder")
        else:
            demand(len(self.new) <= new, "%s takes more than %d new files" % (self.name, new))
        demand(len(self.edits) <= edited, "%s takes edits of more than %d files" % (self.name, edited))
        demand(not lines or all(count == (lines, 0) for count in self.edits.values()),
               "%s takes edits of more than %d lines" % (self.name, lines))
        families = {os.path.splitext(path)[0] for path in self.edits if not path.startswith("tests/")}
        demand(len(families) <= 1, "%s edits more than one family: %s" % (self.name, sorted(families)))


class Copy(TreeCopy):
    def __init__(self, root, work):
        super().__init__(root, work)
        self.additions = [Addition(name) for name in ADDITIONS]

    def new(self):
        return {path: os.path.join(addition.folder, path) for addition in self.additions for path in addition.new}

    def edited(self):
        """The files that the patches edit, edited."""
        with tempfile.TemporaryDirectory() as folder:  # outside of any repository, or git would look into that
            for addition in self.additions:
                for path in addition.edits:
                    os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
                    shutil.copy(os.path.join(self.root, path), os.path.join(folder, path))
                if addition.patch:
                    run("git", "apply", "-C1", addition.patch, cwd=folder)
            return {path: read(os.path.join(folder, path)) for addition in self.additions for path in addition.edits}

    def counts(self):
        for addition in self.additions:
            addition.check(self.root)
        self.bring_up_to_date()
        run(sys.executable, os.path.join(self.tree, "cmake/check_style.py"), self.tree)

    def configured(self):
        self.configure([BACKEND, "cpu", "reference"])

    def made(self):
        self.make("backends", "kvasir", "kvasir-compile", "kvasir-conformance", "kvasir-opt", "test_block_formats",
                  "test_conformance_cases")

    def check_op(self):
        """Its own test, by lit as the tree's tests are run; the kit has a case of it, and no backend's list a line to add."""
        tests = json.loads(run("ctest", "--test-dir", self.build, "--show-only=json-v1", "-R", "^ir$"))["tests"]
        command = [word.replace(os.path.join(self.tree, "tests/ir"), os.path.join(self.tree, "tests/ir/lm/squared_relu.mlir"))
                   if word == os.path.join(self.tree, "tests/ir") else word for word in tests[0]["command"]]
        run(*command)
        run(os.path.join(self.build, "bin/test_conformance_cases"))
        self.kit("cpu", "--fates")

    def kit(self, backend, *options):
        run(os.path.join(self.build, "bin/kvasir-conformance"), "--backend", backend, "--declined",
            os.path.join(self.tree, "backends", backend, "declined.txt"), *options)

    def check_architecture(self):
        """The test that comes with its line: a random model of it against its oracle."""
        said = run("ctest", "--test-dir", self.build, "--no-tests=error", "-R", "^models/random/arcee$")
        demand("100% tests passed" in said, said)

    def random_check(self, *options):
        program = lambda name: os.path.join(self.build, "bin", name)
        return run(os.path.join(self.tree, "build/venv/bin/python"), os.path.join(self.tree, "tests/models/random_check.py"),
                   "--compiler", program("kvasir-compile"), "--kvasir", program("kvasir"), *options)

    def check_backend(self):
        """Its kernel takes the op, as its list says, and passes the kit; a model has reference's bits with it; a model that
        lacks the op runs, too."""
        self.kit(BACKEND, "--fates")
        self.kit(BACKEND, "--only", "squared_relu.")
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "x.gguf")
            run(os.path.join(self.tree, "build/venv/bin/python"), os.path.join(self.tree, "tests/models/random_model.py"),
                source, "--architecture", "arcee")
            compiler, kvasir = (os.path.join(self.build, "bin", name) for name in ("kvasir-compile", "kvasir"))
            fates = json.loads(run(compiler, source, "--backend", BACKEND, "--explain", "--json"))["ops"]
            kernels = {fate["op"]: fate.get("kernel") for fate in fates if "reason" not in fate}
            demand(kernels.get("lm.squared_relu") == BACKEND + ".squared_relu", "the op has no kernel: %s" % kernels)
            bits = []
            for backend in (BACKEND, "reference"):
                made = os.path.join(folder, backend)
                run(compiler, source, "--backend", backend, "-o", made + ".kvasir")
                run(kvasir, "logits", made + ".kvasir", "--ids", "1,2,3,4,5,6,7", "-o", made + ".npy")
                bits.append(read(made + ".npy"))
            demand(bits[0] == bits[1], "the kernel's bits are others than reference's")
        self.random_check("--backend", BACKEND, "--", "--type", "Q4_0")

    def check_format(self):
        """gguf-py's values, bit for bit; and models in it on two backends."""
        run(os.path.join(self.build, "bin/test_block_formats"))
        for options in (["--backend", "reference"], ["--backend", "cpu", "--state", "bf16"]):
            self.random_check(*options, "--", "--type", "TQ2_0", "--width", "256", "--feed-forward", "512")

    def builds(self):
        steps = [self.counts, self.configured, self.made] + [getattr(self, "check_" + name) for name in ADDITIONS]
        for step in steps:
            begin = time.monotonic()
            step()
            print("%s: %.0f s" % (step.__name__, time.monotonic() - begin), flush=True)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("what", choices=["counts", "builds"])
    parser.add_argument("--root", required=True)
    parser.add_argument("--work", required=True)
    args = parser.parse_args()
    getattr(Copy(args.root, args.work), args.what)()


if __name__ == "__main__":
    main()
