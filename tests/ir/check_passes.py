#!/usr/bin/env python3
"""Runs generic passes over programs, each alone, and compares what the programs do to their state before and after.

    check_passes.py --opt build/release/bin/kvasir-opt [--first PASSES] [--printed-by COMMAND]... FILE.mlir...

The passes are upstream's that could drop, merge or move an op, and ours that run before slots are lowered; then all of
them in one chain, and in the other direction. `--print-state-trace` prints each state op that a call executes, with
slot, layer, and what the rows were made from: the lines before the pass and after it must be the same, and verify-state
must hold after it. Programs are split by `// -----`. The last line is a count; the exit code is 1 when a pass changed
something.
"""
import argparse
import subprocess
import sys

import programs

PASSES = ["--canonicalize", "--cse", "--sccp", "--loop-invariant-code-motion", "--loop-invariant-subset-hoisting",
          "--control-flow-sink", "--symbol-dce", "--inline", "--remove-dead-values", "--topological-sort",
          "--mem2reg", "--sroa", "--scf-for-loop-canonicalization",
          "--scf-for-loop-peeling", "--scf-for-loop-range-folding", "--unroll-layers"]
TRACE = "--print-state-trace"


def compare(opt, first, passes, text):
    """None, or how the state ops differ after the passes."""
    command = [opt, *first, "--verify-state", TRACE, *passes, "--verify-state", TRACE, "-o", "/dev/null", "-"]
    outcome = subprocess.run(command, input=text, capture_output=True, text=True)
    if outcome.returncode:
        return outcome.stderr
    lines = outcome.stdout.splitlines()
    before, after = lines[:len(lines) // 2], lines[len(lines) // 2:]
    if not any(line.startswith("  ") for line in before):
        return "no state op was found"
    if before != after:
        return "\n".join(f"  was {a}, is {b}" for a, b in zip(before, after) if a != b)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    programs.add_arguments(parser)
    parser.add_argument("--first", default="--raise-writes", metavar="PASSES", help="what runs before the first trace")
    arguments = parser.parse_args()
    given = programs.read(arguments)
    total = failures = 0
    for place, text in given:
        # Layers come apart last: canonicalize would join their branches, whose ops then print in another order.
        for passes in [[name] for name in PASSES] + [PASSES, PASSES[-2::-1]]:
            total += 1
            if difference := compare(arguments.opt, arguments.first.split(), passes, text):
                failures += 1
                print(f"{place}, {' '.join(passes)}:\n{difference}", file=sys.stderr)
    print(f"{len(given)} programs, {total} runs of passes, {failures} that changed what happens to state")
    return 1 if failures or not given else 0


if __name__ == "__main__":
    sys.exit(main())
