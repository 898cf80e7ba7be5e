"""Exports SmolLM2-135M as a stateful Core ML package, with the weights of a GGUF. By hand: CI does not run it.

usage: export_smollm2.py MODEL.gguf OUT.mlpackage [--context S] [--layers L]

Needs a venv of its own, not the project's (3.5 GB; no Mac):
    python3 -m venv VENV && VENV/bin/pip install torch==2.7.0 coremltools==9.0 gguf

The package is what the common recipe gives: Llama as transformers writes it, K and V of all layers in two states
[L, 1, G, S, D] that slices are assigned to, where the mask's width says where the call's rows end, float16, iOS 18.
Two things differ from a naive conversion, as in careful exporters: cosines and sines come from a table, since angles
in float16 are off by 0.02 from position 64 on; and RMSNorm is kept in float32 up to its weight, as transformers has
it, since SmolLM2's activations (up to 25,000) overflow float16 when they are squared.

Shapes: T tokens of a call, S context, L layers, H query heads, G key/value heads, D head width.
"""
import argparse

import coremltools as ct
import gguf
import numpy as np
import torch
from torch import nn

class Shape:
    def __init__(self, reader):
        field = lambda name: reader.fields["llama." + name].contents()
        self.layers, self.width = field("block_count"), field("embedding_length")
        self.heads, self.groups = field("attention.head_count"), field("attention.head_count_kv")
        self.lanes, self.hidden = self.width // self.heads, field("feed_forward_length")
        self.epsilon, self.base = field("attention.layer_norm_rms_epsilon"), field("rope.freq_base")


class Norm(nn.Module):
    def __init__(self, width, epsilon):
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(width)), epsilon

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon))


def rotate_half(x):
    half = x.shape[-1] // 2
    return torch.cat((-x[..., half:], x[..., :half]), dim=-1)


def repeat_heads(x, times):
    batch, groups, rows, lanes = x.shape
    return x[:, :, None].expand(batch, groups, times, rows, lanes).reshape(batch, groups * times, rows, lanes)


