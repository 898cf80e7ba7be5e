// SPDX-License-Identifier: MIT
// The qwen2 architecture (Qwen 1.5 to 2.5): as llama, with biases of queries, keys and values, and rope on the halves
// of a head. Source: Qwen2 Technical Report, arXiv 2407.10671; names and defaults of GGUF as in llama.cpp.
#include "compiler/models/architectures.h"
#include "compiler/models/pre_norm_decoder.h"

using namespace mlir;

namespace kvasir {
namespace {

class Qwen2 final : public PreNormDecoder {
public:
  Qwen2(const ModelSource &source, MLIRContext *context)
      : PreNormDecoder("qwen2", lm::LaneOrder::halves, source, context) {}
};

} // namespace

ModuleResult qwen2::build(const ModelSource &source, MLIRContext *context) { return Qwen2(source, context).build(); }

} // namespace kvasir
