"""Each rule of cmake/check_style.py finds what it forbids, and lets pass what it allows."""
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LICENCE = "// SPDX-License-Identifier: MIT\n"


def findings(files):
    """The checker's lines on a tree of these files, with a backend of the name `cpu`."""
    with tempfile.TemporaryDirectory() as tree:
        for path, text in {"backends/cpu/CMakeLists.txt": "", **files}.items():
            os.makedirs(os.path.dirname(os.path.join(tree, path)) or tree, exist_ok=True)
            with open(os.path.join(tree, path), "w", encoding="utf-8") as file:
                file.write(text)
        done = subprocess.run([sys.executable, os.path.join(ROOT, "cmake", "check_style.py"), tree],
                              capture_output=True, text=True)
        lines = done.stdout.splitlines()
        assert done.returncode == (1 if lines else 0), done.stderr
        return lines


class CheckStyle(unittest.TestCase):
    def expect(self, path, line, begins):
        found = findings({path: LICENCE + line})
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(f"{path}:{begins}"), found)

    def allow(self, path, line):
        self.assertEqual(findings({path: LICENCE + line}), [])

    def test_architecture(self):
        self.expect("compiler/passes/a.cpp", 'if (name == "llama")', "2: architecture: 'llama'")
        self.expect("runtime/a.h", "class QwenModel;", "2: architecture: 'qwen'")
        self.allow("compiler/models/a.cpp", 'build("llama")')
        self.allow("compiler/passes/a.cpp", "// as in llama: /* gemma */")
        self.allow("compiler/passes/a.cpp", 'scaling == "llama3"')
        self.allow("tests/unit/a.cpp", '"llama"')

    def test_backend(self):
        self.expect("compiler/passes/a.cpp", 'make("cpu")', "2: backend: 'cpu'")
        self.expect("compiler/passes/a.cpp", '#include "backends/cpu/panels.h"', "2: backend: 'cpu'")
        self.allow("backends/cpu/a.cpp", 'make("cpu")')
        self.allow("backends/onednn/a.cpp", '#include "backends/cpu/panels.h"')
        self.allow("compiler/passes/a.cpp", "cpuFeatures(cpu);")

    def test_arrow(self):
        self.expect("runtime/a.h", '#include "mlir/IR/Builders.h"', "2: arrow: includes mlir/")
        self.expect("plugins/a.cpp", "#include <llvm/ADT/Twine.h>", "2: arrow: includes llvm/")
        self.expect("plugins/a.cpp", '#include "runtime/state/state.h"', "2: arrow: includes runtime/")
        self.expect("compiler/a.cpp", '#include "runtime/state/state.h"', "2: arrow: includes runtime/")
        self.allow("compiler/a.cpp", '#include "mlir/IR/Builders.h"')
        self.allow("runtime/a.cpp", '#include "plugins/layout.h"')

    def test_includes(self):
        rule = "May include `runtime/b/b.h`, `plugins/` and `kvasir/x.h`; see `nowhere`. Others don't."
        tree = {"runtime/a/README.md": "# a\n\n" + rule, "runtime/b/README.md": "May include: `runtime/c`.",
                **{name: LICENCE for name in ("runtime/a/a.h", "runtime/b/b.h", "runtime/b/d.h", "runtime/c/c.h",
                                              "plugins/p.h", "runtime/include/kvasir/x.h")}}

        def check(path, line, files=None):
            return findings({**tree, **(files or {}), path: LICENCE + line})

        for allowed in ("runtime/a/a.h", "runtime/b/b.h", "plugins/p.h", "kvasir/x.h", "sys/mman.h"):
            self.assertEqual(check("runtime/a/a.cpp", f'#include "{allowed}"'), [])
        forbidden = "runtime/a/deep/a.cpp:2: includes: includes runtime/b/d.h, which runtime/a/README.md does not allow"
        self.assertEqual(check("runtime/a/deep/a.cpp", '#include "runtime/b/d.h"'), [forbidden])
        self.assertEqual(len(check("runtime/a/a.cpp", '#include "runtime/c/c.h"')), 1)
        self.assertEqual(check("runtime/e/a.cpp", '#include "runtime/c/c.h"'), [])
        self.assertEqual(check("runtime/a/a.cpp", '// #include "runtime/c/c.h"'), [])
        more = {"runtime/a/README.md": "May include `runtime/b` and what that includes."}
        self.assertEqual(check("runtime/a/a.cpp", '#include "runtime/c/c.h"', more), [])
        stale = {"runtime/a/README.md": "# a\n\nMay include: `runtime/gone`."}
        self.assertEqual(check("runtime/a/a.cpp", "", stale),
                         ["runtime/a/README.md:3: includes: allows 'runtime/gone', which is not there"])

    def test_length(self):
        self.expect("compiler/a.cpp", "int a;\n" * 400, "401: length: has 401 lines")
        self.allow("compiler/a.cpp", "int a;\n" * 399)
        self.allow("backends/cpu/emit.cpp", "int a;\n" * 599)

    def test_width(self):
        self.expect("runtime/a.cpp", "// " + "ä" * 118, "2: width: has 121 columns")
        self.allow("runtime/a.cpp", "// " + "ä" * 117)
        self.allow("runtime/a.cpp", 'auto program = R"(' + "a" * 200 + ')";')

    def test_file(self):
        self.assertEqual(len(findings({"runtime/a.cpp": "int a;\n"})), 1)
        self.expect("runtime/utils.h", "", "1: file: its name says nothing")

    def test_stranger(self):
        self.expect("runtime/a.cpp", 'open("/work/x");', "2: stranger: names a path")
        self.expect("runtime/a.cpp", "// TODO: later", "2: stranger: has a note")
        self.allow("runtime/a.cpp", 'open("net/work/x");')


if __name__ == "__main__":
    unittest.main()
