// SPDX-License-Identifier: MIT
// What the import of one op sees: its operands, the function that is built, a place for its results.
#ifndef KVASIR_MODELS_MIL_OP_IMPORT_H
#define KVASIR_MODELS_MIL_OP_IMPORT_H

#include "compiler/models/mil/package_weights.h"
#include "compiler/models/mil/tensor.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace kvasir::mil {

class FunctionImport;

/// An op's operands are read by their names in MIL; the table has checked that those it requires are there. `fail`
/// keeps the first reason why the op can't be imported; what is read after that is empty and of no consequence.
class OpImport {
public:
  OpImport(FunctionImport &function, const coreml::Operation &operation, mlir::ImplicitLocOpBuilder &builder);

  // Operands.
  bool has(llvm::StringRef name) const;
  Tensor tensor(llvm::StringRef name);
  llvm::SmallVector<Tensor> tensors(llvm::StringRef name);

  // Operands whose value the package says; the defaults are for operands that are not there.
  int64_t integer(llvm::StringRef name, int64_t otherwise);
  double real(llvm::StringRef name, double otherwise);
  bool flag(llvm::StringRef name, bool otherwise) { return integer(name, otherwise) != 0; }
  std::string text(llvm::StringRef name, llvm::StringRef otherwise);
  llvm::SmallVector<int64_t> integers(llvm::StringRef name);

  /// The operand as a weight, where it is a constant that can be one, of so many elements that it had better be no part
  /// of the program; a null value otherwise. A vector may be of any size.
  lm::WeightOp weight(llvm::StringRef name, Order order = Order::asItLies);

  /// A dim of `tensor` by a number that may count from the end. Fails if it has no such.
  int64_t axis(int64_t number, int64_t rank);

  // Results.
  size_t numResults() const { return operation.outputs.size(); }
  const coreml::TensorType &declared(size_t index = 0) const;
  void set(Tensor result, size_t index = 0);

  /// Keeps the first reason, without op and function.
  void fail(const llvm::Twine &reason);
  bool failed() const;

  // Forms of a tensor.
  mlir::Value valueOf(const Tensor &tensor);
  bool isSmall(const Tensor &tensor) const; ///< integers that are computed with one by one
  Scalars scalarsOf(const Tensor &tensor);  ///< of a small one

  // Makers.
  Tensor make(coreml::Element element, Scalars dims, mlir::Value value);
  Tensor make(coreml::Element element, Scalars dims, Scalars scalars);
  mlir::Value empty(coreml::Element element, llvm::ArrayRef<Scalar> dims);
  mlir::Value filled(coreml::Element element, llvm::ArrayRef<Scalar> dims, double number);
  mlir::Value number(mlir::Type type, double number);
  mlir::Value index(int64_t number) { return b.create<mlir::arith::ConstantIndexOp>(number); }

  /// A call in which `isWrong` holds is refused: before it runs if the shapes of its inputs say so, else when it has
  /// run; it changes no state. Fails at once where that is certain. What the op computes must stay within memory either
  /// way.
  void refuseIf(const Scalar &isWrong, const llvm::Twine &reason);
  void refuseIf(mlir::Value isWrong, const llvm::Twine &reason);

  /// "slice_update 'v_new' (op 14)"
  std::string name() const;

  const coreml::Operation &operation;
  FunctionImport &function;
  mlir::ImplicitLocOpBuilder &b;
  ScalarBuilder scalars;
};

/// One op in terms of the elements of its operands; floats of 16 bits come as f32 and are rounded once.
using Body = llvm::function_ref<mlir::Value(mlir::ImplicitLocOpBuilder &, mlir::ValueRange)>;

/// The type that elements of this type are computed in.
mlir::Type computeType(mlir::MLIRContext *context, coreml::Element element);

/// An element in the type that is computed in, and back, rounded to nearest even.
mlir::Value toCompute(mlir::ImplicitLocOpBuilder &b, mlir::Value value);
mlir::Value fromCompute(mlir::ImplicitLocOpBuilder &b, mlir::Value value, mlir::Type type);

/// Elementwise over operands broadcast as numpy does. Extents that only a call knows must then be equal or 1. With
/// `isFixed` the result's are those of the first operand.
mlir::Value emitElementwise(OpImport &op, llvm::ArrayRef<Tensor> operands, coreml::Element element, Scalars &dims,
                            Body body, bool isFixed = false);

/// The same as the op's result.
void setElementwise(OpImport &op, llvm::ArrayRef<Tensor> operands, coreml::Element element, Body body,
                    bool isFixed = false);

/// A loop over `dims` that gives each element: `body` gets the indices.
mlir::Value emitGenerate(OpImport &op, coreml::Element element, llvm::ArrayRef<Scalar> dims,
                         llvm::function_ref<mlir::Value(mlir::ImplicitLocOpBuilder &, mlir::ValueRange)> body);

/// value[indices], in the type that is computed in.
mlir::Value extract(mlir::ImplicitLocOpBuilder &b, mlir::Value tensor, mlir::ValueRange indices);

} // namespace kvasir::mil

#endif
