"""Writes a small random model as GGUF, tokenizer and all: llama's tensors, but for what oracles/ARCHITECTURE.py says.

usage: random_model.py OUT.gguf [--type F32] [--width 64] [--heads 4] [--key-heads 2] [--key-width D]
                       [--feed-forward 128] [--layers 2] [--vocabulary 320] [--context 512] [--biases] [--untied]
                       [--rope none|linear|llama3|yarn|longrope] [--rotated R] [--window 0] [--mixed TYPE,…] [--seed 0]
                       [--architecture llama] [--experts 0] [--chosen 2] [--shared 0]

--type is that of the matrices: F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS MXFP4, and
all that gguf-py quantises to. K-quants and IQ4_XS need widths that 256 divides. With --mixed, layers take that type and
these in turn for ffn_down and attn_v, which Q4_K_M files have in two. Of a mixture each expert is --feed-forward wide;
one that all tokens take is --shared wide.
The vocabulary is the 256 bytes, pairs of letters, an end token, and unused tokens up to its size.
"""
import argparse
import importlib.util

import gguf
import numpy as np

import oracle

# Where a block's f16 scale is; the standard deviation of values at a scale of 1; the min that makes their mean 0.
RANDOM_BLOCKS = {"IQ4_NL": (0, 67.4, None), "IQ4_XS": (0, 18.5 * 67.4, None), "Q2_K": (80, 8.8 * 1.1, 1.5),
                 "Q3_K": (108, 18.5 * 2.3, None), "Q4_K": (0, 36.4 * 4.6, 7.5), "Q5_K": (0, 36.4 * 9.2, 15.5),
                 "Q6_K": (208, 18.5 * 74.0, None)}


