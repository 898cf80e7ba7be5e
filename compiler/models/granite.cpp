// SPDX-License-Identifier: MIT
// The granite architecture, dense; rope can be switched off. Source: transformers, modeling_granite.py; names and
// defaults of GGUF as in llama.cpp.
#include "compiler/models/architectures.h"
#include "compiler/models/granite_decoder.h"

using namespace mlir;

namespace kvasir {
namespace {

class Granite final : public GraniteDecoder {
public:
  Granite(const ModelSource &source, MLIRContext *context) : GraniteDecoder("granite", source, context) {}

private:
  void configure(Configuration &configuration) override {
    GraniteDecoder::configure(configuration);
    s.kinds.front().isRotated = configuration.flag("rope.scaling.finetuned", true);
  }
};

} // namespace

ModuleResult granite::build(const ModelSource &source, MLIRContext *context) {
  return Granite(source, context).build();
}

} // namespace kvasir
