"""The systems that Kvasir is measured beside: where they come from, and their tokens/s on a GGUF file."""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build/peers")
LLAMA_CPP = os.path.join(PEERS, "llama.cpp")
OPENVINO = os.path.join(PEERS, "openvino")
OPENVINO_PACKAGE = "openvino-genai==2026.4.1.0"


def output(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def llama_cpp_tool(name):
    return os.path.join(LLAMA_CPP, "build/bin", name)


def need_llama_cpp():
    output(os.path.join(HERE, "build_llama_cpp.sh"), LLAMA_CPP)


def need_openvino():
    """Whether OpenVINO GenAI is there, in an environment of its own; it is put there if it is not."""
    python = os.path.join(OPENVINO, "bin/python")
    if subprocess.run([python, "-c", "import openvino_genai"], stderr=subprocess.DEVNULL).returncode == 0 \
            if os.path.exists(python) else False:
        return True
    made = subprocess.run([sys.executable, "-m", "venv", OPENVINO]).returncode == 0 and subprocess.run(
        [python, "-m", "pip", "-q", "--disable-pip-version-check", "install", OPENVINO_PACKAGE]).returncode == 0
    if not made:
        print("bench: without OpenVINO GenAI, which pip does not install here", file=sys.stderr)
    return made


def llama_cpp_speed(source, threads, kind, tokens, depth=0, batch=1):
    """Tokens/s of all sequences together; kind: prefill or decode."""
    if batch > 1:
        return llama_cpp_batch_speed(source, threads, tokens, batch)
    prompt, generated = (tokens, 0) if kind == "prefill" else (0, tokens)
    tests = json.loads(output(llama_cpp_tool("llama-bench"), "-m", source, "-t", str(threads), "-p", str(prompt), "-n",
                              str(generated), "-d", str(depth), "-r", "1", "-o", "json", stderr=subprocess.DEVNULL))
    return tests[0]["avg_ts"]


def llama_cpp_batch_speed(source, threads, tokens, batch):
    lines = output(llama_cpp_tool("llama-batched-bench"), "-m", source, "-t", str(threads), "-tb", str(threads),
                   "-c", str(batch * (tokens + 16)), "-npp", "16", "-ntg", str(tokens), "-npl", str(batch),
                   "--output-format", "jsonl", stderr=subprocess.DEVNULL)
    return json.loads(lines.strip().splitlines()[-1])["speed_tg"]


def openvino_speeds(source, threads, prompt=512, generated=128):
    """{"prefill", "decode"} in tokens/s, or {} where OpenVINO can't read the file."""
    done = subprocess.run([os.path.join(OPENVINO, "bin/python"), os.path.join(HERE, "openvino_speed.py"), source,
                           str(threads), str(prompt), str(generated)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(done.stdout) if done.returncode == 0 else {}