def random_blocks(rng, shape, name, deviation):
    """gguf-py can't quantise to these: random codes, scales of the size that the deviation wants."""
    scale_at, unit, min_ratio = RANDOM_BLOCKS[name]
    elements, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    blocks = rng.integers(0, 256, (*shape[:-1], shape[-1] // elements, size), dtype=np.uint8)
    scale = np.full(blocks.shape[:-1] + (1,), deviation / unit, np.float16)
    blocks[..., scale_at:scale_at + 2] = scale.view(np.uint8)
    if min_ratio:  # the scales and mins of the groups are alike, so that each group has a mean of 0
        blocks[..., scale_at + 2:scale_at + 4] = (scale * np.float16(min_ratio)).view(np.uint8)
        nibbles = slice(0, 16) if name == "Q2_K" else slice(12, 16)
        blocks[..., nibbles] = (blocks[..., nibbles] & 15) * 17
        if name != "Q2_K":  # what they have above their nibbles
            blocks[..., 8:12] = blocks[..., 4:8]
    return blocks.reshape(*shape[:-1], -1)


def add_matrix(writer, rng, name, shape, type_name, deviation=None):
    kind = gguf.GGMLQuantizationType[type_name]
    deviation = deviation or shape[-1] ** -0.5
    if type_name in RANDOM_BLOCKS:
        blocks = random_blocks(rng, shape, type_name, deviation)
    else:
        blocks = gguf.quants.quantize((rng.standard_normal(shape) * deviation).astype(np.float32), kind)
    writer.add_tensor(name, blocks, raw_dtype=kind)


def add_vector(writer, rng, name, size, mean, deviation):
    writer.add_tensor(name, (mean + deviation * rng.standard_normal(size)).astype(np.float32))


def add_bias(writer, rng, name, shape):
    writer.add_tensor(name, (0.1 * rng.standard_normal(shape)).astype(np.float32))


def byte_alphabet():
    """GPT-2's printable characters for the 256 bytes."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in kept]
    return {b: chr(b) for b in kept} | {b: chr(256 + i) for i, b in enumerate(others)}


def add_tokenizer(writer, size):
    tokens = [byte_alphabet()[b] for b in range(256)]
    merges = [a + " " + b for a in "etaoin" for b in "srhld"]
    tokens += [m.replace(" ", "") for m in merges] + ["<|end|>"]
    types = [gguf.TokenType.NORMAL] * (len(tokens) - 1) + [gguf.TokenType.CONTROL]
    if size < len(tokens):
        raise SystemExit("the vocabulary needs %d tokens" % len(tokens))
    types += [gguf.TokenType.UNUSED] * (size - len(tokens))
    tokens += ["[unused%d]" % i for i in range(size - len(tokens))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(256 + len(merges))
    writer.add_add_bos_token(False)


def add_rope(writer, rng, args, rotated):
    writer.add_rope_dimension_count(rotated)
    if "rope.freq_base" not in added(args, "metadata"):
        writer.add_rope_freq_base(10000.0)
    if args.rope == "llama3":
        writer.add_tensor("rope_freqs.weight", np.linspace(1, 8, rotated // 2, dtype=np.float32))
    elif args.rope == "longrope":  # trained on a quarter of the context
        writer.add_rope_scaling_orig_ctx_len(args.context // 4)
        writer.add_rope_scaling_attn_factors(1.1)
        writer.add_tensor("rope_factors_long.weight", np.linspace(1, 6, rotated // 2, dtype=np.float32))
        writer.add_tensor("rope_factors_short.weight", np.linspace(1, 1.5, rotated // 2, dtype=np.float32))
    elif args.rope != "none":
        writer.add_rope_scaling_type(gguf.RopeScalingType(args.rope))
        writer.add_rope_scaling_factor(4.0)
        if args.rope == "yarn":
            writer.add_rope_scaling_orig_ctx_len(args.context // 4)


def added(args, what):
    """What the architecture's oracle says in its function `what`, if it has one."""
    name = oracle.module_of(args.architecture)
    found = importlib.util.find_spec(name) and getattr(importlib.import_module(name), what, None)
    return found(args) if found else {}


def add_layer(writer, rng, index, args, key_width):
    name, e = "blk.%d." % index, args.width
    matrices = {"attn_q": (args.heads * key_width, e), "attn_k": (args.key_heads * key_width, e),
                "attn_v": (args.key_heads * key_width, e), "attn_output": (e, args.heads * key_width),
                "ffn_gate": (args.feed_forward, e), "ffn_up": (args.feed_forward, e),
                "ffn_down": (e, args.feed_forward)}
    if args.experts:
        for part in ("gate", "up", "down"):
            matrices["ffn_%s_exps" % part] = (args.experts, *matrices.pop("ffn_" + part))
        add_matrix(writer, rng, name + "ffn_gate_inp.weight", (args.experts, e), "F32", deviation=3 * e ** -0.5)
        if args.biases:
            add_bias(writer, rng, name + "ffn_gate_inp.bias", (args.experts,))
    if args.shared:
        matrices |= {"ffn_gate_shexp": (args.shared, e), "ffn_up_shexp": (args.shared, e),
                     "ffn_down_shexp": (e, args.shared)}
    absent = added(args, "absent")
    for matrix in absent:
        matrices.pop(matrix, None)
    for whole, parts in added(args, "fused").items():
        shapes = [matrices.pop(part) for part in parts]
        matrices[whole] = (sum(rows for rows, _ in shapes), e)
    for vector, size, mean in [("attn_norm.weight", e, 1), ("ffn_norm.weight", e, 1), *added(args, "vectors")]:
        if vector not in absent:
            add_vector(writer, rng, name + added(args, "renamed").get(vector, vector), size, mean, 0.1)
    for matrix, shape in matrices.items():
        is_mixed = args.mixed and matrix in ("ffn_down", "ffn_down_exps", "attn_v")
        types = [args.type, *args.mixed.split(",")] if is_mixed else [args.type]
        add_matrix(writer, rng, name + matrix + ".weight", shape, types[index % len(types)])
        if args.biases:
            add_bias(writer, rng, name + matrix + ".bias", shape[:-1])


def write_model(args):
    rng = np.random.default_rng(args.seed)
    key_width = args.key_width or args.width // args.heads
    writer = gguf.GGUFWriter(args.out, args.architecture)
    writer.add_name("random")
    writer.add_block_count(args.layers)
    writer.add_context_length(args.context)
    writer.add_embedding_length(args.width)
    writer.add_feed_forward_length(args.feed_forward)
    writer.add_head_count(args.heads)
    writer.add_head_count_kv(args.key_heads)
    writer.add_key_length(key_width)
    writer.add_value_length(key_width)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(args.vocabulary)
    if args.experts:
        writer.add_expert_count(args.experts)
        writer.add_expert_used_count(args.chosen)
        writer.add_expert_feed_forward_length(args.feed_forward)
    if args.shared:
        writer.add_expert_shared_feed_forward_length(args.shared)
    for key, value in added(args, "metadata").items():
        (writer.add_uint32 if isinstance(value, int) else writer.add_float32)(args.architecture + "." + key, value)
    add_rope(writer, rng, args, args.rotated or key_width)
    add_tokenizer(writer, args.vocabulary)
    add_matrix(writer, rng, "token_embd.weight", (args.vocabulary, args.width), args.type, deviation=0.5)
    for index in range(args.layers):
        add_layer(writer, rng, index, args, key_width)
    add_vector(writer, rng, "output_norm.weight", args.width, 1, 0.1)
    if args.untied:
        add_matrix(writer, rng, "output.weight", (args.vocabulary, args.width), args.type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("out")
    parser.add_argument("--type", default="F32")
    parser.add_argument("--mixed")
    parser.add_argument("--architecture", default="llama")
    for name, value in (("width", 64), ("heads", 4), ("key-heads", 2), ("key-width", 0), ("feed-forward", 128),
                        ("layers", 2), ("vocabulary", 320), ("context", 512), ("rotated", 0), ("seed", 0),
                        ("window", 0), ("experts", 0), ("chosen", 2), ("shared", 0)):
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--biases", action="store_true")
    parser.add_argument("--untied", action="store_true")
    parser.add_argument("--rope", default="none", choices=["none", "linear", "llama3", "yarn", "longrope"])
    args = parser.parse_args()
    args.experts = args.experts or added(args, "experts") or 0
    args.shared = args.shared or added(args, "shared") or 0
    args.biases = args.biases or added(args, "biases") or False
    write_model(args)


if __name__ == "__main__":
    main()
