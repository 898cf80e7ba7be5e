// SPDX-License-Identifier: MIT
// The olmoe architecture: as llama, with a mixture of experts in each layer, whose shares are of all experts' sum, an
// RMSNorm of a token's queries and one of its keys, all heads together, and rope on the halves of a head. Source:
// Muennighoff et al., OLMoE, arXiv 2409.02060; names and defaults of GGUF as in llama.cpp.
#include "compiler/models/architectures.h"
#include "compiler/models/pre_norm_decoder.h"

using namespace mlir;

namespace kvasir {
namespace {

class Olmoe final : public PreNormDecoder {
public:
  Olmoe(const ModelSource &source, MLIRContext *context)
      : PreNormDecoder("olmoe", lm::LaneOrder::halves, source, context) {}

private:
  void configure(Configuration &configuration) override {
    readMixture(configuration, /*isNormed=*/false, s.feedForward);
  }
  Attention declareLayerAttention(WeightTable &table) override {
    return declareNormedAttention(table, NormOf::allHeads);
  }
};

} // namespace

ModuleResult olmoe::build(const ModelSource &source, MLIRContext *context) { return Olmoe(source, context).build(); }

} // namespace kvasir
