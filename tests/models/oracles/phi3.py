"""What phi3 does otherwise than llama: queries, keys and values lie in one tensor, gate and up in another; rope turns halves;
it may have a window. Source: transformers, modeling_phi3.py."""
import numpy as np

import oracle

PARTS = {"attn_qkv": ("attn_q", "attn_k", "attn_v"), "ffn_up": ("ffn_gate", "ffn_up")}


class Oracle(oracle.Oracle):
    TURNS_HALVES = True

    def __init__(self, *args):
        super().__init__(*args)
        c = self.config
        rows = {"attn_qkv": (c.heads * c.key_width, c.key_heads * c.key_width),
                "ffn_up": (c.get("feed_forward_length"),)}
        for index in range(c.layers):
            for whole, names in PARTS.items():
                parts = np.split(self.weights["blk.%d.%s.weight" % (index, whole)], np.cumsum(rows[whole]))
                for name, part in zip(names, parts):
                    self.weights["blk.%d.%s.weight" % (index, name)] = part

    def window(self, index):
        return self.config.get("attention.sliding_window", 0)


def fused(args):
    """Which matrices of a random model lie in one."""
    return PARTS


def metadata(args):
    return {"attention.sliding_window": args.window}
