#!/usr/bin/env python3
"""Checks the rules about the tree that a compiler can't: a line of code knows its room.

usage: check_style.py [ROOT]      prints one line a finding (file:line: rule: what), exits with 1 if there is any

  architecture  no name of a model architecture outside compiler/models
  backend       no name of a backend outside backends/<name>
  arrow         includes point one way: runtime -> plugins <- backends -> compiler; MLIR only in the last two
  includes      what a folder's README says: "May include `a`, `b/c.h` and what these include.", paths from the root;
                the next README above that has such a sentence counts, and what lies below it may always be included
  length        a file has at most 400 lines, in backends/<name> and compiler/passes/codegen 600
  width         a line of C or C++ has at most 120 columns, as .clang-format says
  file          C and C++ begin with the licence; no utils.h
  stranger      nothing names a path outside the repository; no notes to self

Comments are not code, and neither are READMEs and tests for the first two.
"""
import os
import re
import subprocess
import sys

ARCHITECTURES = ("arcee bert falcon gemma gemma2 gemma3 gpt2 gptneox granite llama llama4 mamba mistral mixtral mpt olmo "
                 "phi phi3 qwen qwen2 qwen3 smollm3 starcoder starcoder2 t5").split()

# (file, name): why. A tokenizer's kinds have the names of the models that had them first.
NAMES_ALLOWED = {
    ("plugins/pretokenizers.cpp", "*"): "names of pre-tokenizers",
    ("plugins/vocabulary_writer.cpp", "*"): "names of tokenizer models",
    ("compiler/driver/options.h", "cpu"): "the default of --backend, which --help shows",
    ("compiler/mutate/options.h", "reference"): "the default of --backend, which --help shows",
    ("cmake/check_style.py", "*"): "this list",
}

# file: lines. Tables of data, and nothing else.
LENGTHS_ALLOWED = {}

# room: what it may not include.
MLIR = ("mlir/", "llvm/", "llvm-c/", "lld/", "clang/")
ARROWS = {
    "plugins": ("runtime/", "compiler/", "backends/") + MLIR,
    "runtime": ("compiler/", "backends/") + MLIR,
    "compiler": ("runtime/",),
    "backends": ("runtime/",),
}

CODE = (".c", ".cpp", ".h", ".hpp", ".td", ".inc")
BUILD = (".cmake", "CMakeLists.txt", ".py")
COMMENTS = {
    ".td": r"//[^\n]*|\[\{.*?\}\]",
    "code": r"//[^\n]*|/\*.*?\*/",
    "build": r"#[^\n]*|\"\"\".*?\"\"\"",
}
STRING = r'"(?:[^"\\\n]|\\.)*"'


def tracked_files(root):
    """Paths of the files that git tracks, or of all files where there is no git."""
    listed = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        paths = [path for path in listed.stdout.split("\0") if path]
    else:
        paths = [os.path.relpath(os.path.join(folder, name), root)
                 for folder, _, names in os.walk(root) for name in names]
    return sorted(path for path in paths
                  if os.path.isfile(os.path.join(root, path)) and not path.startswith(("build/", ".git/")))


def without_comments(path, text):
    """The text with comments blanked, lines and strings kept."""
    kind = ".td" if path.endswith(".td") else "code" if path.endswith(CODE) else "build"
    pattern = re.compile(f"(?P<string>{STRING})|{COMMENTS[kind]}", re.DOTALL)
    if kind == "build":  # a docstring begins like a string
        pattern = re.compile(f"{COMMENTS[kind]}|(?P<string>{STRING})", re.DOTALL)
    return pattern.sub(lambda match: match.group("string") or re.sub(r"[^\n]", " ", match.group()), text)


def words(line):
    """The words of all identifiers and strings, lower case: LlamaModel, kv_llama -> llama, model, kv."""
    split = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", line)
    return [word.lower() for word in re.findall(r"[A-Za-z][A-Za-z0-9]*", split.replace("_", " "))]


# The one arrow from backend to backend: the first is built on the library of the second.
STANDS_ON = {("onednn", "cpu")}


def is_allowed(path, name):
    return (path, "*") in NAMES_ALLOWED or (path, name) in NAMES_ALLOWED


def check_architecture(path, code, _):
    if path.startswith(("compiler/models/", "tests/")):
        return
    for number, line in enumerate(code, 1):
        for word in words(line):
            if word in ARCHITECTURES and not is_allowed(path, word):
                yield number, f"'{word}' is an architecture; only compiler/models knows it"


def check_backend(path, code, backends):
    if path.startswith("tests/"):
        return
    for number, line in enumerate(code, 1):
        for name in backends:
            if path.startswith(f"backends/{name}/") or is_allowed(path, name):
                continue
            if any(path.startswith(f"backends/{above}/") for above, below in STANDS_ON if below == name):
                continue
            if re.search(rf'"{name}"|backends/{name}\b|\bkvasir[_:]+(backend_)?{name}\b', line):
                yield number, f"'{name}' is a backend; only backends/{name} knows it"


def check_arrow(path, code, _):
    forbidden = ARROWS.get(path.split("/")[0], ())
    for number, line in enumerate(code, 1):
        match = re.match(r'\s*#\s*include\s*[<"]([^>"]*)[>"]', line)
        if match and match.group(1).startswith(forbidden):
            yield number, f"includes {match.group(1)}; {path.split('/')[0]} may not"


