// SPDX-License-Identifier: MIT
// The gpt-oss architecture: layers that slide and layers that see all take turns, heads have sinks, each layer has a
// mixture of experts with biases and a clamped gate. Sources: gpt-oss model card, arXiv 2508.10925; names and defaults
// of GGUF as in llama.cpp; transformers, modeling_gpt_oss.py, whose yarn does not round where it begins and ends to mix
// frequencies, as llama.cpp does.
#include "compiler/models/architectures.h"
#include "compiler/models/pre_norm_decoder.h"

using namespace mlir;

namespace kvasir {
namespace {

class GptOss final : public PreNormDecoder {
public:
  GptOss(const ModelSource &source, MLIRContext *context)
      : PreNormDecoder("gpt-oss", lm::LaneOrder::halves, source, context) {}

private:
  void configure(Configuration &configuration) override {
    readWindows(configuration, /*turn=*/2, /*window=*/128);
    readMixture(configuration, /*isNormed=*/true, s.feedForward);
    s.yarn = YarnBounds::exact;
  }
  Attention declareLayerAttention(WeightTable &table) override {
    Attention attention = declareAttention(table);
    attention.sinks = table.declare("blk.{}.attn_sinks.weight", s.layers, {s.heads});
    return attention;
  }
  StringRef feedForwardNormName() const override { return "blk.{}.post_attention_norm.weight"; }
  Value feed(Value x, Value layer) override {
    constexpr float kLimit = 7, kSlope = 1.702f;
    return feedForward<lm::ClampedSwigluOp>(x, gated, layer, b.getF32FloatAttr(kLimit), b.getF32FloatAttr(kSlope));
  }
};

} // namespace

ModuleResult gpt_oss::build(const ModelSource &source, MLIRContext *context) { return GptOss(source, context).build(); }

} // namespace kvasir
