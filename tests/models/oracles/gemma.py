"""What gemma does otherwise than llama: embeddings are scaled, rope turns halves, the gate is a GELU. RMSNorm's 1 + weight
is in the file's weights already. Source: transformers, modeling_gemma.py."""
import numpy as np

import oracle


class Oracle(oracle.Oracle):
    TURNS_HALVES = True

    def embed(self, ids):
        return super().embed(ids) * self.precision(np.sqrt(np.float32(self.config.width)))

    def gated(self, gate, up):
        inner = np.sqrt(2 / np.pi) * (gate + 0.044715 * gate ** 3)
        return (0.5 * gate * (1 + np.tanh(inner)) * up).astype(self.precision)
