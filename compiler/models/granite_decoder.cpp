// SPDX-License-Identifier: MIT
#include "compiler/models/granite_decoder.h"

namespace kvasir {

void GraniteDecoder::configure(Configuration &configuration) {
  embeddingScale = float(configuration.real("embedding_scale", 1.0));
  residualScale = float(configuration.real("residual_scale", 1.0));
  s.attentionScale = float(configuration.real("attention.scale", double(s.attentionScale)));
  const double divisor = configuration.real("logit_scale");
  if (divisor == 0)
    configuration.fail("metadata 'logit_scale' is 0; another number is expected");
  logitScale = float(1 / divisor);
  s.constants = {embeddingScale, residualScale, logitScale};
}

} // namespace kvasir
