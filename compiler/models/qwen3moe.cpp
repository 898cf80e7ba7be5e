// SPDX-License-Identifier: MIT
// The qwen3moe architecture: as qwen3, with a mixture of experts in each layer. Source: Qwen3 Technical Report, arXiv
// 2505.09388; names and defaults of GGUF as in llama.cpp.
#include "compiler/models/architectures.h"
#include "compiler/models/pre_norm_decoder.h"

using namespace mlir;

namespace kvasir {
namespace {

class Qwen3Moe final : public PreNormDecoder {
public:
  Qwen3Moe(const ModelSource &source, MLIRContext *context)
      : PreNormDecoder("qwen3moe", lm::LaneOrder::halves, source, context) {}

private:
  void configure(Configuration &configuration) override {
    const int64_t chosen = configuration.count("expert_used_count");
    readMixture(configuration, /*isNormed=*/true, std::max<int64_t>(1, s.feedForward / chosen));
  }
  Attention declareLayerAttention(WeightTable &table) override { return declareNormedAttention(table); }
};

} // namespace

ModuleResult qwen3moe::build(const ModelSource &source, MLIRContext *context) {
  return Qwen3Moe(source, context).build();
}

} // namespace kvasir
