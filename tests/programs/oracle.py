"""The programs of this folder in numpy, over whole sequences: no state, no chunks, no blocks.

Each takes token ids [T] and gives (logits [T, V], {slot: [rows [T, G, D] of each layer]}). Weights are read from the file
that the reference backend's plugin is, whose packing is plain. Precision is f32 or f64. Registers afterwards are in
`registers`, as the rows are.
"""
import json
import subprocess

import numpy as np

FREQUENCIES = np.array([1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003])
WINDOW = 40


def read_weights(kvasir, path):
    """Arrays [N, K] or [E] by the names of the source's tensors."""
    about = json.loads(subprocess.run([kvasir, "inspect", "--json", path], check=True, capture_output=True).stdout)
    bytes_, weights = open(path, "rb").read(), {}
    for tensor in about["tensors"]:
        shape = [int(extent) for extent in tensor["type"].split(",")[0].split("x")]
        dtype = {"f16": np.float16, "f32": np.float32}[tensor["layout"]["planes"][0]["element"]]
        for layer in range(tensor["layers"]):
            begin = about["weights"]["offset"] + tensor["offset"] + layer * tensor["stride"]
            values = np.frombuffer(bytes_, dtype, int(np.prod(shape)), begin)
            weights[tensor["name"].replace("{}", str(layer))] = values.reshape(shape)
    return weights


class Oracle:
    def __init__(self, weights, precision):
        self.precision, self.registers = precision, {}
        self.weights = {name: values.astype(precision) for name, values in weights.items()}

    def w(self, name, layer=None):
        return self.weights[(name if layer is None else "blk.%d.%s" % (layer, name)) + ".weight"]

    def norm(self, x, weight):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.precision(1e-5)) * weight

    def heads(self, x, weight):
        return (x @ weight.T).reshape(len(x), -1, 16)

    def rotate(self, x, lanes):
        angles = np.arange(len(x))[:, None, None] * FREQUENCIES
        cosine, sine = np.cos(angles).astype(self.precision), np.sin(angles).astype(self.precision)
        first, second = (np.s_[..., 0::2], np.s_[..., 1::2]) if lanes == "adjacent" else (np.s_[..., :8], np.s_[..., 8:])
        y = np.empty_like(x)
        y[first] = x[first] * cosine - x[second] * sine
        y[second] = x[first] * sine + x[second] * cosine
        return y

    def attend(self, query, keys, values, window=None):
        keys, values = (np.repeat(rows, query.shape[1] // rows.shape[1], axis=1) for rows in (keys, values))
        scores = np.einsum("qhd,khd->hqk", query, keys) * self.precision(0.25)
        behind = np.arange(len(query))[:, None] - np.arange(len(keys))[None, :]
        seen = (behind >= 0) & (behind < (window or len(keys)))
        scores = np.where(seen[None], scores, self.precision(-np.inf))
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        return np.einsum("hqk,khd->qhd", weights, values).reshape(len(query), -1)

    def feed_forward(self, x, layer):
        n = self.norm(x, self.w("ffn_norm", layer))
        gate, up = n @ self.w("ffn_gate", layer).T, n @ self.w("ffn_up", layer).T
        return x + gate / (1 + np.exp(-gate)) * up @ self.w("ffn_down", layer).T

    def head(self, x):
        return self.norm(x, self.w("output_norm")) @ self.w("embed").T

    def llama(self, ids):
        x, rows = self.w("embed")[ids], {"k": [], "v": []}
        for layer in range(6):
            n = self.norm(x, self.w("attn_norm", layer))
            query = self.rotate(self.heads(n, self.w("attn_q", layer)), "adjacent")
            rows["k"].append(self.rotate(self.heads(n, self.w("attn_k", layer)), "adjacent"))
            rows["v"].append(self.heads(n, self.w("attn_v", layer)))
            a = self.attend(query, rows["k"][-1], rows["v"][-1])
            x = self.feed_forward(x + a @ self.w("attn_output", layer).T, layer)
        return self.head(x), rows

    def sliding(self, ids):
        """Layers 0, 1, 3 have near rows, layer 2 full ones; 4 borrows those of 3, 5 those of 2."""
        x, of_layer = self.w("embed")[ids], {}
        for layer in range(6):
            n = self.norm(x, self.w("attn_norm", layer))
            query = self.rotate(self.heads(n, self.w("attn_q", layer)), "halves")
            if layer < 4:
                keys = self.rotate(self.heads(n, self.w("attn_k", layer)), "halves")
                of_layer[layer] = keys, self.heads(n, self.w("attn_v", layer))
            owner = {4: 3, 5: 2}.get(layer, layer)
            a = self.attend(query, *of_layer[owner], window=None if owner == 2 else WINDOW)
            x = self.feed_forward(x + a @ self.w("attn_output", layer).T, layer)
        near = [of_layer[layer] for layer in (0, 1, 3)]
        return self.head(x), {"k_near": [k for k, _ in near], "v_near": [v for _, v in near],
                              "k_full": [of_layer[2][0]], "v_full": [of_layer[2][1]]}

    def recurrent(self, ids):
        x, rows = self.w("embed")[ids], {}
        self.registers = {"past": [], "sum": []}
        for layer in range(3):
            n = self.norm(x, self.w("norm", layer))
            padded = np.concatenate([np.zeros((3, 64), self.precision), n])
            self.registers["past"].append(padded[-3:])
            c = sum(tap * padded[j:j + len(n)] for j, tap in enumerate(self.w("conv", layer)))
            query, keys, values = (self.heads(c, self.w(name, layer)) for name in ("q", "k", "v"))
            if layer == 1:
                rows = {"k": [keys], "v": [values]}
                y = self.attend(query, keys, values)
            else:
                total, y = np.zeros((2, 16, 16), self.precision), np.empty_like(query)
                for t in range(len(ids)):
                    total = self.precision(np.float32(0.9)) * total + keys[t][:, :, None] * values[t][:, None, :]
                    y[t] = np.einsum("gd,gde->ge", query[t], total)
                self.registers["sum"].append(total)
            x = x + y.reshape(len(ids), -1) @ self.w("output", layer).T
        return self.head(x), rows

    def imported(self, ids, stored=lambda rows: rows):
        x, rows = self.w("embed")[ids], {"k": [], "v": []}
        for layer in range(2):
            n = self.norm(x, self.w("norm", layer))
            query = self.rotate(self.heads(n, self.w("q", layer)), "halves")
            rows["k"].append(stored(self.rotate(self.heads(n, self.w("k", layer)), "halves")))
            rows["v"].append(stored(self.heads(n, self.w("v", layer))))
            x = x + self.attend(query, rows["k"][-1], rows["v"][-1]) @ self.w("output", layer).T
        return self.head(x), rows

    imported_position = imported

    def imported_mask(self, ids):
        return self.imported(ids, lambda rows: rows.astype(np.float16).astype(self.precision))
