// SPDX-License-Identifier: MIT
// The raised form of one function, built.
#ifndef KVASIR_MODELS_MIL_RAISED_RAISED_FUNCTION_H
#define KVASIR_MODELS_MIL_RAISED_RAISED_FUNCTION_H

#include "compiler/models/mil/function_border.h"
#include "compiler/models/mil/raised/raise_plan.h"

namespace kvasir::mil {

/// Adds `name` to the module: takes and returns `registers`, then the plan's caches. Errors, in one line: what the plan
/// did not foresee; the function is then as it came to be, and to be erased.
Status buildRaisedFunction(const coreml::Program &program, const FunctionImport &opaque, const FunctionPlan &plan,
                           const StateTypes &registers, mlir::func::FuncOp target);

} // namespace kvasir::mil

#endif
