"""What gpt-oss does otherwise than llama: rope turns halves; every second layer sees all and the others a window; heads have
sinks; a mixture of experts with biases, whose gate is clamped. Source: transformers, modeling_gpt_oss.py."""
import numpy as np

import oracle


class Oracle(oracle.Oracle):
    IS_YARN_WHOLE = False
    TURNS_HALVES = True
    FEED_NORM = "post_attention_norm"

    def window(self, index):
        return None if index % 2 else self.config.get("attention.sliding_window")

    def sunk(self, largest, index):
        return np.exp(self.weights["blk.%d.attn_sinks.weight" % index][:, None, None] - largest)

    def gated(self, gate, up):
        limit, slope = self.precision(7), self.precision(1.702)
        gate, up = np.minimum(gate, limit), np.clip(up, -limit, limit)
        return gate / (1 + np.exp(-slope * gate)) * (up + 1)


def experts(args):
    """How many a random model has, if not told."""
    return 4


def biases(args):
    """Whether a random model has them, if not told."""
    return True


def vectors(args):
    """Of a random model, those that llama's has not: (name, size, mean) in each layer."""
    return [("attn_sinks.weight", args.heads, 1)]


def renamed(args):
    return {"ffn_norm.weight": "post_attention_norm.weight"}


def metadata(args):
    return {"attention.sliding_window": args.window or 50}
