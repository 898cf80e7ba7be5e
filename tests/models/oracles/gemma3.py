"""What gemma3 does otherwise than gemma2: every sixth layer sees all, layers that slide have rope's usual base, heads of
queries and keys have norms; no caps, usually. Source: transformers, modeling_gemma3.py."""
import oracle
from oracles import gemma2, qwen3


class Oracle(qwen3.Oracle, gemma2.Oracle):
    TURN = 6

    def rope(self, index):
        return (oracle.plain_frequencies(10000.0, self.config.rotated), 1.0) if self.window(index) else super().rope(index)


def vectors(args):
    """Of a random model, those that llama's has not: (name, size, mean) in each layer."""
    return gemma2.vectors(args) + qwen3.vectors(args)


def metadata(args):
    return {"attention.sliding_window": args.window or 50, "rope.freq_base": 1e6}
