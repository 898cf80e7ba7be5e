"""What gemma2 does otherwise than gemma: every second layer sees all and the others a window; scores and logits are
capped; there are norms behind attention and behind the feed-forward network. Source: transformers, modeling_gemma2.py."""
import numpy as np

from oracles import gemma


class Oracle(gemma.Oracle):
    TURN = 2

    def window(self, index):
        return None if index % self.TURN == self.TURN - 1 else self.config.get("attention.sliding_window")

    def capped(self, x, name):
        cap = self.precision(self.config.get(name, 0))
        return cap * np.tanh(x / cap) if cap else x

    def scores(self, query, keys):
        return self.capped(super().scores(query, keys), "attn_logit_softcapping")

    def after_attention(self, y, name):
        return self.norm(y, name + "post_attention_norm")

    def after_feed_forward(self, y, name):
        return self.norm(y, name + "post_ffw_norm")

    def head(self, x):
        return self.capped(super().head(x), "final_logit_softcapping")


def vectors(args):
    """Of a random model, those that llama's has not: (name, size, mean) in each layer."""
    return [("post_attention_norm.weight", args.width, 1), ("post_ffw_norm.weight", args.width, 1)]


def metadata(args):
    return {"attention.sliding_window": args.window or 50, "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 5.0}
