"""What granite does otherwise than llama: embeddings, scores, logits and what is added to a layer's input are scaled.
Source: transformers, modeling_granite.py."""
import oracle


class Oracle(oracle.Oracle):
    def constant(self, name):
        return self.precision(self.config.get(name))

    def embed(self, ids):
        return super().embed(ids) * self.constant("embedding_scale")

    def scale(self):
        return self.constant("attention.scale")

    def after_attention(self, y, name):
        return y * self.constant("residual_scale")

    def after_feed_forward(self, y, name):
        return y * self.constant("residual_scale")

    def head(self, x):
        return super().head(x) / self.constant("logit_scale")


def metadata(args):
    return {"embedding_scale": 12.0, "residual_scale": 0.22, "attention.scale": 0.4, "logit_scale": 8.0}
