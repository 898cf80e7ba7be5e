// SPDX-License-Identifier: MIT
#include "compiler/models/pre_norm_decoder.h"

using namespace mlir;

namespace kvasir {

Decoder::Attention PreNormDecoder::declareWeights(WeightTable &table) {
  embedding = table.declare("token_embd.weight", 1, {s.vocabulary, s.width});
  attentionNorm = table.declare("blk.{}.attn_norm.weight", s.layers, {s.width});
  attention = declareLayerAttention(table);
  feedForwardNorm = table.declare(feedForwardNormName(), s.layers, {s.width});
  gated = declareLayerFeedForward(table);
  outputNorm = table.declare("output_norm.weight", 1, {s.width});
  output = declareOutput(table, embedding);
  return attention;
}

Decoder::Stream PreNormDecoder::buildLayer(Stream in, const Layer &layer) {
  Value x = in.x;
  in.x = norm(x, attentionNorm, layer.number);
  Stream out = attend(in, attention, layer);
  x = add(x, afterAttention(out.x, layer.number), "blk.{}.attn_residual");
  Value fed = afterFeedForward(feed(norm(x, feedForwardNorm, layer.number), layer.number), layer.number);
  out.x = add(x, fed, "blk.{}.ffn_residual");
  return out;
}

} // namespace kvasir
