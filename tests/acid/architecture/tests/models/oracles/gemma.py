"""What gemma does otherwise than llama: embeddings are scaled, rope turns halves, the gate is a GELU. RMSNorm's 1 + weight
is in the file's weights already. Source: transformers, modeling_gemma.py."""
import numpy as np

import oracle


class Oracle(oracle.Oracle):
    def embed(self, ids):
        return super().embed(ids) * self.precision(np.sqrt(np.float32(self.config.width)))

    def rotate(self, x, positions):
        angles = positions[:, None, None] * self.frequencies
        cosine, sine = ((self.magnitude * f(angles)).astype(self.precision) for f in (np.cos, np.sin))
        pairs = self.config.rotated // 2
        first, second = x[..., :pairs], x[..., pairs:2 * pairs]
        turned = [first * cosine - second * sine, first * sine + second * cosine, x[..., 2 * pairs:]]
        return np.concatenate(turned, -1)

    def gated(self, gate, up):
        inner = np.sqrt(2 / np.pi) * (gate + 0.044715 * gate ** 3)
        return (0.5 * gate * (1 + np.tanh(inner)) * up).astype(self.precision)
