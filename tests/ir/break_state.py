#!/usr/bin/env python3
"""Breaks a program's state in every way a slip of the pen could, and asks verify-state to refuse each.

    break_state.py --opt build/release/bin/kvasir-opt [--form NAME=PASSES]... [--printed-by COMMAND]... [FILE.mlir]...

A program is taken in each form, after the passes that kvasir-opt runs first (`looped=`, `unrolled=--unroll-layers
--canonicalize`), and must verify. Then, one at a time, each write of state is removed, repeated and moved below the
attention that needs it; each slot that is attended, or handed on by a return or a yield, is replaced by the old one;
and each loop over state skips its first or its last layer. Every mutant must be refused, with the rule, the function,
the slot, the layers and the rows that its kind of damage has. The last line is a count; the exit code is 1 when a
mutant survived or was refused with other words.
"""
import argparse
import dataclasses
import re
import subprocess
import sys

import programs

WRITE = re.compile(r"^\s*(?P<result>%\S+) = kv\.(?P<op>append|set|write) (?P<slot>%[\w.#-]+)\[(?P<layer>%[\w.#-]+)\]"
                   r".* : !kv\.slot<@(?P<symbol>[\w.$-]+)>")
FUNCTION = re.compile(r"^\s*func\.func (?P<private>private )?@(?P<name>[\w.$-]+)\(")
LOOP = re.compile(r"= kv\.loop (?P<layer>%\S+) = (?P<first>\d+) to (?P<end>\d+) carry\(.*!kv\.slot")
CONSTANT = re.compile(r"^\s*(?P<name>%\S+) = arith\.constant (?P<value>\d+) : index")
NAME = r"[\w.$-]+"
ROWS_OF = r"(rows \[start, start \+ count\) of )?"  # a register has none


@dataclasses.dataclass
class Mutant:
    """A damaged program, and what verify-state must say of it."""
    kind: str
    place: str  # the line that was changed
    text: str
    expected: str  # a regular expression for one of the errors


def renamed(line, old, new):
    """The line with every use of one value replaced by another."""
    return re.sub(re.escape(old) + r"(?![\w#])", new.replace("\\", "\\\\"), line)


def described(layers):
    """The layers as verify-state names them, for a regular expression; None stands for any."""
    if layers is None:
        return r"layers? [\d, -]+"
    if len(layers) == 1:
        return f"layer {layers[0]}"
    return f"layers {layers[0]}-{layers[-1]}"


class Program:
    """A printed module: its lines, and where its functions, loops and writes are."""

    def __init__(self, text):
        self.lines = text.splitlines(keepends=True)
        self.function = {}  # line -> name, or None in a private function: then an entry is to blame
        self.layers = {}  # line of a write -> its layers, or None
        self._scan()

    def _scan(self):
        name, numbers = None, {}
        for i, line in enumerate(self.lines):
            if match := FUNCTION.match(line):
                name, numbers = (None if match["private"] else match["name"]), {}
            if match := CONSTANT.match(line):
                numbers[match["name"]] = [int(match["value"])]
            if match := LOOP.search(line):
                numbers[match["layer"]] = list(range(int(match["first"]), int(match["end"])))
            self.function[i] = name
            if match := WRITE.match(line):
                self.layers[i] = numbers.get(match["layer"])

    def scope(self, i):
        """The lines behind line i that see what it defines: those of its block, which is indented as it is."""
        indent = len(self.lines[i]) - len(self.lines[i].lstrip())
        end = i + 1
        while end < len(self.lines) and self.lines[end].startswith(" " * indent):
            end += 1
        return range(i + 1, end)

    def having(self, i, replacement):
        """The text with line i replaced by some lines."""
        return "".join(self.lines[:i] + replacement + self.lines[i + 1:])

    def without(self, i, old, new):
        """The text without line i, the value that it made replaced by another."""
        scope = self.scope(i)
        lines = [renamed(line, old, new) if j in scope else line for j, line in enumerate(self.lines)]
        return "".join(lines[:i] + lines[i + 1:])

    def entry(self, i):
        """Who is to blame for line i, for a regular expression."""
        return "@" + (re.escape(self.function[i]) if self.function[i] else NAME)

    def rows(self, write):
        symbol = write["symbol"]
        return rf"register @{symbol}" if write["op"] == "set" else rf"rows \[start, start \+ count\) of slot @{symbol}"


def mutants_of_write(program, i, write):
    where = program.entry(i)
    layers = described(program.layers[i])
    rows = program.rows(write)
    yield Mutant("remove", program.lines[i], program.without(i, write["result"], write["slot"]),
                 rf"coverage: {where} returns without writing {rows}, {layers};")
    twice = renamed(program.lines[i], write["result"], "%twice")
    again = re.sub(re.escape(write["slot"]) + r"\[", "%twice[", program.lines[i], count=1)
    yield Mutant("repeat", program.lines[i], program.having(i, [twice, again]),
                 rf"coverage: {where} writes {rows}, {layers}, a second time;")
    for j in program.scope(i):  # the attention that needs these rows
        line, indent = program.lines[j], re.match(r"\s*", program.lines[i])[0]
        if re.match(indent + r"%\S+ = kv\.attend .*" + re.escape(write["result"]) + r"\[", line):
            stale = renamed(line, write["result"], write["slot"])
            yield Mutant("attend the old slot", line, program.having(j, [stale]),
                         rf"linear: {where} uses slot @{write['symbol']} as it was before "
                         rf"rows \[start, start \+ count\) of {layers} were written;")
            moved = [renamed(line, write["result"], write["slot"]) for line in program.lines[i + 1:j + 1]]
            text = "".join(program.lines[:i] + moved + [program.lines[i]] + program.lines[j + 1:])
            yield Mutant("attend first", program.lines[j], text,
                         rf"order: {where} attends slot @{write['symbol']}, {layers}, before this call's rows "
                         r"\[start, start \+ count\) are appended;")
            break


