// SPDX-License-Identifier: MIT
// What members do between two barriers, numbered: plugins/steps.h says for whom.
#ifndef KVASIR_PASSES_CODEGEN_STEP_MARKS_H
#define KVASIR_PASSES_CODEGEN_STEP_MARKS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

namespace kvasir {

/// Numbers the steps of a module and emits that members begin them. A step is known by the labels (labels.h) of the ops
/// that are left of it; code without labels is no step, and nothing is emitted for it.
class StepMarks {
public:
  explicit StepMarks(mlir::MLIRContext *context) : context(context) {}

  /// From here on cells are those of the members of this entry.
  void enter(mlir::func::FuncOp function) { entry = function, cell = {}; }

  /// Emits at the builder that the member begins what `ops` do; `kernel` is empty where no kernel does it. What is left
  /// of an op may be done in several places: only the first begins the step anew. Cost: one store and an increment, on
  /// a line of the member's own.
  void mark(mlir::OpBuilder &builder, llvm::StringRef kernel, llvm::ArrayRef<mlir::Operation *> ops);

  /// Of each step a dictionary, step 1 first: `kernel` (string), `ops` (array of labels).
  mlir::ArrayAttr steps() const { return mlir::ArrayAttr::get(context, numbered); }

private:
  mlir::Value emitCell();

  mlir::MLIRContext *context;
  mlir::func::FuncOp entry;
  mlir::Value cell; ///< null until the entry needs it
  llvm::SmallVector<mlir::Attribute> numbered;
  llvm::DenseMap<mlir::Attribute, size_t> numberOf; ///< of steps without a kernel, by their labels
};

} // namespace kvasir

#endif
