// SPDX-License-Identifier: MIT
// The smollm3 architecture: as llama, but in every fourth layer queries and keys are not rotated. Source: Yang et al.,
// Rope to Nope and Back Again, arXiv 2501.18795; names and defaults of GGUF as in llama.cpp.
#include "compiler/models/architectures.h"
#include "compiler/models/pre_norm_decoder.h"

using namespace mlir;

namespace kvasir {
namespace {

class SmolLm3 final : public PreNormDecoder {
public:
  SmolLm3(const ModelSource &source, MLIRContext *context)
      : PreNormDecoder("smollm3", lm::LaneOrder::adjacent, source, context) {}

private:
  void configure(Configuration &) override {
    s.kinds.push_back({.slots = "_nope", .isRotated = false});
    s.turn = {0, 0, 0, 1};
  }
};

} // namespace

ModuleResult smollm3::build(const ModelSource &source, MLIRContext *context) {
  return SmolLm3(source, context).build();
}

} // namespace kvasir
