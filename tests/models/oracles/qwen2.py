"""What qwen2 does otherwise than llama: rope turns halves. Its biases are llama's optional ones.
Source: transformers, modeling_qwen2.py."""
import oracle


class Oracle(oracle.Oracle):
    TURNS_HALVES = True


def vectors(args):
    """Of a random model, those that llama's has not: (name, size, mean) in each layer."""
    key_width = args.key_width or args.width // args.heads
    return [("attn_q.bias", args.heads * key_width, 0), ("attn_k.bias", args.key_heads * key_width, 0),
            ("attn_v.bias", args.key_heads * key_width, 0)]
