// SPDX-License-Identifier: MIT
// One function of a program, on its way to a func.func.
#ifndef KVASIR_MODELS_MIL_FUNCTION_IMPORT_H
#define KVASIR_MODELS_MIL_FUNCTION_IMPORT_H

#include "compiler/models/mil/package_weights.h"
#include "compiler/models/mil/tensor.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <functional>
#include <map>

namespace kvasir::mil {

/// Values, states and the first failure of a function that is built. Ops are imported in the order of their list.
class FunctionImport {
public:
  FunctionImport(const coreml::Function &source, mlir::func::FuncOp target, PackageWeights &weights)
      : source(source), target(target), weights(weights) {}

  /// Imports the ops of a block at the builder's place; false after a failure.
  bool importBlock(const coreml::Block &block, mlir::ImplicitLocOpBuilder &builder);

  /// What a name stands for. Constants and states are not kept, they are made where they are asked for.
  Tensor find(coreml::ValueId value, mlir::ImplicitLocOpBuilder &builder);
  /// Null for constants, states, and what has not been imported.
  const Tensor *lookup(coreml::ValueId value) const;
  void define(coreml::ValueId value, Tensor tensor) { tensors[value] = std::move(tensor); }
  Tensor constantTensor(const coreml::Constant &constant, mlir::ImplicitLocOpBuilder &builder);

  void fail(const std::string &reason);
  const std::optional<std::string> &failure() const { return firstFailure; }

  const coreml::Function &source;
  mlir::func::FuncOp target;
  PackageWeights &weights;
  std::map<coreml::ValueId, Tensor> states; ///< by the input that stands for it: its contents at this point

  /// Imports one op; false after a failure.
  bool importOperation(const coreml::Operation &operation, mlir::ImplicitLocOpBuilder &builder);

  /// Makes a value that is asked for and was not defined; null if there is nobody who does.
  std::function<std::optional<Tensor>(coreml::ValueId)> makeLate;

private:
  std::map<coreml::ValueId, Tensor> tensors;
  std::optional<std::string> firstFailure;
};

} // namespace kvasir::mil

#endif
