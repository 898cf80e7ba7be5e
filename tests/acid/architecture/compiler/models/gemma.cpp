// SPDX-License-Identifier: MIT
// The gemma architecture, first generation: as llama, but embeddings are scaled by the root of their width, rope turns
// the halves of a head, the gate is a GELU; no biases, tied output. Source: Gemma, arXiv 2403.08295; names and defaults
// of GGUF as in llama.cpp, whose converter adds the 1 of RMSNorm's 1 + weight.
#include "compiler/dialects/lm/emit.h"
#include "compiler/models/architectures.h"
#include "compiler/models/decoder.h"

#include <cmath>

using namespace mlir;

namespace kvasir {
namespace {

class Gemma final : public Decoder {
public:
  Gemma(const ModelSource &source, MLIRContext *context) : Decoder("gemma", lm::LaneOrder::halves, source, context) {}

private:
  Attention declareWeights(WeightTable &table) override;
  Value embed(Value ids) override;
  Stream buildLayer(Stream in, Value layer) override;
  Value buildHead(Value x) override { return linear(norm(x, outputNorm, {}), {embedding, {}}, {}); }

  lm::WeightOp embedding, attentionNorm, feedForwardNorm, outputNorm;
  Attention attention;
  FeedForward gated;
};

Decoder::Attention Gemma::declareWeights(WeightTable &table) {
  embedding = table.declare("token_embd.weight", 1, {s.vocabulary, s.width});
  attentionNorm = table.declare("blk.{}.attn_norm.weight", s.layers, {s.width});
  attention = declareAttention(table);
  feedForwardNorm = table.declare("blk.{}.ffn_norm.weight", s.layers, {s.width});
  gated = declareFeedForward(table);
  outputNorm = table.declare("output_norm.weight", 1, {s.width});
  return attention;
}

Value Gemma::embed(Value ids) {
  Value x = lookUp(ids, embedding);
  at("embedding_scale");
  return lm::emitElementwise(b, x, lm::emitEmptyLike(b, x), [&](ImplicitLocOpBuilder &inner, ValueRange v) -> Value {
    return inner.create<arith::MulFOp>(v[0], lm::emitF32(inner, std::sqrt(float(s.width))));
  });
}

Decoder::Stream Gemma::buildLayer(Stream in, Value layer) {
  Stream out = attend({norm(in.x, attentionNorm, layer), in.keys, in.values}, attention, layer);
  out.x = add(in.x, out.x, "blk.{}.attn_residual");
  Value fed = feedForward<lm::GegluOp>(norm(out.x, feedForwardNorm, layer), gated, layer);
  out.x = add(out.x, fed, "blk.{}.ffn_residual");
  return out;
}

} // namespace

ModuleResult gemma::build(const ModelSource &source, MLIRContext *context) { return Gemma(source, context).build(); }

} // namespace kvasir
