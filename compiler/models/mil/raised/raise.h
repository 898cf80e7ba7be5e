// SPDX-License-Identifier: MIT
// The raised forms of a program's functions.
#ifndef KVASIR_MODELS_MIL_RAISED_RAISE_H
#define KVASIR_MODELS_MIL_RAISED_RAISE_H

#include "compiler/frontends/coreml/report.h"
#include "compiler/models/mil/function_import.h"

#include "mlir/IR/BuiltinOps.h"

#include <deque>

namespace kvasir::mil {

/// Adds to a program in the opaque form the raised form of each function that has one: F.raised, which appends the rows
/// of its tokens to caches and attends them, where F replaces rows of registers. The schema gets the caches and the
/// entries; F says which form raises it and what must hold of its inputs then (kv.raised, kv.binds). All raised forms
/// have the same caches. `opaque`: the functions as they were imported.
std::vector<coreml::StateForm> addRaisedForms(mlir::ModuleOp module, const coreml::Program &program,
                                              const std::deque<FunctionImport> &opaque);

/// The states of functions that have no raised forms, for one reason.
std::vector<coreml::StateForm> opaqueForms(const coreml::Program &program, const std::string &reason);

} // namespace kvasir::mil

#endif
