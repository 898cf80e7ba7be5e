"""What qwen3moe does otherwise than qwen3: each layer has a mixture of experts.
Source: transformers, modeling_qwen3_moe.py."""
from oracles.qwen3 import Oracle, vectors  # noqa: F401


def experts(args):
    """How many a random model has, if not told."""
    return 8
