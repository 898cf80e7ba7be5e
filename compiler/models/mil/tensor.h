// SPDX-License-Identifier: MIT
// A value of a program while its function is built.
#ifndef KVASIR_MODELS_MIL_TENSOR_H
#define KVASIR_MODELS_MIL_TENSOR_H

#include "compiler/frontends/coreml/program.h"
#include "compiler/models/mil/scalars.h"

#include <memory>

namespace kvasir::mil {

class Compressed;

/// A tensor: its extents, and its elements in one of four forms. `constant`: the package's; `compressed`: made of the
/// package's constants; `scalars`: integers of at most one dim, one by one; else `value`. Forms turn into each other
/// where an op asks (OpImport).
struct Tensor {
  coreml::Element element = coreml::Element::f32;
  Scalars dims;
  mlir::Value value;
  std::optional<Scalars> scalars;
  const coreml::Constant *constant = nullptr;
  std::shared_ptr<const Compressed> compressed;

  int64_t rank() const { return int64_t(dims.size()); }
};

/// The element type in the program that is built: bools are i1, integers have no sign.
mlir::Type elementType(mlir::MLIRContext *context, coreml::Element element);

/// Static where the extents are known.
mlir::RankedTensorType tensorType(mlir::MLIRContext *context, coreml::Element element, llvm::ArrayRef<Scalar> dims);

/// Whether the extents that are known leave the tensor within what a process can address. One of 0 counts as 1: what is
/// around it is multiplied all the same where places are computed.
bool isWithinMemory(coreml::Element element, llvm::ArrayRef<Scalar> dims);

/// The constant's elements as they are.
mlir::DenseElementsAttr denseElements(mlir::MLIRContext *context, const coreml::Constant &constant);

/// Element `index` of a constant of floats or integers, as a number; nothing for integers beyond 63 bits.
std::optional<double> numberAt(const coreml::Constant &constant, uint64_t index);

} // namespace kvasir::mil

#endif
