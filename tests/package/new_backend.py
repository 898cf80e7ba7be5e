"""A backend from outside the tree, as a stranger writes it.

usage: new_backend.py made      --root TREE --work DIR    three commands lead from nothing to SmolLM2's text
       new_backend.py refused   --root TREE --work DIR    what is no backend, or of another build, is refused by name
       new_backend.py first_op  --root TREE --work DIR    the code in the folder's README is a first op, and works
       new_backend.py second_op --root TREE --work DIR    and with the rest of it a second, which passes the kit

DIR/mychip is made by the first and used by the others.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import time

PROMPT, TEXT = "Once upon a time", ", the city of Nova Haven was a"
LIBRARY = "build/libkvasir-mychip.so"
DECLINES = r"  std::optional<std::string> declines\(.*?\n  \}\n"
NUMERICS = r"  /// Backends of one id [^{]*?kvasir::Numerics numerics\(\)[^\n]*\n\n"


def run(*command, cwd=None, expect=0, env=None):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, **(env or {})})
    if (done.returncode != 0) != (expect != 0):
        sys.exit("%s: exit code %d\n%s%s" % (" ".join(command), done.returncode, done.stdout, done.stderr))
    return done.stdout + done.stderr


def demand(condition, text):
    if not condition:
        sys.exit(text)


class Stranger:
    def __init__(self, root, work):
        self.root, self.folder = root, os.path.join(work, "mychip")
        self.library = os.path.join(self.folder, LIBRARY)
        self.compiler, self.kvasir, self.kit = (os.path.join(root, "build/release/bin", name)
                                                for name in ("kvasir-compile", "kvasir", "kvasir-conformance"))
        self.program = os.path.join(root, "tests/programs/llama.mlir")

    def dev(self, *arguments):
        return run(os.path.join(self.root, "dev"), *arguments)

    def build(self):
        return run("cmake", "--workflow", "--preset", "default", cwd=self.folder)

    def changes(self):
        return run("git", "-C", self.root, "status", "--porcelain")

    def made(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        before, begin = self.changes(), time.monotonic()
        self.dev("new-backend", "mychip", self.folder)
        self.build()
        installed = os.path.join(self.root, "build/installed/bin")
        demand("backend" in run(os.path.join(installed, "kvasir-compile"), "--help"), "the installed compiler says nothing")
        said = self.dev("run", "--backend", self.library, "-p", PROMPT, "-n", "8", "--temp", "0")
        print("%.0f s from nothing to text" % (time.monotonic() - begin))
        demand(TEXT in said, "the text is another: " + said)
        demand(self.changes() == before, "the tree has changed: " + self.changes())
        demand("is there already" in run(os.path.join(self.root, "dev"), "new-backend", "mychip", self.folder, expect=1),
               "a folder that is there was taken")

    def compile(self, output, *arguments, **options):
        return run(self.compiler, self.program, "--random-weights", "1", "-o", output, *arguments, **options)

    def refused(self):
        output, folder = os.path.join(self.folder, "x.kvasir"), os.path.join(self.folder, "build")
        self.compile(output, "--backend-path", folder, "--backend", "mychip")
        self.compile(output, "--backend", "mychip", env={"KVASIR_BACKEND_PATH": "/nowhere:" + folder})
        self.demand_refusal(["--backend", "mychip"], "no backend 'mychip'; there is .*reference in .*kvasir/backends; ")
        self.demand_refusal(["--backend", "other", "--backend-path", folder],
                            "no backend 'other'; there is mychip in %s; .*reference in " % re.escape(folder))
        self.demand_refusal(["--backend", folder + "/libkvasir-other.so"],
                            "no backend at '.*libkvasir-other.so'; there is mychip in " + re.escape(folder))
        self.demand_refusal(["--backend", self.folder + "/README.md"], "README.md' is no backend of Kvasir: ")
        self.demand_refusal(["--backend", os.path.join(self.root, "build/release/lib/libkvasir-compiler.so")],
                            "is no backend of Kvasir: it has no section kvasir.backend")
        self.refuse_another_build()

    def refuse_another_build(self):
        """By the id in the file: another build's would crash, or lack symbols, before it could be asked."""
        own = open(self.library, "rb").read()
        build = re.search(rb"0\.[0-9.]+ \([0-9a-f]{12}\), LLVM [^\0]+", own).group().decode()
        other = build.replace("LLVM 1", "LLVM 2")
        copy = os.path.join(self.folder, "libkvasir-other.so")
        with open(copy, "wb") as file:
            file.write(own.replace(build.encode(), other.encode()).replace(b"_ZN6kvasir7Backend", b"_ZN6kvasir7Gackend"))
        self.demand_refusal(["--backend", copy], re.escape("built for Kvasir '%s', this is '%s'" % (other, build)))

    def demand_refusal(self, arguments, pattern):
        said = self.compile(os.path.join(self.folder, "none.kvasir"), *arguments, expect=1)
        demand(re.search(pattern, said) and said.count("\n") == 1, "%s: expected '%s', not %s" % (arguments, pattern, said))
        demand(not os.path.exists(os.path.join(self.folder, "none.kvasir")), "something was written")

    def read(self, name):
        with open(os.path.join(self.folder, name)) as file:
            return file.read()

    def code(self):
        """The pieces of code that the README shows: two of the first op, and three of the second."""
        blocks = re.findall(r"```cpp\n(.*?)```", self.read("README.md"), re.DOTALL)
        demand(len(blocks) == 5, "the README shows %d pieces of code, not 5" % len(blocks))
        return blocks

    def build_with(self, name, code, *replaced):
        """In a copy of the folder, since others use it: `code` stands in the place of what the first pattern finds."""
        made, self.folder = self.folder, self.folder + "." + name
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(made, self.folder, ignore=shutil.ignore_patterns("build"))
        self.library = os.path.join(self.folder, LIBRARY)
        text = self.read("backend.cpp")
        for pattern in replaced:
            text, count = re.subn(pattern, lambda _: code, text, flags=re.DOTALL)
            demand(count == 1, "backend.cpp has %d of %s" % (count, pattern))
            code = ""
        with open(os.path.join(self.folder, "backend.cpp"), "w") as file:
            file.write(text)
        self.build()

    def first_op(self):
        before = self.logits(os.path.join(self.folder, "build/first"))
        self.build_with("first", "\n".join(self.code()[:2]), DECLINES)
        demand("mychip.swiglu" in self.compile("-", "--backend", self.library, "--emit", "lm"), "there is no kernel")
        demand(self.logits(os.path.join(self.folder, "build/first")) == before, "the first op changes bits")

    def second_op(self):
        _, swiglu, *linear = self.code()
        swiglu = swiglu.replace("emit(", "emitSwiglu(").replace(") const override", ") const")
        self.build_with("second", "\n".join([swiglu, *linear]), DECLINES, NUMERICS)
        declined, model = (os.path.join(self.folder, name) for name in ("declined.txt", "build/second.kvasir"))
        with open(declined, "w") as file:
            file.writelines(re.findall(r"^    ((?:!\(linear|linear)\S+ {2,}\S.*\n)", self.read("README.md"), re.MULTILINE))
        for options in (["--fates"], ["--only", "of_layer.u4"]):
            print(run(self.kit, "--backend", self.library, "--declined", declined, *options))
        run(self.compiler, os.path.join(self.root, "build/models/SmolLM2-135M-Instruct.Q4_1.gguf"), "--backend", self.library,
            "-o", model)
        said = run(self.kvasir, "run", model, "-p", PROMPT, "-n", "8", "--temp", "0")
        demand(TEXT in said, "the text is another: " + said)

    def logits(self, name):
        self.compile(name + ".kvasir", "--backend", self.library)
        run(self.kvasir, "logits", name + ".kvasir", "--ids", "1,2,3,4,5,6,7", "-o", name + ".npy")
        return open(name + ".npy", "rb").read()


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("what", choices=["made", "refused", "first_op", "second_op"])
    parser.add_argument("--root", required=True)
    parser.add_argument("--work", required=True)
    args = parser.parse_args()
    getattr(Stranger(args.root, args.work), args.what)()


main()
