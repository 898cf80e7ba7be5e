// SPDX-License-Identifier: MIT
// The llama architecture: RMSNorm, rope on adjacent lanes, grouped-query attention, SwiGLU; llama 1 to 3, mistral,
// SmolLM and others; mixtures of experts, as in Mixtral. Biases and a separate output are optional. Sources: Touvron et
// al., LLaMA, arXiv 2302.13971; Jiang et al., Mixtral of Experts, arXiv 2401.04088; names and defaults of GGUF as in
// llama.cpp.
#include "compiler/models/architectures.h"
#include "compiler/models/pre_norm_decoder.h"

using namespace mlir;

namespace kvasir {
namespace {

class Llama final : public PreNormDecoder {
public:
  Llama(const ModelSource &source, MLIRContext *context)
      : PreNormDecoder("llama", lm::LaneOrder::adjacent, source, context) {}

private:
  void configure(Configuration &configuration) override {
    if (configuration.real("expert_count", 0) > 1)
      readMixture(configuration, /*isNormed=*/true, s.feedForward);
  }
};

} // namespace

ModuleResult llama::build(const ModelSource &source, MLIRContext *context) { return Llama(source, context).build(); }

} // namespace kvasir
