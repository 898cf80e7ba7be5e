"""Programs for the scripts of this folder, and what kvasir-opt says of many at once."""
import pathlib
import re
import shlex
import subprocess

SPLIT = "// -----\n"


def add_arguments(parser):
    parser.add_argument("--opt", required=True, help="kvasir-opt")
    parser.add_argument("--printed-by", action="append", default=[], metavar="COMMAND", help="it prints a program")
    parser.add_argument("files", nargs="*", help="programs, split by `// -----`")


def read(arguments):
    """(place, text) of each program."""
    programs = [(path, text) for path in arguments.files for text in pathlib.Path(path).read_text().split(SPLIT)]
    for command in arguments.printed_by:
        outcome = subprocess.run(shlex.split(command), stdout=subprocess.PIPE, text=True, check=True)
        programs.append((command, outcome.stdout))
    return programs


def errors_of(opt, passes, texts):
    """The error lines of each text, all run in one process, and the outcome of that."""
    outcome = subprocess.run([opt, "--split-input-file", *passes, "-"], input=SPLIT.join(texts), capture_output=True,
                             text=True)
    begins, line = [], 1
    for text in texts:
        begins.append(line)
        line += text.count("\n") + 1
    errors = [[] for _ in texts]
    for message in outcome.stderr.splitlines():
        # Where a split begins is told to within a line.
        if match := re.search(r"within split at <stdin>:(\d+) offset .*?: error: (.*)", message):
            number = min(range(len(begins)), key=lambda i: abs(begins[i] - int(match[1])))
            errors[number].append(match[2])
    return errors, outcome
