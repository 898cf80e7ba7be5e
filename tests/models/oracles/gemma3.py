"""What gemma3 does otherwise than gemma2: every sixth layer sees all, layers that slide have rope's usual base, heads of
queries and keys have norms; no caps, usually. Source: transformers, modeling_gemma3.py."""
import oracle
from oracles import gemma2, qwen3


class Oracle(gemma2.Oracle):
    TURN = 6

    def rotate(self, x, positions, index):
        whole = self.frequencies, self.magnitude
        if self.window(index):
            self.frequencies, self.magnitude = oracle.plain_frequencies(10000.0, self.config.rotated), 1.0
        turned = super().rotate(x, positions, index)
        self.frequencies, self.magnitude = whole
        return turned

    def heads(self, normed, name):
        query, key, value = super().heads(normed, name)
        return self.norm(query, name + "attn_q_norm"), self.norm(key, name + "attn_k_norm"), value


def vectors(args):
    """Of a random model, those that llama's has not: (name, size, mean) in each layer."""
    return gemma2.vectors(args) + qwen3.vectors(args)


def metadata(args):
    return {"attention.sliding_window": args.window or 50, "rope.freq_base": 1e6}
