// SPDX-License-Identifier: MIT
// The extents that a function's inputs say, and what those of its outputs are in terms of them.
#ifndef KVASIR_MODELS_MIL_OWN_EXTENTS_H
#define KVASIR_MODELS_MIL_OWN_EXTENTS_H

#include "compiler/models/mil/call_sums.h"
#include "compiler/models/mil/tensor.h"
#include "compiler/passes/extents.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace kvasir::mil {

/// Reads and writes the function's kv.own_extents.
class OwnExtents {
public:
  explicit OwnExtents(mlir::func::FuncOp function);

  /// A free extent for dim `dim` of an input, whose letter is added to `letters`.
  Scalar add(mlir::ImplicitLocOpBuilder &builder, mlir::Value input, int64_t dim, const coreml::DimRange &range,
             std::string &letters);

  /// Were there letters for all?
  bool fit() const { return entries.size() <= 26; }

  /// The letters of the dims that only a call knows: T and S of the batch's, else the function's own. Nothing if one is
  /// no sum of free extents, or letters are all taken.
  std::optional<std::string> lettersOf(llvm::ArrayRef<Scalar> dims);

  void write();

private:
  std::optional<char> letterOf(const CallNumber &number) const;
  std::optional<char> letterOf(const CallSum &sum);

  mlir::func::FuncOp function;
  std::map<char, mlir::Attribute> entries;
  std::map<char, CallSum> sums; ///< of letters that are no free ones
};

} // namespace kvasir::mil

#endif
