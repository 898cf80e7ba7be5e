// SPDX-License-Identifier: MIT
// The granite architecture, dense: as llama, with embeddings, scores, logits and what is added to a layer's input
// scaled. Source: Granite 3.0 Language Models, and transformers, modeling_granite.py; names and defaults of GGUF as in
// llama.cpp.
#include "compiler/models/architectures.h"
#include "compiler/models/pre_norm_decoder.h"

using namespace mlir;

namespace kvasir {
namespace {

class Granite final : public PreNormDecoder {
public:
  Granite(const ModelSource &source, MLIRContext *context)
      : PreNormDecoder("granite", lm::LaneOrder::adjacent, source, context) {}

private:
  void configure(Configuration &configuration) override;
  Value embed(Value ids) override { return scale(PreNormDecoder::embed(ids), embeddingScale, "embedding_scale"); }
  Value afterAttention(Value y, Value) override { return scale(y, residualScale, "blk.{}.attn_scale"); }
  Value afterFeedForward(Value y, Value) override { return scale(y, residualScale, "blk.{}.ffn_scale"); }
  Value buildHead(Value x) override { return scale(PreNormDecoder::buildHead(x), logitScale, "output_scale"); }

  float embeddingScale = 1, residualScale = 1, logitScale = 1;
};

void Granite::configure(Configuration &configuration) {
  embeddingScale = float(configuration.real("embedding_scale", 1.0));
  residualScale = float(configuration.real("residual_scale", 1.0));
  s.attentionScale = float(configuration.real("attention.scale", double(s.attentionScale)));
  const double divisor = configuration.real("logit_scale");
  if (divisor == 0)
    configuration.fail("metadata 'granite.logit_scale' is 0; another number is expected");
  logitScale = float(1 / divisor);
  s.constants = {embeddingScale, residualScale, logitScale};
  s.kinds.front().isRotated = configuration.flag("rope.scaling.finetuned", true);
}

} // namespace

ModuleResult granite::build(const ModelSource &source, MLIRContext *context) {
  return Granite(source, context).build();
}

} // namespace kvasir
