// SPDX-License-Identifier: MIT
// The olmo2 architecture (OLMo 2 and 3): nothing is normed before attention and the feed-forward network, but what they
// make is; an RMSNorm of a token's queries and one of its keys, all heads together; rope on the halves of a head; every
// fourth layer sees all where the file has a window, and only there rope is scaled. Source: OLMo 2, arXiv 2501.00656;
// transformers, modeling_olmo2.py and modeling_olmo3.py; names and defaults of GGUF as in llama.cpp.
#include "compiler/models/architectures.h"
#include "compiler/models/decoder.h"

using namespace mlir;

namespace kvasir {
namespace {

class Olmo2 final : public Decoder {
public:
  Olmo2(const ModelSource &source, MLIRContext *context) : Decoder("olmo2", lm::LaneOrder::halves, source, context) {}

private:
  void configure(Configuration &configuration) override { readWindows(configuration, /*turn=*/4); }
  void readRope(Configuration &configuration) override;
  Attention declareWeights(WeightTable &table) override;
  Value embed(Value ids) override { return lookUp(ids, embedding); }
  Stream buildLayer(Stream in, const Layer &layer) override;
  Value buildHead(Value x) override { return linear(norm(x, outputNorm, {}), output, {}); }

  lm::WeightOp embedding, attentionNorm, feedForwardNorm, outputNorm;
  Attention attention;
  FeedForward gated;
  Linear output;
};

void Olmo2::readRope(Configuration &configuration) {
  Decoder::readRope(configuration);
  const double base = readRopeBase(configuration, "rope.freq_base", 10000.0);
  for (LayerKind &kind : s.kinds)
    if (kind.window)
      kind.rope = plainRopeAngles(readRopeBase(configuration, "rope.freq_base_swa", base), s.rotated);
}

Decoder::Attention Olmo2::declareWeights(WeightTable &table) {
  embedding = table.declare("token_embd.weight", 1, {s.vocabulary, s.width});
  attention = declareNormedAttention(table, NormOf::allHeads);
  attentionNorm = table.declare("blk.{}.post_attention_norm.weight", s.layers, {s.width});
  gated = declareFeedForward(table);
  feedForwardNorm = table.declare("blk.{}.post_ffw_norm.weight", s.layers, {s.width});
  outputNorm = table.declare("output_norm.weight", 1, {s.width});
  output = declareOutput(table, embedding);
  return attention;
}

Decoder::Stream Olmo2::buildLayer(Stream in, const Layer &layer) {
  Value x = in.x;
  Stream out = attend(in, attention, layer);
  x = add(x, norm(out.x, attentionNorm, layer.number), "blk.{}.attn_residual");
  Value fed = feedForward<lm::SwigluOp>(x, gated, layer.number);
  out.x = add(x, norm(fed, feedForwardNorm, layer.number), "blk.{}.ffn_residual");
  return out;
}

} // namespace

ModuleResult olmo2::build(const ModelSource &source, MLIRContext *context) { return Olmo2(source, context).build(); }

} // namespace kvasir