class Attention(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.q_proj = nn.Linear(shape.width, shape.heads * shape.lanes, bias=False)
        self.k_proj = nn.Linear(shape.width, shape.groups * shape.lanes, bias=False)
        self.v_proj = nn.Linear(shape.width, shape.groups * shape.lanes, bias=False)
        self.o_proj = nn.Linear(shape.heads * shape.lanes, shape.width, bias=False)

    def forward(self, x, mask, cosine, sine, cache, layer):
        batch, tokens, _ = x.shape
        split = lambda y, heads: y.view(batch, tokens, heads, self.shape.lanes).transpose(1, 2)
        query, key = split(self.q_proj(x), self.shape.heads), split(self.k_proj(x), self.shape.groups)
        value = split(self.v_proj(x), self.shape.groups)
        query, key = (y * cosine + rotate_half(y) * sine for y in (query, key))
        end = mask.shape[-1]
        keys, values = cache.update(layer, key, value, end - tokens, end)
        times = self.shape.heads // self.shape.groups
        attended = nn.functional.scaled_dot_product_attention(
            query, repeat_heads(keys, times), repeat_heads(values, times), attn_mask=mask)
        return self.o_proj(attended.transpose(1, 2).reshape(batch, tokens, -1))


class FeedForward(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.gate_proj = nn.Linear(shape.width, shape.hidden, bias=False)
        self.up_proj = nn.Linear(shape.width, shape.hidden, bias=False)
        self.down_proj = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x):
        return self.down_proj(nn.functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.input_layernorm = Norm(shape.width, shape.epsilon)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = Norm(shape.width, shape.epsilon)
        self.mlp = FeedForward(shape)

    def forward(self, x, *attention):
        x = x + self.self_attn(self.input_layernorm(x), *attention)
        return x + self.mlp(self.post_attention_layernorm(x))


class SliceUpdateCache:
    def __init__(self, shape):
        self.keys, self.values = torch.zeros(shape), torch.zeros(shape)

    def update(self, layer, key, value, begin, end):
        self.keys[layer, :, :, begin:end, :] = key
        self.values[layer, :, :, begin:end, :] = value
        return self.keys[layer, :, :, :end, :], self.values[layer, :, :, :end, :]


class StatefulLlama(nn.Module):
    def __init__(self, shape, vocabulary, context):
        super().__init__()
        self.embed_tokens = nn.Embedding(vocabulary, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.width, shape.epsilon)
        self.lm_head = nn.Linear(shape.width, vocabulary, bias=False)
        self.lm_head.weight = self.embed_tokens.weight
        self.cache = SliceUpdateCache((shape.layers, 1, shape.groups, context, shape.lanes))
        self.register_buffer("keyCache", self.cache.keys)
        self.register_buffer("valueCache", self.cache.values)
        angles = np.outer(np.arange(context), shape.base ** (-np.arange(0, shape.lanes, 2) / shape.lanes))
        for name, f in (("cosines", np.cos), ("sines", np.sin)):
            self.register_buffer(name, torch.tensor(np.tile(f(angles), 2), dtype=torch.float32))

    @torch.no_grad()
    def forward(self, inputIds, causalMask):
        end = causalMask.shape[-1]
        begin = end - inputIds.shape[-1]
        cosine, sine = self.cosines[begin:end], self.sines[begin:end]
        x = self.embed_tokens(inputIds)
        for index, layer in enumerate(self.layers):
            x = layer(x, causalMask, cosine, sine, self.cache, index)
        return self.lm_head(self.norm(x))


def halves(rows, heads):
    """A GGUF of Llama has the lanes that turn together side by side; transformers has them in two halves."""
    return rows.reshape(heads, -1, 2, rows.shape[-1]).swapaxes(1, 2).reshape(rows.shape)


def fill(model, reader, shape):
    tensors = {}
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        tensors[tensor.name] = values.reshape(tensor.shape[::-1]).astype(np.float32)
    assert "output.weight" not in tensors and "rope_freqs.weight" not in tensors

    def take(parameter, name, heads=None):
        values = tensors[name + ".weight"]
        parameter.data = torch.from_numpy(halves(values, heads) if heads else values).contiguous()

    take(model.embed_tokens.weight, "token_embd")
    model.lm_head.weight = model.embed_tokens.weight
    take(model.norm.weight, "output_norm")
    for index, layer in enumerate(model.layers):
        blk = "blk.%d." % index
        take(layer.input_layernorm.weight, blk + "attn_norm")
        take(layer.self_attn.q_proj.weight, blk + "attn_q", shape.heads)
        take(layer.self_attn.k_proj.weight, blk + "attn_k", shape.groups)
        take(layer.self_attn.v_proj.weight, blk + "attn_v")
        take(layer.self_attn.o_proj.weight, blk + "attn_output")
        take(layer.post_attention_layernorm.weight, blk + "ffn_norm")
        take(layer.mlp.gate_proj.weight, blk + "ffn_gate")
        take(layer.mlp.up_proj.weight, blk + "ffn_up")
        take(layer.mlp.down_proj.weight, blk + "ffn_down")


def is_half(op):
    """All but what a norm computes before its weight."""
    made_by = lambda value: value.op.op_type if value.op else None
    if op.op_type == "add":
        return made_by(op.x) != "reduce_mean"
    if op.op_type == "mul":
        return "rsqrt" not in (made_by(op.x), made_by(op.y))
    return op.op_type not in ("pow", "reduce_mean", "rsqrt")


def convert(model, context):
    example = (torch.zeros((1, 2), dtype=torch.int32), torch.zeros((1, 1, 2, 5)))
    traced = torch.jit.trace(model, example, check_trace=False)
    tokens = ct.RangeDim(lower_bound=1, upper_bound=context, default=1)
    end = ct.RangeDim(lower_bound=1, upper_bound=context, default=1)
    half = lambda name, shape: ct.TensorType(name=name, shape=shape, dtype=np.float16)
    states = [ct.StateType(wrapped_type=ct.TensorType(shape=tuple(model.cache.keys.shape), dtype=np.float16), name=name)
              for name in ("keyCache", "valueCache")]
    return ct.convert(traced, inputs=[ct.TensorType(name="inputIds", shape=(1, tokens), dtype=np.int32),
                                      half("causalMask", (1, 1, tokens, end))],
                      outputs=[ct.TensorType(name="logits", dtype=np.float16)], states=states,
                      compute_precision=ct.transform.FP16ComputePrecision(is_half),
                      minimum_deployment_target=ct.target.iOS18, skip_model_load=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--layers", type=int, help="only the first few")
    options = parser.parse_args()
    reader = gguf.GGUFReader(options.model)
    shape = Shape(reader)
    shape.layers = min(shape.layers, options.layers or shape.layers)
    vocabulary = next(t for t in reader.tensors if t.name == "token_embd.weight").shape[1]
    model = StatefulLlama(shape, int(vocabulary), options.context).eval()
    fill(model, reader, shape)
    convert(model, options.context).save(options.out)


if __name__ == "__main__":
    main()
