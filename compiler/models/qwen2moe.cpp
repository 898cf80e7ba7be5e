// SPDX-License-Identifier: MIT
// The qwen2moe architecture (Qwen 1.5 and 2 MoE): as qwen2, with a mixture of experts in each layer, whose shares are
// of all experts' sum, and an expert that all tokens take, with a share of its own. Source: transformers,
// modeling_qwen2_moe.py; names and defaults of GGUF as in llama.cpp.
#include "compiler/models/architectures.h"
#include "compiler/models/pre_norm_decoder.h"

using namespace mlir;

namespace kvasir {
namespace {

class Qwen2Moe final : public PreNormDecoder {
public:
  Qwen2Moe(const ModelSource &source, MLIRContext *context)
      : PreNormDecoder("qwen2moe", lm::LaneOrder::halves, source, context) {}

private:
  void configure(Configuration &configuration) override;
  FeedForward declareLayerFeedForward(WeightTable &table) override;
  Value feed(Value x, Value layer) override;
  Value takeShare(Value y, Value logit);

  int64_t sharedWidth = 0;
  FeedForward shared;
  Linear sharedRouter;
};

void Qwen2Moe::configure(Configuration &configuration) {
  const int64_t chosen = configuration.count("expert_used_count");
  readMixture(configuration, /*isNormed=*/false, std::max<int64_t>(1, s.feedForward / chosen));
  sharedWidth = configuration.count("expert_shared_feed_forward_length", s.feedForward);
}

Decoder::FeedForward Qwen2Moe::declareLayerFeedForward(WeightTable &table) {
  sharedRouter.weight = table.declare("blk.{}.ffn_gate_inp_shexp.weight", s.layers, {1, s.width});
  shared = declareSharedExpert(table, sharedWidth);
  return declareFeedForward(table);
}

Value Qwen2Moe::feed(Value x, Value layer) {
  Value y = feedForward<lm::SwigluOp>(x, gated, layer);
  Value ofAll = takeShare(feedForward<lm::SwigluOp>(x, shared, layer), linear(x, sharedRouter, layer));
  return add(y, ofAll, "blk.{}.ffn_sum");
}

/// sigmoid(logit) y = y / 2 + tanh(logit / 2) y / 2; y [T, E], logit [T, 1]
Value Qwen2Moe::takeShare(Value y, Value logit) {
  at("blk.{}.ffn_share_tanh");
  Value doubleTanh = b.create<lm::SoftcapOp>(logit.getType(), logit, b.getF32FloatAttr(2));
  Value share = scale(doubleTanh, 0.25f, "blk.{}.ffn_share");
  at("blk.{}.ffn_mix_shexp");
  Value mixed = b.create<lm::MixOp>(y.getType(), y, share);
  return add(scale(y, 0.5f, "blk.{}.ffn_half_shexp"), mixed, "blk.{}.ffn_sum_shexp");
}

} // namespace

ModuleResult qwen2moe::build(const ModelSource &source, MLIRContext *context) {
  return Qwen2Moe(source, context).build();
}

} // namespace kvasir
