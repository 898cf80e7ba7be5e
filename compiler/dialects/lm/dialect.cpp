// SPDX-License-Identifier: MIT
#include "compiler/dialects/lm/dialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Transforms/InliningUtils.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace kvasir::lm;

#include "compiler/dialects/lm/dialect.cpp.inc"
#include "compiler/dialects/lm/enums.cpp.inc"
#include "compiler/dialects/lm/interfaces.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "compiler/dialects/lm/types.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "compiler/dialects/lm/attributes.cpp.inc"
#define GET_OP_CLASSES
#include "compiler/dialects/lm/ops.cpp.inc"

namespace {
/// No op of the dialect minds where it stands.
struct Inlining : DialectInlinerInterface {
  using DialectInlinerInterface::DialectInlinerInterface;
  bool isLegalToInline(Operation *, Operation *, bool) const final { return true; }
  bool isLegalToInline(Region *, Region *, bool, IRMapping &) const final { return true; }
  bool isLegalToInline(Operation *, Region *, bool, IRMapping &) const final { return true; }
};
} // namespace

void LmDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "compiler/dialects/lm/types.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "compiler/dialects/lm/attributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "compiler/dialects/lm/ops.cpp.inc"
      >();
  addInterfaces<Inlining>();
}
