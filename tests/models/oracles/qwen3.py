"""What qwen3 does otherwise than llama: each head of queries and keys has a norm, and rope turns halves.
Source: transformers, modeling_qwen3.py."""
import oracle


class Oracle(oracle.Oracle):
    TURNS_HALVES = True

    def heads(self, normed, name):
        query, key, value = super().heads(normed, name)
        return self.norm(query, name + "attn_q_norm"), self.norm(key, name + "attn_k_norm"), value


def vectors(args):
    """Of a random model, those that llama's has not: (name, size, mean) in each layer."""
    key_width = args.key_width or args.width // args.heads
    return [("attn_q_norm.weight", key_width, 1), ("attn_k_norm.weight", key_width, 1)]
