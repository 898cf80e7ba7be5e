// SPDX-License-Identifier: MIT
// The granitemoe architecture (Granite 3 MoE): as granite, with a mixture of experts in each layer, and maybe an expert
// that all tokens take. Source: transformers, modeling_granitemoe.py and modeling_granitemoeshared.py; names and
// defaults of GGUF as in llama.cpp.
#include "compiler/models/architectures.h"
#include "compiler/models/granite_decoder.h"

using namespace mlir;

namespace kvasir {
namespace {

class GraniteMoe final : public GraniteDecoder {
public:
  GraniteMoe(const ModelSource &source, MLIRContext *context) : GraniteDecoder("granitemoe", source, context) {}

private:
  void configure(Configuration &configuration) override;
  FeedForward declareLayerFeedForward(WeightTable &table) override;
  Value feed(Value x, Value layer) override;

  std::optional<int64_t> sharedWidth;
  FeedForward shared;
};

void GraniteMoe::configure(Configuration &configuration) {
  GraniteDecoder::configure(configuration);
  readMixture(configuration, /*isNormed=*/true, s.feedForward);
  if (configuration.contains("expert_shared_feed_forward_length"))
    sharedWidth = configuration.count("expert_shared_feed_forward_length");
}

Decoder::FeedForward GraniteMoe::declareLayerFeedForward(WeightTable &table) {
  if (sharedWidth)
    shared = declareSharedExpert(table, *sharedWidth);
  return declareFeedForward(table);
}

Value GraniteMoe::feed(Value x, Value layer) {
  Value y = feedForward<lm::SwigluOp>(x, gated, layer);
  return sharedWidth ? add(y, feedForward<lm::SwigluOp>(x, shared, layer), "blk.{}.ffn_sum") : y;
}

} // namespace

ModuleResult granitemoe::build(const ModelSource &source, MLIRContext *context) {
  return GraniteMoe(source, context).build();
}

} // namespace kvasir
