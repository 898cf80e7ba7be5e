"""A copy of the tree to change and to build, beside the tree's own release build."""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def run(*command, cwd=None):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit("%s: exit code %d\n%s%s" % (" ".join(command), done.returncode, done.stdout, done.stderr))
    return done.stdout


def demand(condition, text):
    if not condition:
        sys.exit(text)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def files_below(folder):
    return sorted(os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names)


class TreeCopy:
    """WORK/tree is ROOT's files, with what a derived class adds and edits. It is kept: a second run builds what has changed."""

    def __init__(self, root, work):
        self.root, self.tree = os.path.abspath(root), os.path.join(os.path.abspath(work), "tree")
        self.build = os.path.join(self.tree, "build/release")

    def new(self):
        """Files that ROOT has not: path in the tree, file."""
        return {}

    def edited(self):
        """Files that are others than ROOT's: path in the tree, content."""
        return {}

    def bring_up_to_date(self):
        tracked = run("git", "-C", self.root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")[:-1]
        wanted = {path: os.path.join(self.root, path) for path in tracked if os.path.exists(os.path.join(self.root, path))}
        wanted |= self.new()
        edited = self.edited()
        for path, source in wanted.items():
            self.write(path, edited.get(path) or read(source))
            shutil.copymode(source, os.path.join(self.tree, path))
        for path in files_below(self.tree):
            if path not in wanted and not path.startswith("build/"):
                os.remove(os.path.join(self.tree, path))

    def write(self, path, content):
        """Leaves a file alone that has this content already."""
        target = os.path.join(self.tree, path)
        if not os.path.exists(target) or read(target) != content:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(content)

    def configure(self, backends):
        os.makedirs(self.build, exist_ok=True)
        for name in ("models", "venv"):
            link = os.path.join(self.tree, "build", name)
            if not os.path.lexists(link):
                os.symlink(os.path.join(self.root, "build", name), link)
        reuse, known = os.path.join(HERE, "reuse.py"), os.path.join(self.build, "known.json")
        run(sys.executable, reuse, "known", self.root, known)
        launcher = ";".join((sys.executable, reuse, "as", self.root, self.tree, known))
        run("cmake", "--preset", "release", "-DKVASIR_BACKENDS=" + ";".join(backends), "-DKVASIR_CCACHE=OFF",
            "-DCMAKE_C_COMPILER_LAUNCHER=" + launcher, "-DCMAKE_CXX_COMPILER_LAUNCHER=" + launcher, cwd=self.tree)

    def make(self, *targets):
        run("ninja", "-C", self.build, *targets)
