"""The f32 oracle: any llama model in GGUF, in numpy, on the dequantised weights; in f64 when asked. What another
architecture does otherwise is in oracles/ARCHITECTURE.py, a class Oracle of its own.

usage: oracle.py MODEL.gguf IDS [N]      prints N (default 1) greedy ids after IDS (comma-separated)

Shapes: T tokens of a call, P tokens held before it, H query heads, G key/value heads, D head width.
Rope follows transformers' modeling_rope_utils.py; that GGUF's llama turns adjacent lanes is the file format's doing.
"""
import importlib
import sys

import gguf
import numpy as np


class Configuration:
    def __init__(self, reader):
        self.fields = reader.fields
        self.architecture = self.fields["general.architecture"].contents()
        self.layers = self.get("block_count")
        self.width = self.get("embedding_length")
        self.heads = self.get("attention.head_count")
        self.key_heads = self.get("attention.head_count_kv", self.heads)
        self.key_width = self.get("attention.key_length", self.width // self.heads)
        self.value_width = self.get("attention.value_length", self.width // self.heads)
        self.epsilon = self.get("attention.layer_norm_rms_epsilon")
        self.rotated = self.get("rope.dimension_count", self.key_width)

    def get(self, name, otherwise=None):
        field = self.fields.get(self.architecture + "." + name)
        if field is None:
            if otherwise is None:
                raise KeyError(self.architecture + "." + name)
            return otherwise
        return field.contents()


def yarn_frequencies(config, frequencies, factor, is_whole):
    base, lanes = config.get("rope.freq_base", 10000.0), config.rotated
    trained = config.get("rope.scaling.original_context_length", config.get("context_length"))

    def pair_of(rotations):
        return lanes * np.log(trained / (rotations * 2 * np.pi)) / (2 * np.log(base))

    low = pair_of(config.get("rope.scaling.yarn_beta_fast", 32.0))
    high = pair_of(config.get("rope.scaling.yarn_beta_slow", 1.0))
    if is_whole:
        low, high = np.floor(low), np.ceil(high)
    low, high = max(low, 0), min(high, lanes - 1)
    ramp = np.clip((np.arange(lanes // 2) - low) / max(high - low, 0.001), 0, 1)
    return frequencies / factor * ramp + frequencies * (1 - ramp)


def plain_frequencies(base, rotated):
    return base ** (-np.arange(0, rotated, 2) / rotated)


def rope_angles(config, weights, is_yarn_whole=True):
    """Frequencies [R / 2] and the factor of cosine and sine."""
    frequencies = plain_frequencies(config.get("rope.freq_base", 10000.0), config.rotated)
    context = config.get("context_length")
    is_long = context > config.get("rope.scaling.original_context_length", context)
    for name in ("rope_freqs.weight", "rope_factors_%s.weight" % ("long" if is_long else "short")):  # llama3, longrope
        if name in weights:
            frequencies = frequencies / weights[name].astype(np.float64)
    factor = config.get("rope.scaling.factor", config.get("rope.scale_linear", 0.0)) or 1.0
    kind = config.get("rope.scaling.type", "linear")
    magnitude = config.get("rope.scaling.attn_factor", 1.0)
    if kind == "linear":
        frequencies = frequencies / factor
    elif kind == "yarn":
        frequencies = yarn_frequencies(config, frequencies, factor, is_yarn_whole)
        magnitude *= 0.1 * np.log(factor) + 1 if factor > 1 else 1.0
    elif kind != "none":
        raise ValueError(kind)
    return frequencies, magnitude


class Oracle:
    """A model; `forward` computes calls of one sequence, `past` holds what was computed before."""

    IS_YARN_WHOLE = True  # yarn begins and ends to mix frequencies at a pair of lanes
    TURNS_HALVES = False  # rope's pairs of lanes are i and i + R / 2, else 2i and 2i + 1

    def __init__(self, path, precision=np.float32):
        reader = gguf.GGUFReader(path)
        self.precision = precision
        self.config = Configuration(reader)
        self.weights = {}
        for tensor in reader.tensors:
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            self.weights[tensor.name] = values.reshape(tensor.shape[::-1]).astype(precision)
        self.frequencies, self.magnitude = rope_angles(self.config, self.weights, self.IS_YARN_WHOLE)

    def embed(self, ids):
        return self.weights["token_embd.weight"][np.asarray(ids)]

    def gated(self, gate, up):
        return gate / (1 + np.exp(-gate)) * up

    NORMS_SHARES = True  # a token's experts have shares of their sum, not of that of all experts

    def mixture(self, x, name):
        """The sum of each token's experts, each times its share."""
        def linear(x, part, expert):
            bias = self.weights.get(name + "ffn_%s_exps.bias" % part)
            y = x @ self.weights[name + "ffn_%s_exps.weight" % part][expert].T
            return y if bias is None else y + bias[expert]

        logits = self.linear(x, name + "ffn_gate_inp")
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        chosen = np.argsort(-logits, axis=-1, kind="stable")[:, :self.config.get("expert_used_count")]
        picked = np.take_along_axis(powers, chosen, -1)
        shares = picked / (picked if self.NORMS_SHARES else powers).sum(-1, keepdims=True)
        y = np.zeros_like(x)
        for expert in range(logits.shape[-1]):
            tokens, places = np.nonzero(chosen == expert)
            rows = x[tokens]
            gated = self.gated(linear(rows, "gate", expert), linear(rows, "up", expert))
            y[tokens] += shares[tokens, places][:, None] * linear(gated, "down", expert)
        return y

    def shared_expert(self, x, name):
        """What the expert makes that all tokens take."""
        gate, up = self.linear(x, name + "ffn_gate_shexp"), self.linear(x, name + "ffn_up_shexp")
        return self.linear(self.gated(gate, up), name + "ffn_down_shexp")

    def feed(self, x, name):
        if name + "ffn_gate_inp.weight" in self.weights:
            return self.mixture(x, name)
        gate, up = self.linear(x, name + "ffn_gate"), self.linear(x, name + "ffn_up")
        return self.linear(self.gated(gate, up), name + "ffn_down")

    def norm(self, x, name):
        mean = (x * x).mean(-1, keepdims=True) + self.precision(self.config.epsilon)
        return x / np.sqrt(mean) * self.weights[name + ".weight"]

    def linear(self, x, name):
        y = x @ self.weights[name + ".weight"].T
        bias = self.weights.get(name + ".bias")
        return y if bias is None else y + bias

    def rope(self, index):
        """Frequencies [R / 2] of layer `index`, and the factor of cosine and sine."""
        return self.frequencies, self.magnitude

    def rotate(self, x, positions, index):
        """Heads x [T, H, D] of layer `index`."""
        frequencies, magnitude = self.rope(index)
        angles = positions[:, None, None] * frequencies
        cosine, sine = ((magnitude * f(angles)).astype(self.precision) for f in (np.cos, np.sin))
        rotated = self.config.rotated
        lanes = np.arange(rotated).reshape((2, -1) if self.TURNS_HALVES else (-1, 2))
        first, second = lanes if self.TURNS_HALVES else lanes.T
        y = x.copy()
        y[..., first] = x[..., first] * cosine - x[..., second] * sine
        y[..., second] = x[..., first] * sine + x[..., second] * cosine
        return y

    def heads(self, normed, name):
        """Queries, keys and values [T, heads, D] of a layer, before rope."""
        c = self.config
        return (self.linear(normed, name + "attn_q").reshape(-1, c.heads, c.key_width),
                self.linear(normed, name + "attn_k").reshape(-1, c.key_heads, c.key_width),
                self.linear(normed, name + "attn_v").reshape(-1, c.key_heads, c.value_width))

    def scale(self):
        return self.precision(1 / np.sqrt(self.config.key_width))

    def scores(self, query, keys):
        return np.einsum("qhd,khd->hqk", query, keys) * self.scale()

    def window(self, index):
        """How many rows a token sees in layer `index`; None for all."""
        return None

    def attend(self, query, keys, values, first, index):
        c = self.config
        keys, values = (np.repeat(rows, c.heads // c.key_heads, axis=1) for rows in (keys, values))
        scores = self.scores(query, keys)
        age = first + np.arange(len(query))[:, None] - np.arange(len(keys))[None, :]
        seen = (age >= 0) & (age < (self.window(index) or len(keys)))
        scores = np.where(seen[None], scores, self.precision(-np.inf))
        largest = scores.max(-1, keepdims=True)
        weights = np.exp(scores - largest)
        weights /= weights.sum(-1, keepdims=True) + self.sunk(largest, index)
        return np.einsum("hqk,khd->qhd", weights, values).reshape(len(query), -1)

    def sunk(self, largest, index):
        """What is added to the sum of e^(score - largest) [H, T, 1] in layer `index`."""
        return 0

    FEED_NORM = "ffn_norm"

    def layer(self, x, index, positions, past):
        name = "blk.%d." % index
        normed = self.norm(x, name + "attn_norm")
        query, key, value = self.heads(normed, name)
        query, key = self.rotate(query, positions, index), self.rotate(key, positions, index)
        if past is not None:
            key, value = np.concatenate([past[0], key]), np.concatenate([past[1], value])
        attended = self.linear(self.attend(query, key, value, positions[0], index), name + "attn_output")
        x = x + self.after_attention(attended, name)
        return x + self.after_feed_forward(self.feed(self.norm(x, name + self.FEED_NORM), name), name), (key, value)

    def after_attention(self, y, name):
        """What is added to the layer's input of what attention made."""
        return y

    def after_feed_forward(self, y, name):
        return y

    def head(self, x):
        return self.linear(x, "output" if "output.weight" in self.weights else "token_embd")

    def forward(self, ids, past=None):
        """Logits [T, V], and the rows of all layers: [(keys [P + T, G, D], values)] to be given as `past` next time."""
        first = 0 if past is None else len(past[0][0])
        positions = np.arange(first, first + len(ids))
        x, rows = self.embed(ids), []
        for index in range(self.config.layers):
            x, row = self.layer(x, index, positions, None if past is None else past[index])
            rows.append(row)
        return self.head(self.norm(x, "output_norm")), rows


def module_of(architecture):
    return "oracles." + architecture.replace("-", "_")


def of(path, precision=np.float32):
    """The oracle of the file's architecture."""
    architecture = Configuration(gguf.GGUFReader(path)).architecture
    module = sys.modules[__name__] if architecture == "llama" else importlib.import_module(module_of(architecture))
    return module.Oracle(path, precision)


def logits(path, ids):
    """Logits [T, V] of one sequence from its beginning."""
    return Oracle(path).forward(ids)[0]


def main(path, ids, count):
    model, past, given = Oracle(path), None, [int(i) for i in ids.split(",")]
    for _ in range(count):
        rows, past = model.forward(given, past)
        given = [int(rows[-1].argmax())]
        print(given[0], end=",", flush=True)
    print()


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) == 4 else 1)
