// SPDX-License-Identifier: MIT
// The arcee architecture (AFM): as llama, but the feed-forward network has no gate, and its activation is the square of
// what is positive. Source: transformers, modeling_arcee.py; names and defaults of GGUF as in llama.cpp.
#include "compiler/models/architectures.h"
#include "compiler/models/pre_norm_decoder.h"

using namespace mlir;

namespace kvasir {
namespace {

class Arcee final : public PreNormDecoder {
public:
  Arcee(const ModelSource &source, MLIRContext *context)
      : PreNormDecoder("arcee", lm::LaneOrder::adjacent, source, context) {}

private:
  FeedForward declareLayerFeedForward(WeightTable &table) override;
  Value feed(Value x, Value layer) override;
};

Decoder::FeedForward Arcee::declareLayerFeedForward(WeightTable &table) {
  return {{},
          declareLinear(table, "ffn_up", s.feedForward, s.width),
          declareLinear(table, "ffn_down", s.width, s.feedForward)};
}

Value Arcee::feed(Value x, Value layer) {
  Value raised = linear(x, gated.up, layer);
  at("blk.{}.ffn_act");
  return linear(b.create<lm::SquaredReluOp>(raised.getType(), raised), gated.down, layer);
}

} // namespace

ModuleResult arcee::build(const ModelSource &source, MLIRContext *context) { return Arcee(source, context).build(); }

} // namespace kvasir
