"""Asserts that the row map costs at most 2.5 times the calls that it watches, in prefill and in decode of SmolLM2.

usage: audit.py [MODEL.kvasir]      the first run of each audited call is the plain call, so both are measured at once
"""
import json
import os
import subprocess
import sys

from bench_models import BIN, compiled
from rounds import median

KVASIR = os.path.join(BIN, "kvasir")
LIMIT = 2.5


def audited_calls(model, tokens, chunk):
    """The watched calls of `tokens` made-up tokens in calls of `chunk`, without what the audit adds behind the prompt."""
    ids = ",".join(str(100 + 37 * i % 4000) for i in range(tokens))
    out = subprocess.run([KVASIR, "audit", model, "--ids", ids, "--chunk", str(chunk), "--checks", "rows", "--json"],
                         check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out)["calls"][:(tokens + chunk - 1) // chunk]


def main():
    model = sys.argv[1] if len(sys.argv) > 1 else compiled("SmolLM2", "Q4_1")
    missed = 0
    for name, tokens, chunk, rounds in (("prefill 512", 512, 512, 5), ("decode, 256 tokens", 256, 1, 1)):
        calls = [[call] for _ in range(rounds) for call in audited_calls(model, tokens, chunk)]
        ratio = median(calls, lambda call: call["seconds"] / call["plain_seconds"])
        missed += ratio > LIMIT
        print("row map of %-18s %.2f times the plain calls (at most %.1f)" % (name, ratio, LIMIT), flush=True)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
