// SPDX-License-Identifier: MIT
// What an op was for a person, kept in locations while it becomes code.
#ifndef KVASIR_PASSES_LABELS_H
#define KVASIR_PASSES_LABELS_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"
#include "llvm/ADT/SetVector.h"

namespace kvasir {

/// A label is a dictionary: `op`, `at` (strings: "lm.linear", "blk.{layer}.attn_q"), `number` (integer, which tells ops
/// of the module apart), `rows` (string: tokens, wanted or sequences) and, where there are any, `weights` (strings: the
/// sources of those that it reads as a whole), `keys`, `values` (strings: slots), `heads`, `window`, `chosen`,
/// `experts` (integers).
using Label = mlir::DictionaryAttr;

/// `location` of an op that does what `labels` say.
mlir::Location withLabels(mlir::Location location, llvm::ArrayRef<mlir::Attribute> labels);

/// What a loop over layers has instead.
inline mlir::Attribute layersLabel(mlir::MLIRContext *context) { return mlir::StringAttr::get(context, "layers"); }

/// Those of a location, and of what is in it, behind those that are there.
void collectLabels(mlir::Location location, llvm::SetVector<mlir::Attribute> &labels);

} // namespace kvasir

#endif
