"""An addition that takes more than it may is found: a file more, a file edited, a line more, another family, a file there is."""
import os
import subprocess
import tempfile
import unittest

import acid

LIST, OTHER = "list.txt", "other.txt"


class Counts(unittest.TestCase):
    def check(self, name, new, edits):
        """Checks an addition to a tree of two files: `new` files, and lines added to `edits`."""
        with tempfile.TemporaryDirectory() as root, tempfile.TemporaryDirectory() as where:
            for path, text in {LIST: "a\nb\n", OTHER: "c\n"}.items():
                self.write(os.path.join(root, path), text)
                self.write(os.path.join(where, "edited", path), text + edits.get(path, ""))
            for path in new:
                self.write(os.path.join(where, name, path), "")
            made = subprocess.run(["git", "diff", "--no-index", "-U1", root, os.path.join(where, "edited")],
                                  capture_output=True, text=True).stdout
            for folder in (root, os.path.join(where, "edited")):
                made = made.replace(folder + "/", "/")
            if made:
                self.write(os.path.join(where, name, acid.PATCH), made)
            acid.Addition(name, where).check(root)

    @staticmethod
    def write(path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def refused(self, name, new, edits, says):
        with self.assertRaises(SystemExit) as caught:
            self.check(name, new, edits)
        self.assertIn(says, str(caught.exception))

    def test_what_may_be(self):
        self.check("architecture", ["x.cpp", "x.py"], {LIST: "x\n"})
        self.check("backend", ["backends/x/a", "backends/x/b"], {})

    def test_too_much(self):
        self.refused("architecture", ["x.cpp", "x.py", "y"], {LIST: "x\n"}, "more than 2 new files")
        self.refused("architecture", ["x.cpp"], {LIST: "x\ny\n"}, "more than 1 lines")
        self.refused("format", ["x.cpp"], {LIST: "x\n", OTHER: "x\n"}, "edits of more than 1 files")
        self.refused("op", ["x.mlir"], {LIST: "x\n", OTHER: "x\n"}, "more than one family")
        self.refused("backend", ["backends/x/a"], {LIST: "x\n"}, "edits of more than 0 files")
        self.refused("backend", ["backends/x/a", "backends/y/a"], {}, "is more than a folder")
        self.refused("op", [LIST], {}, "is there already")


unittest.main()
