"""What olmo2 does otherwise than llama: no norms before attention and feed-forward network, but behind them; queries and
keys have norms of all heads together; rope turns halves; every fourth layer sees all where there is a window, and only
there rope is scaled. Source: transformers, modeling_olmo2.py and modeling_olmo3.py."""
import oracle


class NormedHeads(oracle.Oracle):
    TURNS_HALVES = True

    def heads(self, normed, name):
        query, key, value = super().heads(normed, name)
        rows = len(normed)
        normed_query = self.norm(query.reshape(rows, -1), name + "attn_q_norm")
        normed_key = self.norm(key.reshape(rows, -1), name + "attn_k_norm")
        return normed_query.reshape(query.shape), normed_key.reshape(key.shape), value


class Oracle(NormedHeads):
    def window(self, index):
        return None if index % 4 == 3 else self.config.get("attention.sliding_window", 0)

    def rope(self, index):
        if self.window(index):
            return oracle.plain_frequencies(self.config.get("rope.freq_base"), self.config.rotated), 1.0
        return super().rope(index)

    def norm(self, x, name):
        return x if name + ".weight" not in self.weights else super().norm(x, name)

    def after_attention(self, y, name):
        return self.norm(y, name + "post_attention_norm")

    def after_feed_forward(self, y, name):
        return self.norm(y, name + "post_ffw_norm")


def head_norms(args):
    key_width = args.key_width or args.width // args.heads
    return [("attn_q_norm.weight", args.heads * key_width, 1), ("attn_k_norm.weight", args.key_heads * key_width, 1)]


def vectors(args):
    """Of a random model, those that llama's has not: (name, size, mean) in each layer."""
    return head_norms(args) + [("post_attention_norm.weight", args.width, 1), ("post_ffw_norm.weight", args.width, 1)]


def absent(args):
    """And what it has not."""
    return ["attn_norm.weight", "ffn_norm.weight"]


def metadata(args):
    return {"attention.sliding_window": args.window}
