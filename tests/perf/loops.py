"""What inner loops of generated kernels cost by LLVM's model of a CPU (llvm-mca), which knows no cache but the first.

usage: kvasir-compile MODEL --target avx512-vnni --activations int8 --emit asm -o model.s
       loops.py model.s [--cpu znver4,sapphirerapids] [--function cpu_panel] [--print .LBB9_10]

A line for each loop that multiplies and adds vectors eight times or more says what is in a turn; one for each CPU
says what a turn takes: `bound` is the busiest unit's cycles, `cycles` are those of the model's scheduler, which may do
worse. Assembly that clang writes (-S) is read, too, to compare with code that is written by hand.

The models err: in LLVM 19 znver4 gives vpdpbusd two cycles instead of one and vdpbf16ps three, which hide what is
beside them; sapphirerapids has one unit instead of two for products of 512 bits. So compare loops of equal products,
and their uops, too.
"""
import argparse
import json
import re
import shutil
import subprocess
import sys

FUNCTION = re.compile(r'^"?([A-Za-z_][\w$.-]*)"?:')
LABEL = re.compile(r"^(\.L[\w$.]+):")
JUMP = re.compile(r"^\s+j\w+\s+(\.L[\w$.]+)")
PRODUCT = re.compile(r"\s+v(pmaddubsw|pmaddwd|pdpbusd|dpbf16ps|fn?m(add|sub)\d+ps)\s")
CONTENTS = (
    ("products", PRODUCT),
    ("loads", re.compile(r"\s(?!prefetch|v?mov\S+\s+%[xyz]mm\d+, -?\w*\().*\(.*\)")),
    ("stores", re.compile(r"\s+v?mov\S+\s+%[xyz]mm\d+, -?\w*\(")),
    ("spilled", re.compile(r"%[xyz]mm.*\(%rsp\)|\(%rsp\).*%[xyz]mm")),
    ("fetches", re.compile(r"\s+prefetch")),
)


def functions(assembly):
    """Name and lines of each."""
    name, lines = None, []
    for line in assembly.splitlines():
        found = FUNCTION.match(line)
        if found:
            if name:
                yield name, lines
            name, lines = found[1], []
        else:
            lines.append(line.split("#")[0].replace("{vex}", ""))  # how AVX-VNNI's instructions are told from AVX-512's
    if name:
        yield name, lines


def inner_loops(lines):
    """Label and instructions of each loop of a function that has no other loop inside."""
    labels = {found[1]: i for i, line in enumerate(lines) if (found := LABEL.match(line))}
    spans = [(labels[found[1]], i) for i, line in enumerate(lines)
             if (found := JUMP.match(line)) and labels.get(found[1], i) < i]
    for first, last in spans:
        if not any(first <= a and b <= last and (a, b) != (first, last) for a, b in spans):
            yield LABEL.match(lines[first])[1], [line for line in lines[first:last + 1] if re.match(r"\s+[a-z]", line)]


def costs(tool, cpu, loops):
    """(cycles, bound, uops) of a turn of each loop."""
    text = ""
    for number, loop in enumerate(loops):
        text += "# LLVM-MCA-BEGIN %d\n%s\n# LLVM-MCA-END %d\n" % (
            number, "\n".join(line for line in loop if not re.match(r"\s+(j\w+|call\w*)\s", line)), number)
    done = subprocess.run([tool, "-mtriple=x86_64", "-mcpu=" + cpu, "-json", "-iterations=200"], input=text, text=True,
                          stdout=subprocess.PIPE, check=True)
    for region in json.loads(done.stdout)["CodeRegions"]:
        view = region["SummaryView"]
        yield view["TotalCycles"] / view["Iterations"], view["BlockRThroughput"], view["TotaluOps"] / view["Iterations"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("assembly")
    parser.add_argument("--cpu", default="znver4,sapphirerapids", help="in LLVM's words")
    parser.add_argument("--function", default="", help="only those whose name matches this expression")
    parser.add_argument("--print", default="", metavar="LABEL", help="print this loop's instructions, too")
    args = parser.parse_args()
    tool = shutil.which("llvm-mca-19") or shutil.which("llvm-mca")
    if not tool:
        sys.exit("loops.py: there is no llvm-mca; it comes with LLVM's command-line tools (package llvm-19)")
    with open(args.assembly) as file:
        assembly = file.read()
    found = [(name, label, loop) for name, lines in functions(assembly) if re.search(args.function, name)
             for label, loop in inner_loops(lines) if sum(map(bool, map(PRODUCT.match, loop))) >= 8]
    if not found:
        sys.exit("loops.py: %s has no loop of products in a function of that name" % args.assembly)
    per_cpu = {cpu: list(costs(tool, cpu, [loop for _, _, loop in found])) for cpu in args.cpu.split(",")}
    for number, (name, label, loop) in enumerate(found):
        counts = {what: sum(bool(expression.search(line)) for line in loop) for what, expression in CONTENTS}
        contents = ", ".join("%d %s" % (n, what) for what, n in counts.items() if n)
        print("%s %s: %d instructions, %s" % (name, label, len(loop), contents))
        for cpu, all_costs in per_cpu.items():
            print("  %-16s %7.1f cycles, bound %6.1f, %6.1f uops" % (cpu, *all_costs[number]))
        if label == args.print:
            print("\n".join(loop))


if __name__ == "__main__":
    main()
