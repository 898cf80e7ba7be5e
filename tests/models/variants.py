"""One file with the code of every machine: the variants that this machine runs give the same bits.

usage: variants.py --compiler BIN --kvasir BIN MODEL.gguf

Compiles the model for all targets of the cpu backend, by activations, and writes the logits of 300 tokens with each
variant (KVASIR_VARIANT), on one thread and on three. A variant whose instructions this machine lacks is refused by name.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np

TARGETS = ("avx512-fma", "avx512-bf16", "avx512-vnni", "avx2-vnni", "avx2")
TOKENS = 300


def logits(kvasir, plugin, variant, threads):
    """[T, V], or None where the machine can't run the variant."""
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        ids = ",".join(str(7 * i % 250) for i in range(TOKENS))
        ran = subprocess.run([kvasir, "logits", plugin, "--ids", ids, "-t", str(threads), "-o", file.name],
                             env={**os.environ, "KVASIR_VARIANT": variant}, stderr=subprocess.PIPE, text=True)
        if ran.returncode:
            expect("lacks CPU features: %s needs " % variant in ran.stderr, ran.stderr)
            return None
        return np.load(file.name)


def expect(condition, message):
    if not condition:
        sys.exit("variants.py: " + message)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--kvasir", required=True)
    parser.add_argument("gguf")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for activations in ("int8", "bf16", "exact"):
            plugin = os.path.join(folder, activations + ".kvasir")
            subprocess.run([args.compiler, args.gguf, "-o", plugin, "--target", ",".join(TARGETS),
                            "--activations", activations], check=True, stderr=subprocess.PIPE)
            expected = logits(args.kvasir, plugin, "avx2", 1)
            expect(expected is not None, "this machine has no AVX2")
            ran = []
            for variant in TARGETS:
                for threads in (1, 3):
                    found = logits(args.kvasir, plugin, variant, threads)
                    if found is None:
                        break
                    expect(found.tobytes() == expected.tobytes(),
                           "%s, %s on %d threads: %d of %d logits are not those of avx2" %
                           (activations, variant, threads, np.sum(found != expected), found.size))
                    ran.append("%s on %d" % (variant, threads))
            print("%s: %d rows are the same bits: %s" % (activations, TOKENS, ", ".join(ran)))


if __name__ == "__main__":
    main()
