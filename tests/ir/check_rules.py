#!/usr/bin/env python3
"""Takes each rule of verify-state away in turn, and asks for a program that only this rule refuses.

    check_rules.py --opt build/release/bin/kvasir-opt [--readme README.md [--write]] FILE.mlir...

The files hold programs that are refused, split by `// -----`. The rules are those that `kvasir-opt --verify-state=list`
prints. For each, verify-state runs over all programs without it; one that was refused must then be accepted. A rule
for which there is none has no test, and the exit code is 1. With --readme, the table between the two marks of that
file must be the rules, what they say and the program that needs each; --write puts it there.
"""
import argparse
import pathlib
import re
import subprocess
import sys

import programs

BEGIN, END = "<!-- rules: tests/ir/check_rules.py --write -->\n", "<!-- end of rules -->\n"


def place_of(path, text):
    """A program is called after its first entry."""
    entries = re.search(r"kv\.schema @[\w.$-]+ entries \[(?:@([\w.$-]+))?", text)
    return f"{pathlib.Path(path).name} @{(entries and entries[1]) or 'no entry'}"


def refused(opt, texts, options=""):
    """The programs that have an error: their numbers, and the families of the rules that they break."""
    passes = ["--allow-unregistered-dialect", "--raise-writes", f"--verify-state={options}"]
    errors, outcome = programs.errors_of(opt, passes, texts)
    if outcome.returncode not in (0, 1):
        sys.exit(f"{' '.join(outcome.args)} ended with {outcome.returncode}\n{outcome.stderr[-2000:]}")
    found = {}
    for number, lines in enumerate(errors):
        for line in lines:
            if family := re.match(r"\w+", line):
                found.setdefault(number, set()).add(family[0])
    return found


def table_of(rules, tests):
    lines = ["| rule | it says | what is refused; what to do | test |\n", "|---|---|---|---|\n"]
    for (name, meaning, sentence, remedy), test in zip(rules, tests):
        lines.append(f"| `{name}` | {meaning} | {sentence}; {remedy} | {test} |\n")
    return "".join(lines)


def check_readme(path, table, write):
    text = path.read_text()
    before, rest = text.split(BEGIN)
    old, after = rest.split(END)
    if old == table:
        return True
    if write:
        path.write_text(before + BEGIN + table + END + after)
        return True
    print(f"{path}: the table of rules is not that of rules.def and the tests; run check_rules.py with --write")
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    programs.add_arguments(parser)
    parser.add_argument("--readme", type=pathlib.Path, help="a file with the table of rules")
    parser.add_argument("--write", action="store_true", help="write the table")
    arguments = parser.parse_args()
    listed = subprocess.run([arguments.opt, "--verify-state=list", "-o", "/dev/null", "-"], input="", check=True,
                            stdout=subprocess.PIPE, text=True)
    rules = [line.split("\t") for line in listed.stdout.splitlines() if "\t" in line]
    places, texts = zip(*[(place_of(path, text), text) for path, text in programs.read(arguments)])
    before = refused(arguments.opt, texts)
    tests, untested = [], []
    for name, *_ in rules:
        family = name.split("/")[0]
        alone = [number for number, families in before.items() if families == {family}]
        after = refused(arguments.opt, [texts[number] for number in alone], f"disable={name}") if alone else {}
        needing = [places[number] for i, number in enumerate(alone) if i not in after]
        tests.append(needing[0] if needing else "")
        if not needing:
            untested.append(name)
    for name in untested:
        print(f"{name}: no program is refused by this rule alone")
    print(f"{len(rules)} rules, {len(before)} programs that are refused, {len(untested)} rules without a test")
    isWritten = not arguments.readme or check_readme(arguments.readme, table_of(rules, tests), arguments.write)
    return 0 if rules and not untested and isWritten else 1


if __name__ == "__main__":
    sys.exit(main())
