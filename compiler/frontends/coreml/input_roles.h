// SPDX-License-Identifier: MIT
// What an input is for, as far as its name and type say it.
#ifndef KVASIR_FRONTENDS_COREML_INPUT_ROLES_H
#define KVASIR_FRONTENDS_COREML_INPUT_ROLES_H

#include "compiler/frontends/coreml/program.h"

namespace kvasir::coreml {

enum class InputRole { tokens, position, mask, other };

/// By the words by which runtime/imported/host.cpp goes.
InputRole roleOf(const Value &input);

/// The tokens of one call: the last dim of the input of ids. Nothing if no input is called so, or if a call says.
std::optional<int64_t> tokensOf(const Function &function);

} // namespace kvasir::coreml

#endif
