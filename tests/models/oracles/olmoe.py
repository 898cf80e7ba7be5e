"""What olmoe does otherwise than llama: each layer has a mixture of experts, whose shares are of all experts' sum;
queries and keys have norms of all heads together; rope turns halves. Source: transformers, modeling_olmoe.py."""
from oracles import olmo2
from oracles.olmo2 import head_norms as vectors  # noqa: F401


class Oracle(olmo2.NormedHeads):
    NORMS_SHARES = False


def experts(args):
    """How many a random model has, if not told."""
    return 8
