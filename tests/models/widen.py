"""A llama model made wider by zeros, so that 256 divides every row of its matrices and K-quants can hold them.

It computes what it did: new lanes of the residual stream are always 0, norms take their mean over more lanes and have
weights and epsilon for that; each key head gets further query heads, whose results the output projection multiplies by 0.
"""
import numpy as np

BLOCK = 256


def grown(values, axis, size):
    widths = [(0, 0)] * values.ndim
    widths[axis] = (0, size - values.shape[axis])
    return np.pad(values, widths)


class Wider:
    def __init__(self, config):
        self.config = config
        self.width = -(-config.width // BLOCK) * BLOCK
        per_key_head = -(-config.heads // config.key_heads)
        while config.key_heads * per_key_head * config.key_width % BLOCK:
            per_key_head += 1
        self.heads = config.key_heads * per_key_head

    def metadata(self):
        c = self.config
        assert self.heads * c.key_width == self.width, "heads would be of another width"
        changed = {"embedding_length": self.width, "attention.head_count": self.heads,
                   "attention.layer_norm_rms_epsilon": c.epsilon * c.width / self.width}
        return {c.architecture + "." + name: value for name, value in changed.items()}

    def by_heads(self, values):
        """Rows of query heads [H D, ...], with rows of zeros for the new heads of each key head."""
        c = self.config
        rows = values.reshape(c.key_heads, c.heads // c.key_heads * c.key_width, -1)
        return grown(rows, 1, self.heads // c.key_heads * c.key_width).reshape(self.heads * c.key_width, -1)

    def tensor(self, name, values):
        if values.ndim == 1:
            return grown(values * np.float32(np.sqrt(self.config.width / self.width)), 0, self.width)
        if name.endswith("attn_q.weight"):
            values = self.by_heads(values)
        if name.endswith("attn_output.weight"):
            return grown(self.by_heads(values.T).T, 0, self.width)
        return grown(values, 0 if name.endswith("ffn_down.weight") else 1, self.width)
