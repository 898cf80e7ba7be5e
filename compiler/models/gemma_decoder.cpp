// SPDX-License-Identifier: MIT
#include "compiler/models/gemma_decoder.h"

#include <cmath>

using namespace mlir;

namespace kvasir {

Value GemmaDecoder::embed(Value ids) {
  return scale(lookUp(ids, embedding), std::sqrt(float(s.width)), "embedding_scale");
}

void SlidingGemmaDecoder::configureKinds(Configuration &configuration, int64_t turn, int64_t largest) {
  if (std::optional<int64_t> window = configuration.window(s.context)) {
    s.kinds.push_back({.slots = "_window", .window = window});
    s.turn.clear();
    for (bool slides : configuration.slidingTurn(turn))
      s.turn.push_back(slides ? 1 : 0);
  }
  if (s.layers == largest)
    s.attentionScale = float(1.0 / std::sqrt(double(s.width / s.heads)));
  auto cap = [&](std::string_view name) {
    const double cap = configuration.real(name, 0);
    if (cap < 0)
      configuration.fail("metadata '" + std::string(name) + "' is " + std::to_string(cap) +
                         "; no less than 0 is expected");
    return cap > 0 ? std::optional(float(cap)) : std::nullopt;
  };
  s.scoreCap = cap("attn_logit_softcapping");
  logitCap = cap("final_logit_softcapping");
  if (logitCap)
    s.constants = {*logitCap};
}

Decoder::Attention SlidingGemmaDecoder::declareWeights(WeightTable &table) {
  PreNormDecoder::declareWeights(table);
  afterAttentionNorm = table.declare("blk.{}.post_attention_norm.weight", s.layers, {s.width});
  afterFeedForwardNorm = table.declare("blk.{}.post_ffw_norm.weight", s.layers, {s.width});
  return attention;
}

Value SlidingGemmaDecoder::buildHead(Value x) {
  Value logits = PreNormDecoder::buildHead(x);
  if (!logitCap)
    return logits;
  at("output_cap");
  return b.create<lm::SoftcapOp>(logits.getType(), logits, b.getF32FloatAttr(*logitCap));
}

} // namespace kvasir
