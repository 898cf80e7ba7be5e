// SPDX-License-Identifier: MIT
// The gemma2 architecture: every second layer sees all. Names and defaults of GGUF as in llama.cpp.
#include "compiler/models/architectures.h"
#include "compiler/models/gemma_decoder.h"

using namespace mlir;

namespace kvasir {
namespace {

class Gemma2 final : public SlidingGemmaDecoder {
public:
  Gemma2(const ModelSource &source, MLIRContext *context) : SlidingGemmaDecoder("gemma2", source, context) {}

private:
  void configure(Configuration &configuration) override {
    configureKinds(configuration, {.turn = 2, .largest = 46, .window = 4096, .scoreCap = 50, .logitCap = 30});
  }
};

} // namespace

ModuleResult gemma2::build(const ModelSource &source, MLIRContext *context) { return Gemma2(source, context).build(); }

} // namespace kvasir
