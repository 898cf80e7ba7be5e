// SPDX-License-Identifier: MIT
// The qwen3 architecture, dense: as llama, with an RMSNorm of each head of queries and keys, and rope on the halves of
// a head. Source: Qwen3 Technical Report, arXiv 2505.09388; names and defaults of GGUF as in llama.cpp.
#include "compiler/models/architectures.h"
#include "compiler/models/pre_norm_decoder.h"

using namespace mlir;

namespace kvasir {
namespace {

class Qwen3 final : public PreNormDecoder {
public:
  Qwen3(const ModelSource &source, MLIRContext *context)
      : PreNormDecoder("qwen3", lm::LaneOrder::halves, source, context) {}

private:
  Attention declareLayerAttention(WeightTable &table) override { return declareNormedAttention(table); }
};

} // namespace

ModuleResult qwen3::build(const ModelSource &source, MLIRContext *context) { return Qwen3(source, context).build(); }

} // namespace kvasir
