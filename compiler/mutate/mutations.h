// SPDX-License-Identifier: MIT
// The mutations, by what they damage; one file each. Each looks at one op and adds its mutants.
#ifndef KVASIR_MUTATE_MUTATIONS_H
#define KVASIR_MUTATE_MUTATIONS_H

#include "compiler/mutate/mutant.h"
#include "compiler/mutate/state_ops.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace kvasir {

/// Collects the mutants of a program.
class MutantList {
public:
  /// `apply` finds its op in the copy and changes it there.
  void add(mlir::Operation *at, llvm::StringRef mutation, const llvm::Twine &change,
           std::function<void(ProgramCopy &)> apply);

  std::vector<Mutant> take() { return std::move(mutants); }

private:
  std::vector<Mutant> mutants;
};

/// "llama.mlir:24:10", or the name that a frontend gave.
std::string placeOf(mlir::Operation *op);

/// Removed, done twice, done in some calls only (presence.cpp).
void addRemoved(mlir::Operation *op, MutantList &mutants);
void addDoubled(mlir::Operation *op, MutantList &mutants);
void addConditional(mlir::Operation *op, MutantList &mutants);

/// Done later, exchanged with a neighbour (order.cpp).
void addMoved(mlir::Operation *op, MutantList &mutants);
void addLateReads(mlir::Operation *op, MutantList &mutants);
void addExchangedRows(mlir::Operation *op, MutantList &mutants);
void addExchangedBranches(mlir::Operation *op, MutantList &mutants);

/// Numbers that are off by one, or constant (numbers.cpp).
void addShiftedLayers(mlir::Operation *op, MutantList &mutants);
void addShiftedLoops(mlir::Operation *op, MutantList &mutants);
void addShiftedRanges(mlir::Operation *op, MutantList &mutants);
void addFewerRows(mlir::Operation *op, MutantList &mutants);
void addOtherWindows(mlir::Operation *op, MutantList &mutants);
void addOtherBinds(mlir::Operation *op, MutantList &mutants);

/// Other versions and other slots on the way (versions.cpp).
void addOlderVersions(mlir::Operation *op, MutantList &mutants);
void addOtherSlots(mlir::Operation *op, MutantList &mutants);
void addExchangedSlots(mlir::Operation *op, MutantList &mutants);

} // namespace kvasir

#endif
