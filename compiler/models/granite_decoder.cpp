// SPDX-License-Identifier: MIT
#include "compiler/models/granite_decoder.h"

namespace kvasir {

void GraniteDecoder::configure(Configuration &configuration) {
  embeddingScale = float(configuration.real("embedding_scale", 1.0));
  residualScale = float(configuration.real("residual_scale", 1.0));
  s.attentionScale = float(configuration.real("attention.scale", double(s.attentionScale)));
  logitScale = float(1 / configuration.nonZero("logit_scale"));
  s.constants = {embeddingScale, residualScale, logitScale};
}

} // namespace kvasir
