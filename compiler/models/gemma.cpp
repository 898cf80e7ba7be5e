// SPDX-License-Identifier: MIT
// The gemma architecture, first generation. Names and defaults of GGUF as in llama.cpp.
#include "compiler/models/architectures.h"
#include "compiler/models/gemma_decoder.h"

using namespace mlir;

namespace kvasir {
namespace {

class Gemma final : public GemmaDecoder {
public:
  Gemma(const ModelSource &source, MLIRContext *context) : GemmaDecoder("gemma", source, context) {}
};

} // namespace

ModuleResult gemma::build(const ModelSource &source, MLIRContext *context) { return Gemma(source, context).build(); }

} // namespace kvasir
