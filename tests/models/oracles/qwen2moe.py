"""What qwen2moe does otherwise than qwen2: each layer has a mixture of experts, whose shares are of all experts' sum, and an
expert that all tokens take, with a share of its own. Source: transformers, modeling_qwen2_moe.py."""
import numpy as np

from oracles import qwen2


class Oracle(qwen2.Oracle):
    NORMS_SHARES = False

    def mixture(self, x, name):
        logit = x @ self.weights[name + "ffn_gate_inp_shexp.weight"][:, None]
        return super().mixture(x, name) + self.shared_expert(x, name) / (1 + np.exp(-logit))


def experts(args):
    """How many a random model has, if not told."""
    return 8


def shared(args):
    """How wide the expert is that all tokens take, if not told."""
    return 96


def vectors(args):
    """Of a random model, those that llama's has not: (name, size, mean) in each layer."""
    return qwen2.vectors(args) + [("ffn_gate_inp_shexp.weight", args.width, 0)]