HEADERS = (".h", ".hpp", ".td", ".inc")
MAY_INCLUDE = re.compile(r"(?i:may include):?\s((?:`[^`]*`|[^`.;])*)[.;]")
INCLUDE = re.compile(r'\s*#?\s*include\s*[<"]([^>"]*)[>"]')


class IncludeRules:
    """What READMEs say that the files of their folders may include."""

    def __init__(self, root, files):
        self.headers = {path: path for path in files if path.endswith(HEADERS)}  # as they are included: path
        self.headers |= {path.rpartition("/include/")[2]: path for path in self.headers if "/include/" in path}
        self.rules = {}  # folder: (line, what, and what that may include)
        folders = {path.rsplit("/", depth)[0] for path in files for depth in range(1, path.count("/") + 1)}
        self.known = set(files) | folders
        for path in files:
            if path.endswith("/README.md"):
                with open(os.path.join(root, path), encoding="utf-8") as file:
                    text = file.read()
                said = MAY_INCLUDE.search(text)
                if said:
                    names = re.findall("`([^`]*)`", said.group(1))
                    names = tuple(self.headers.get(name, name.rstrip("/")) for name in names)
                    is_open = re.search("what (these|that) includes?", said.group(1)) is not None
                    self.rules[os.path.dirname(path)] = (text.count("\n", 0, said.start()) + 1, names, is_open)

    def folder_of(self, path):
        """The next folder above that has a rule, or None."""
        folder = os.path.dirname(path)
        while folder and folder not in self.rules:
            folder = os.path.dirname(folder)
        return folder or None

    def allowed(self, folder, seen=()):
        """Paths of all that may be included."""
        _, names, is_open = self.rules[folder]
        yield folder
        for name in names:
            yield name
            below = self.folder_of(name + "/")
            if is_open and below and below not in seen:
                yield from self.allowed(below, (*seen, folder))

    def check(self, path, code):
        folder = self.folder_of(path)
        if path.endswith("/README.md") and os.path.dirname(path) in self.rules:
            line, names, _ = self.rules[folder]
            yield from ((line, f"allows '{name}', which is not there") for name in names if name not in self.known)
        if not folder or not path.endswith(CODE):
            return
        allowed = tuple(self.allowed(folder))
        for number, line in enumerate(code, 1):
            match = INCLUDE.match(line)
            header = self.headers.get(match.group(1)) if match else None
            if header and not any(header == name or header.startswith(name + "/") for name in allowed):
                yield number, f"includes {match.group(1)}, which {folder}/README.md does not allow"


def check_length(path, code, _):
    emitters = re.match(r"backends/[^/]+/|compiler/passes/codegen/", path)
    limit = LENGTHS_ALLOWED.get(path, 600 if emitters else 400)
    if len(code) > limit:
        yield limit + 1, f"has {len(code)} lines, at most {limit} are allowed: split it, or list it with a reason"


def check_width(path, text):
    if not path.endswith((".c", ".cpp", ".h", ".hpp")):
        return
    text = re.sub(r'R"(\w*)\(.*?\)\1"', lambda raw: re.sub(r"[^\n]", "", raw.group()), text, flags=re.DOTALL)
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > 120:
            yield number, f"has {len(line)} columns, at most 120 are allowed (.clang-format)"


def check_file(path, text):
    if path.endswith((".c", ".cpp", ".h", ".hpp")) and "SPDX-License-Identifier: MIT" not in text.split("\n")[0]:
        yield 1, "does not begin with // SPDX-License-Identifier: MIT"
    if re.fullmatch(r"(utils?|helpers?|misc|common)\.(h|cpp|hpp)", os.path.basename(path)):
        yield 1, "its name says nothing: find the noun"


def check_stranger(path, text):
    for number, line in enumerate(text.split("\n"), 1):
        if re.search(r"(?<![\w.])/work/|\.\./shared\b", line):
            yield number, "names a path outside the repository"
        if re.search(r"\b(TODO|FIXME|XXX)\b", line):
            yield number, "has a note to self: do it, or file an issue"


def check_tree(root):
    """Yields (path, line, rule, message) for each finding."""
    files = tracked_files(root)
    includes = IncludeRules(root, files)
    backends = sorted({path.split("/")[1] for path in files if re.match(r"backends/[^/]+/CMakeLists\.txt$", path)})
    for path in files:
        if not path.endswith(CODE + BUILD + (".md",)) and path not in ("dev", ".ci/run"):
            continue
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
            text = file.read()
        if path != "cmake/check_style.py" and not path.endswith("check_style_test.py"):
            yield from ((path, number, "stranger", message) for number, message in check_stranger(path, text))
        code = without_comments(path, text).rstrip("\n").split("\n")
        yield from ((path, number, "includes", message) for number, message in includes.check(path, code))
        if not path.endswith(CODE + BUILD):
            continue
        for rule in (check_architecture, check_backend, check_arrow, check_length):
            name = rule.__name__.removeprefix("check_")
            yield from ((path, number, name, message) for number, message in rule(path, code, backends))
        yield from ((path, number, "width", message) for number, message in check_width(path, text))
        yield from ((path, number, "file", message) for number, message in check_file(path, text))


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    findings = list(check_tree(root))
    for path, number, rule, message in findings:
        print(f"{path}:{number}: {rule}: {message}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
