// SPDX-License-Identifier: MIT
// Tensors of a raised function as rows: a row a token, in f32, whatever the package's shape and element type are.
#ifndef KVASIR_MODELS_MIL_RAISED_ROW_FORMS_H
#define KVASIR_MODELS_MIL_RAISED_ROW_FORMS_H

#include "compiler/models/mil/op_import.h"
#include "compiler/models/mil/raised/raise_plan.h"

namespace kvasir::mil {

/// [T, E] or [T, H, D], and what the dims of the package's tensor are of it.
struct Rows {
  mlir::Value value;
  RowDims dims;

  bool hasHeads() const { return mlir::cast<mlir::RankedTensorType>(value.getType()).getRank() == 3; }
  int64_t heads() const { return hasHeads() ? shape()[1] : 1; }
  int64_t width() const { return shape().back(); }
  llvm::ArrayRef<int64_t> shape() const { return mlir::cast<mlir::RankedTensorType>(value.getType()).getShape(); }
};

class RowForms {
public:
  /// `tokens`: T. Values that are rows and are asked for as tensors are made then, rounded to the package's type.
  RowForms(FunctionImport &import, mlir::ImplicitLocOpBuilder &builder, Scalar tokens);

  void define(coreml::ValueId value, Rows rows);
  const Rows *lookup(coreml::ValueId value) const;
  const Rows *lookup(const coreml::Operand *operand) const;

  /// An operand as [T, heads, width], or as [T, width] where `heads` is 0. Its last dims are `dims`, of one token each
  /// where they are no token's; those before have an extent of 1.
  mlir::Value rowsOf(const coreml::Operand &operand, const RowDims &dims, int64_t heads, int64_t width);

  /// [T, H, D] as [T, H * D], or the other way round.
  mlir::Value joined(mlir::Value rows);
  mlir::Value split(mlir::Value rows, int64_t heads);

  /// [1, …, T] integers as [T].
  mlir::Value line(mlir::Value numbers);

  mlir::RankedTensorType rowsType(llvm::ArrayRef<int64_t> row);
  Scalar tokens;
  mlir::ImplicitLocOpBuilder &b;

private:
  std::optional<Tensor> tensorOf(coreml::ValueId value);
  Scalars extentsOf(const Rows &rows);

  FunctionImport &import;
  std::map<coreml::ValueId, Rows> known;
};

} // namespace kvasir::mil

#endif
