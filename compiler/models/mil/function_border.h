// SPDX-License-Identifier: MIT
// How a function of a program takes its inputs and registers, and returns its outputs.
#ifndef KVASIR_MODELS_MIL_FUNCTION_BORDER_H
#define KVASIR_MODELS_MIL_FUNCTION_BORDER_H

#include "compiler/models/mil/function_import.h"
#include "compiler/models/mil/own_extents.h"
#include "plugins/result.h"

namespace kvasir::mil {

/// States by name, in the order of the schema.
using StateTypes = std::vector<std::pair<std::string, coreml::TensorType>>;

/// An input's open dim that the batch says, and the letter that stands for it.
struct BoundExtent {
  Scalar scalar;
  char letter;
};

/// Asked for each open dim of an input; nothing for one that is the function's own.
using BindExtent = llvm::function_ref<std::optional<BoundExtent>(coreml::ValueId input, size_t dim)>;

/// The types of a function's arguments: its inputs, `slots`, the batch.
llvm::SmallVector<mlir::Type> argumentTypes(mlir::MLIRContext *context, const coreml::Function &function,
                                            llvm::ArrayRef<std::string> slots);

class FunctionBorder {
public:
  using Builder = mlir::ImplicitLocOpBuilder;

  /// `registers` are the first of the function's slots.
  FunctionBorder(const coreml::Program &program, FunctionImport &import, const StateTypes &registers, Builder &body)
      : program(program), import(import), registers(registers), body(body), extents(import.target) {}

  /// Inputs under their names.
  void takeInputs(BindExtent bind);
  /// Each register's contents; those of the function's own states under their names.
  void getRegisters();
  /// Returns outputs, registers, and `slots`. Errors: an output of extents that no call knows before it runs.
  Status finish(llvm::ArrayRef<mlir::Value> slots = {});

private:
  struct Version {
    mlir::Value slot, contents; ///< contents: as the call finds them, [1] + shape
  };

  Scalar takeExtent(coreml::ValueId input, const Tensor &tensor, size_t dim, std::string &letters, BindExtent bind);
  bool isContradicted(const std::string &name, size_t dim, const coreml::DimRange &range) const;
  Tensor contentsOf(const coreml::TensorType &type, mlir::Value contents);
  void setRegisters(llvm::SmallVector<mlir::Value> &results);
  unsigned firstSlot() const;

  const coreml::Program &program;
  FunctionImport &import;
  const StateTypes &registers;
  Builder &body;
  OwnExtents extents;
  std::vector<Version> versions;
};

} // namespace kvasir::mil

#endif
