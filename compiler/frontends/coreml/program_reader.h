// SPDX-License-Identifier: MIT
#ifndef KVASIR_FRONTENDS_COREML_PROGRAM_READER_H
#define KVASIR_FRONTENDS_COREML_PROGRAM_READER_H

#include "compiler/frontends/coreml/package.h"

namespace kvasir::coreml {

/// Reads a model's protobuf. Each name is defined before it is used and once only, each constant has its type's size,
/// each op's outputs have types; what ops mean is not known here. Constants stay in `store`. Errors name function and
/// op.
Result<Program> readProgram(std::span<const uint8_t> model, ConstantStore &store);

} // namespace kvasir::coreml

#endif
