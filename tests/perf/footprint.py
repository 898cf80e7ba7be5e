"""What SmolLM2 costs beside speed: compile time and memory, code size, first token, memory of a run, branches, files of
conversations; and what compiling and running a random model of 1B parameters does.

usage: footprint.py

Prints a table and exits with 1 when a goal is missed. Times are the best of several runs, with a warm page cache.
"""
import json
import os
import subprocess
import sys
import time

from bench_models import BIN, MODELS, ROOT, SMOLLM2, source
from peers import output as run

MIB = 1 << 20


def anonymous_peak(*command):
    """Seconds and the most anonymous memory in bytes of a program, looked at every 2 ms."""
    begin, peak = time.monotonic(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            try:
                status = open("/proc/%d/status" % process.pid).read()
                peak = max(peak, int(status.split("RssAnon:")[1].split()[0]) * 1024)
            except (IndexError, OSError):
                pass
            time.sleep(0.002)
    if process.returncode:
        sys.exit("%s failed" % command[0])
    return time.monotonic() - begin, peak


def first_byte(*command):
    begin = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.stdout.read(1)
        seconds = time.monotonic() - begin
        process.stdout.read()
    return seconds


def resident_peak(*command):
    """Seconds and the most resident bytes of a program, files that it maps included."""
    begin, pid = time.monotonic(), os.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.execv(command[0], command)
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit("%s failed" % command[0])
    return time.monotonic() - begin, usage.ru_maxrss * 1024


def peak_of_run(kvasir, model, bytes_of_rows):
    """Most resident bytes of a run of 100 tokens over what it is allowed: the file, a block of 128 tokens, 24 MiB."""
    _, peak = resident_peak(kvasir, "run", model, "-p", "Once upon a time", "-n", "100")
    return peak / (os.path.getsize(model) + 128 * bytes_of_rows + 24 * MIB)


def code_size(compiler, layers):
    """Bytes of code of SmolLM2 with that many layers, all matrices in Q4_1."""
    gguf, plugin = (os.path.join(MODELS, "footprint-%s.%s" % (layers, kind)) for kind in ("gguf", "kvasir"))
    if not os.path.exists(gguf):
        run(sys.executable, os.path.join(ROOT, "tests/models/requantise.py"), SMOLLM2, "Q4_1", gguf, layers)
    run(compiler, gguf, "-o", plugin, stderr=subprocess.DEVNULL)
    return json.loads(run(os.path.join(BIN, "kvasir"), "inspect", plugin, "--json"))["image_size"]


def main():
    compiler, kvasir = os.path.join(BIN, "kvasir-compile"), os.path.join(BIN, "kvasir")
    whole, large = os.path.join(MODELS, "footprint.kvasir"), os.path.join(MODELS, "footprint-1B.kvasir")
    times, peaks = zip(*(anonymous_peak(compiler, SMOLLM2, "-o", whole) for _ in range(3)))
    code = [code_size(compiler, layers) for layers in ("30", "2")]
    os.sync()  # else the plugins are being written to the disk meanwhile
    first = min(first_byte(kvasir, "run", whole, "-p", "Once upon a time", "-n", "1") for _ in range(10))
    branch = json.loads(run(os.path.join(BIN, "branch_speed"), whole, "4096"))
    speeds = json.loads(run(os.path.join(BIN, "state_speed"), whole, MODELS, "4096"))
    large_times, large_peaks = zip(*(resident_peak(compiler, source("1B", "Q4_0"), "-o", large) for _ in range(3)))
    rows = [
        ("compile time, s", min(times), 2.5),
        ("anonymous memory of the compiler, MB", max(peaks) / 1e6, 300.0),
        ("generated code, KB", code[0] / 1e3, 400.0),
        ("code of 30 layers over code of 2, difference in %", 100 * abs(code[0] / code[1] - 1), 1.0),
        ("first token after, ms", 1e3 * first, 20.0),
        ("fork of 4096 tokens, us", branch["fork_us"], 50.0),
        ("fork of 4096 tokens, KB", branch["fork_kb"], 64.0),
        ("truncate of 4096 tokens, us", branch["truncate_us"], 10.0),
        ("page cache's copy speed over that of saving a state", speeds["copy"] / speeds["save"], 2.0),
        ("page cache's copy speed over that of loading it", speeds["copy"] / speeds["load"], 2.0),
        ("peak memory of a run over file + state + 24 MB", peak_of_run(kvasir, whole, 2 * 30 * 3 * 64 * 2), 1.0),
        ("1B in Q4_0: compile time, s", min(large_times), 8.0),
        ("1B in Q4_0: peak memory of the compiler over its file", max(large_peaks) / os.path.getsize(large), 1.3),
        ("1B in Q4_0: peak memory of a run over file + state + 24 MB",
         peak_of_run(kvasir, large, 2 * 16 * 8 * 64 * 2), 1.0),
    ]
    print("| SmolLM2-135M Q4_1 | measured | at most |\n|---|---|---|")
    for name, value, limit in rows:
        print("| %s | %.3g | %g |" % (name, value, limit))
    sys.exit(any(value > limit for _, value, limit in rows))


if __name__ == "__main__":
    main()
