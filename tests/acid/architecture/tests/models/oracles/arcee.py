"""What arcee does otherwise than llama: the feed-forward network has no gate, and its activation is a squared ReLU.
Source: transformers, modeling_arcee.py."""
import numpy as np

import oracle


class Oracle(oracle.Oracle):
    def feed(self, x, name):
        raised = self.linear(x, name + "ffn_up")
        return self.linear(np.maximum(raised, 0) ** 2, name + "ffn_down")


def absent(args):
    """Of a random model, the matrices that only llama's has."""
    return ["ffn_gate"]
