// SPDX-License-Identifier: MIT
// Functions in two forms: whichever ran, outputs and states are those of the opaque one.
#ifndef KVASIR_TESTS_COREML_CASES_FORMS_H
#define KVASIR_TESTS_COREML_CASES_FORMS_H

#include "runtime/imported/program.h"

namespace kvasir::coreml_cases {

/// What calls of one program did.
struct FormsTally {
  uint64_t numCalls = 0, numRaised = 0;
  std::vector<std::string> differences; ///< one line each
};

/// Makes up calls of all functions that take tokens, on from the last token, back, forth, with masks that are not
/// causal, and beyond the last row; plays each on a state by itself and on one whose calls `opaque` makes, the same
/// program in that form; and compares outputs, whole states and refusals. Tensors of floats may differ by what rounding
/// of sums explains, all others by nothing. Stops at the first difference.
FormsTally compareForms(const imported::PluginProgram &program, const imported::PluginProgram &opaque, uint32_t seed,
                        uint64_t numCalls);

} // namespace kvasir::coreml_cases

#endif
