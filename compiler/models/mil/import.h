// SPDX-License-Identifier: MIT
// A Core ML program as a module, in the opaque form: each state one register, each function as the package says it.
#ifndef KVASIR_MODELS_MIL_IMPORT_H
#define KVASIR_MODELS_MIL_IMPORT_H

#include "compiler/frontends/coreml/report.h"
#include "compiler/models/mil/package_weights.h"
#include "plugins/result.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace kvasir::mil {

/// Ops that nothing here imports, each once a place: "function 'main': topk 'best' (op 12)".
std::vector<std::string> unknownOps(const coreml::Program &program);

/// Which forms of its functions a program gets. One that loses state runs as it is.
enum class Forms { opaque, all };

struct ImportedProgram {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::vector<coreml::StateForm> forms; ///< of each state of each function
};

/// The program as a module: a kv.schema with a register for each state, a func.func for each function, which takes no
/// tokens, and a second form of it where there is one (raised/raise.h). Ops become tensor, linalg, arith, math and scf
/// in the order of their list, and where they multiply by a large constant or take rows of one, lm; such constants are
/// in `weights` afterwards, and not in the module. `name` is the model's, for people; `identity` is equal iff programs
/// and constants are. Errors, in one line: an op that is not known or has a form that is not imported, states of one
/// name that differ.
Result<ImportedProgram> importProgram(const coreml::Program &program, llvm::StringRef name, llvm::StringRef identity,
                                      Forms wanted, PackageWeights &weights, mlir::MLIRContext *context);

} // namespace kvasir::mil

#endif
