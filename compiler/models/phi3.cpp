// SPDX-License-Identifier: MIT
// The phi3 architecture (Phi-3 and Phi-4, dense): as llama, with rope on the halves of a head (longrope's factors for
// long contexts, on some models on a part of a head), maybe a window, and queries, keys and values in one tensor, gate
// and up in another. Source: Phi-3 Technical Report, arXiv 2404.14219; names and defaults of GGUF as in llama.cpp,
// which leaves the window out.
#include "compiler/models/architectures.h"
#include "compiler/models/pre_norm_decoder.h"

using namespace mlir;

namespace kvasir {
namespace {

class Phi3 final : public PreNormDecoder {
public:
  Phi3(const ModelSource &source, MLIRContext *context)
      : PreNormDecoder("phi3", lm::LaneOrder::halves, source, context) {}

private:
  void configure(Configuration &configuration) override { s.kinds.front().window = configuration.window(s.context); }
  Attention declareLayerAttention(WeightTable &table) override;
  FeedForward declareLayerFeedForward(WeightTable &table) override;
};

Decoder::Attention Phi3::declareLayerAttention(WeightTable &table) {
  auto parts = table.declareParts("blk.{}.attn_qkv.weight", s.layers, s.width,
                                  {{"blk.{}.attn_q.weight", s.heads * s.keyWidth},
                                   {"blk.{}.attn_k.weight", s.keyHeads * s.keyWidth},
                                   {"blk.{}.attn_v.weight", s.keyHeads * s.valueWidth}});
  return {{parts[0], {}},
          {parts[1], {}},
          {parts[2], {}},
          declareLinear(table, "attn_output", s.width, s.heads * s.valueWidth)};
}

Decoder::FeedForward Phi3::declareLayerFeedForward(WeightTable &table) {
  auto parts = table.declareParts("blk.{}.ffn_up.weight", s.layers, s.width,
                                  {{"blk.{}.ffn_gate.weight", s.feedForward}, {"blk.{}.ffn_up.weight", s.feedForward}});
  return {{parts[0], {}}, {parts[1], {}}, declareLinear(table, "ffn_down", s.width, s.feedForward)};
}

} // namespace

ModuleResult phi3::build(const ModelSource &source, MLIRContext *context) { return Phi3(source, context).build(); }

} // namespace kvasir
