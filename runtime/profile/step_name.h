// SPDX-License-Identifier: MIT
// What a step is called.
#ifndef KVASIR_RUNTIME_PROFILE_STEP_NAME_H
#define KVASIR_RUNTIME_PROFILE_STEP_NAME_H

#include "plugins/steps.h"

namespace kvasir::runtime::profile {

/// By what is most of its work: "blk.*.attn_q+k+v" for a norm, three matrices, rope and an append; else by its first
/// and its last op. A star stands for a layer, so that steps of the loop and of a layer outside of it have one name.
/// The matrix that is an embedding's, too, is "output (token_embd)".
std::string stepName(const StepTable &table, const CodeStep &step);

} // namespace kvasir::runtime::profile

#endif
