// SPDX-License-Identifier: MIT
// What the code of a plugin does between barriers, for the section "steps".
#ifndef KVASIR_DRIVER_DESCRIBE_STEPS_H
#define KVASIR_DRIVER_DESCRIBE_STEPS_H

#include "plugins/steps.h"

#include "mlir/IR/BuiltinAttributes.h"

#include <utility>

namespace kvasir {

/// From what share-among-team found in each variant (kStepsAttr; null: nothing).
StepTable describeSteps(llvm::ArrayRef<std::pair<std::string, mlir::ArrayAttr>> variants);

} // namespace kvasir

#endif
