// SPDX-License-Identifier: MIT
#include "compiler/models/gemma_decoder.h"

#include <cmath>

using namespace mlir;

namespace kvasir {

Value GemmaDecoder::embed(Value ids) {
  return scale(lookUp(ids, embedding), std::sqrt(float(s.width)), "embedding_scale");
}

void SlidingGemmaDecoder::configureKinds(Configuration &configuration, const Usual &usual) {
  readWindows(configuration, usual.turn, usual.window);
  if (s.layers == usual.largest)
    s.attentionScale = float(1.0 / std::sqrt(std::max(1.0, double(s.width / s.heads))));
  auto cap = [&](std::string_view name, double otherwise) {
    const double cap = configuration.real(name, otherwise);
    if (cap < 0)
      configuration.fail("metadata '" + std::string(name) + "' is " + std::to_string(cap) +
                         "; no less than 0 is expected");
    return cap > 0 ? std::optional(float(cap)) : std::nullopt;
  };
  s.scoreCap = cap("attn_logit_softcapping", usual.scoreCap);
  logitCap = cap("final_logit_softcapping", usual.logitCap);
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
