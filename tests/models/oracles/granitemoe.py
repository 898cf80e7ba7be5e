"""What granitemoe does otherwise than granite: each layer has a mixture of experts, and maybe an expert that all tokens
take. Source: transformers, modeling_granitemoe.py and modeling_granitemoeshared.py."""
from oracles import granite
from oracles.granite import metadata  # noqa: F401


class Oracle(granite.Oracle):
    def mixture(self, x, name):
        y = super().mixture(x, name)
        return y + self.shared_expert(x, name) if name + "ffn_up_shexp.weight" in self.weights else y


def experts(args):
    """How many a random model has, if not told."""
    return 8
