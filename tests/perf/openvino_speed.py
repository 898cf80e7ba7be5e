"""OpenVINO GenAI's tokens/s on a GGUF file as one line of JSON.

usage: openvino_speed.py MODEL.gguf THREADS PROMPT_TOKENS GENERATED_TOKENS

Runs in the environment that peers.py makes for it. The second of two runs counts, each with a prompt of its own: the
pipeline keeps what prompts have in common.
"""
import json
import random
import sys

import openvino_genai


def main(source, threads, prompt_tokens, generated_tokens):
    pipeline = openvino_genai.LLMPipeline(source, "CPU", INFERENCE_NUM_THREADS=int(threads))
    config = openvino_genai.GenerationConfig()
    config.max_new_tokens = int(generated_tokens)
    config.ignore_eos, config.do_sample, config.apply_chat_template = True, False, False
    for _ in range(2):
        prompt = " ".join(random.choice(["hello", "world", "cat", "dog"]) for _ in range(int(prompt_tokens) - 1))
        metrics = pipeline.generate([prompt], config).perf_metrics
    print(json.dumps({"prefill": 1e3 * metrics.get_num_input_tokens() / metrics.get_ttft().mean,
                      "decode": 1e3 / metrics.get_tpot().mean}))


if __name__ == "__main__":
    main(*sys.argv[1:])
