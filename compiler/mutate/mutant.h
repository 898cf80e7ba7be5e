// SPDX-License-Identifier: MIT
#ifndef KVASIR_MUTATE_MUTANT_H
#define KVASIR_MUTATE_MUTANT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/OwningOpRef.h"

#include <functional>
#include <string>
#include <vector>

namespace kvasir {

/// A copy of a program, whose ops and values are found by those of the original.
class ProgramCopy {
public:
  explicit ProgramCopy(mlir::ModuleOp program);

  mlir::Operation *of(mlir::Operation *op) const { return mapping.lookup(op); }
  mlir::Value of(mlir::Value value) const { return mapping.lookup(value); }
  mlir::OwningOpRef<mlir::ModuleOp> module;

private:
  mlir::IRMapping mapping;
};

/// One way to damage a program. Applying it may give IR that MLIR's verifier refuses, never IR that can't be verified.
struct Mutant {
  std::string mutation; ///< the row of the table: "remove"
  std::string place;    ///< "llama.mlir:24:10"
  std::string op;       ///< "kv.append @k"
  std::string change;   ///< "is done in calls of one token only"
  std::function<void(ProgramCopy &)> apply;

  std::string name() const { return place + " " + op + " " + change; }
};

/// Of all that a program says, places aside.
uint64_t hashOf(mlir::ModuleOp program);

/// Every mutant of a program's state, in the order of the program. Those that do not change it are left out, and of
/// those that come to the same text all but the first.
std::vector<Mutant> makeMutants(mlir::ModuleOp program);

} // namespace kvasir

#endif
