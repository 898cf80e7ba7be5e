"""What smollm3 does otherwise than llama: every fourth layer has no rope. Source: transformers, modeling_smollm3.py."""
import oracle


class Oracle(oracle.Oracle):
    def rotate(self, x, positions, index):
        return x if index % 4 == 3 else super().rotate(x, positions, index)