def mutants_of_edges(program, i):
    """A return or a yield that hands on the slot that a write on the way took, not what it made."""
    line = program.lines[i]
    if not re.match(r"^\s*(return|kv\.yield|scf\.yield) .*!kv\.slot", line):
        return
    values, types = line.split(" : ", 1)
    for value in re.findall(r"%[\w.#-]+", values):
        for j in range(i - 1, -1, -1):
            write = WRITE.match(program.lines[j])
            if write and write["result"] == value:
                verb = "returns" if "return" in values else "uses"
                stale = renamed(values, value, write["slot"]) + " : " + types
                yield Mutant("old slot", line, program.having(i, [stale]),
                             rf"linear: {program.entry(i)} {verb} slot @{write['symbol']} as it was before {ROWS_OF}"
                             rf"{described(program.layers[j])} were (written|set);")
                break
            if FUNCTION.match(program.lines[j]):
                break
    if "return" in values and program.function[i]:
        yield from mutants_of_return(program, i, values, types)


def mutants_of_return(program, i, values, types):
    """An entry that returns the slot that it was given."""
    head = next(program.lines[j] for j in range(i, -1, -1) if FUNCTION.match(program.lines[j]))
    given = dict((symbol, value) for value, symbol in re.findall(r"(%\w+): !kv\.slot<@([\w.$-]+)>", head))
    names, kinds = re.findall(r"%[\w.#-]+", values), re.findall(r"(?:[^,<]|<[^>]*>)+", types)
    for value, kind in zip(names, kinds):
        if match := re.search(r"!kv\.slot<@([\w.$-]+)>", kind):
            symbol = match[1]
            yield Mutant("return the argument", program.lines[i],
                         program.having(i, [renamed(values, value, given[symbol]) + " : " + types]),
                         rf"linear: {program.entry(i)} returns slot @{symbol} as it was before "
                         rf"({ROWS_OF}{described(None)} were (written|set)|it was handed on);")


def mutants_of_loop(program, i):
    match = LOOP.search(program.lines[i])
    if not match:
        return
    first, end = int(match["first"]), int(match["end"])
    for bounds, missing in (((first + 1, end), first), ((first, end - 1), end - 1)):
        if bounds[0] >= bounds[1]:
            continue
        line = program.lines[i].replace(f"= {first} to {end} carry", f"= {bounds[0]} to {bounds[1]} carry")
        yield Mutant("skip a layer", program.lines[i], program.having(i, [line]),
                     rf"coverage: {program.entry(i)} returns without writing "
                     rf"(rows \[start, start \+ count\) of slot|register) @{NAME}, layer {missing};")


def mutants(program):
    for i, line in enumerate(program.lines):
        if write := WRITE.match(line):
            yield from mutants_of_write(program, i, write)
        yield from mutants_of_edges(program, i)
        yield from mutants_of_loop(program, i)


def check(opt, form, passes, text):
    """Runs every mutant of one program in one form; returns how many there were, and the complaints."""
    printed = subprocess.run([opt, *passes, "--verify-state", "-"], input=text, capture_output=True, text=True)
    if printed.returncode:
        return 0, [f"{form}: the program itself is refused\n{printed.stderr}"]
    made = list(mutants(Program(printed.stdout)))
    complaints = []
    found, _ = programs.errors_of(opt, ["--verify-state"], [mutant.text for mutant in made])
    for mutant, errors in zip(made, found):
        if any(re.search(mutant.expected, error) for error in errors):
            continue
        said = "\n    ".join(errors) or "nothing: it survived"
        complaints.append("\n  ".join([f"{form}: {mutant.kind}", mutant.place.strip(), f"expected {mutant.expected}",
                                       f"got {said}"]))
    if not any(mutant.kind == "remove" for mutant in made):
        complaints.append(f"{form}: no write of state was found")
    return len(made), complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    programs.add_arguments(parser)
    parser.add_argument("--form", action="append", metavar="NAME=PASSES", help="default: looped and unrolled")
    arguments = parser.parse_args()
    forms = arguments.form or ["looped=", "unrolled=--unroll-layers --canonicalize"]
    total, failures = 0, []
    for source, text in programs.read(arguments):
        for form in forms:
            name, passes = form.split("=", 1)
            number, complaints = check(arguments.opt, f"{source}, {name}", passes.split(), text)
            print(f"{source}, {name}: {number} mutants, {len(complaints)} not refused as they should be")
            total, failures = total + number, failures + complaints
    print("\n".join(failures), file=sys.stderr)
    print(f"{total} mutants, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
