// SPDX-License-Identifier: MIT
// The llama architecture: RMSNorm, rope on adjacent lanes, grouped-query attention, SwiGLU; llama 1 to 3, mistral,
// SmolLM and others. Biases and a separate output are optional. Source: Touvron et al., LLaMA, arXiv 2302.13971;
// names and defaults of GGUF as in llama.cpp.
#include "compiler/models/architectures.h"
#include "compiler/models/decoder.h"

using namespace mlir;

namespace kvasir {
namespace {

class Llama final : public Decoder {
public:
  Llama(const ModelSource &source, MLIRContext *context) : Decoder("llama", lm::LaneOrder::adjacent, source, context) {}

private:
  void check(Configuration &configuration) override {
    if (configuration.contains("expert_count") && configuration.count("expert_count") > 1)
      configuration.fail("the model is a mixture of experts, which is not built yet");
  }

  Attention declareWeights(WeightTable &table) override;
  Value embed(Value ids) override { return lookUp(ids, embedding); }
  Stream buildLayer(Stream in, Value layer) override;
  Value buildHead(Value x) override { return linear(norm(x, outputNorm, {}), output, {}); }

  lm::WeightOp embedding, attentionNorm, feedForwardNorm, outputNorm;
  Attention attention;
  FeedForward gated;
  Linear output;
};

Decoder::Attention Llama::declareWeights(WeightTable &table) {
  embedding = table.declare("token_embd.weight", 1, {s.vocabulary, s.width});
  attentionNorm = table.declare("blk.{}.attn_norm.weight", s.layers, {s.width});
  attention = declareAttention(table);
  feedForwardNorm = table.declare("blk.{}.ffn_norm.weight", s.layers, {s.width});
  gated = declareFeedForward(table);
  outputNorm = table.declare("output_norm.weight", 1, {s.width});
  output = {table.declareIfPresent("output.weight", 1, {s.vocabulary, s.width}),
            table.declareIfPresent("output.bias", 1, {s.vocabulary})};
  if (!output.weight) // tied
    output.weight = embedding;
  return attention;
}

Decoder::Stream Llama::buildLayer(Stream in, Value layer) {
  Stream out = attend({norm(in.x, attentionNorm, layer), in.keys, in.values}, attention, layer);
  out.x = add(in.x, out.x, "blk.{}.attn_residual");
  Value fed = feedForward<lm::SwigluOp>(norm(out.x, feedForwardNorm, layer), gated, layer);
  out.x = add(out.x, fed, "blk.{}.ffn_residual");
  return out;
}

} // namespace

ModuleResult llama::build(const ModelSource &source, MLIRContext *context) { return Llama(source, context).build(); }

} // namespace kvasir
