// SPDX-License-Identifier: MIT
// Integers that a program computes with one by one: extents, offsets, repetitions.
#ifndef KVASIR_MODELS_MIL_SCALARS_H
#define KVASIR_MODELS_MIL_SCALARS_H

#include "compiler/frontends/coreml/element_types.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <optional>

namespace kvasir::mil {

/// An integer (bools are 0 and 1) as an index, and what is known of it when the program is built.
struct Scalar {
  mlir::Value value;
  int64_t least = 0, most = 0; ///< bounds
  bool isExtent = true;        ///< a function of extents alone, so that the call's shapes say it
  mlir::Value base;            ///< if set, the scalar is base + offset
  int64_t offset = 0;

  std::optional<int64_t> constant() const { return least == most ? std::optional(least) : std::nullopt; }
};

using Scalars = llvm::SmallVector<Scalar>;

/// Emits arithmetic on scalars; what is known stays known, and nothing is emitted for constants but themselves. Results
/// are exact: 64 bits hold what two 32-bit operands make; of what may be longer, no bounds are known.
class ScalarBuilder {
public:
  explicit ScalarBuilder(mlir::ImplicitLocOpBuilder &builder) : b(builder) {}

  Scalar constant(int64_t number);
  /// `value` of any integer type, or index.
  Scalar from(mlir::Value value, int64_t least, int64_t most, bool isExtent);

  Scalar add(const Scalar &lhs, const Scalar &rhs);
  Scalar subtract(const Scalar &lhs, const Scalar &rhs);
  Scalar multiply(const Scalar &lhs, const Scalar &rhs);
  /// Rounded toward zero; 0 where `rhs` is.
  Scalar divide(const Scalar &lhs, const Scalar &rhs);
  Scalar smaller(const Scalar &lhs, const Scalar &rhs);
  Scalar larger(const Scalar &lhs, const Scalar &rhs);
  Scalar compare(mlir::arith::CmpIPredicate predicate, const Scalar &lhs, const Scalar &rhs);
  Scalar select(const Scalar &condition, const Scalar &lhs, const Scalar &rhs);

  /// What `element` keeps of the number: its low bits, read with its sign.
  Scalar wrap(const Scalar &scalar, coreml::Element element);

  /// The same number, or its kind of value, as i1.
  mlir::Value asCondition(const Scalar &scalar);

private:
  using Bounds = std::pair<int64_t, int64_t>;
  template <typename Op> Scalar emit(const Scalar &lhs, const Scalar &rhs, Bounds bounds);

  mlir::ImplicitLocOpBuilder &b;
};

/// The least and most number of an integer type, bool included.
std::pair<int64_t, int64_t> rangeOf(coreml::Element element);

bool isInteger(coreml::Element element); ///< bool included
bool isSigned(coreml::Element element);

} // namespace kvasir::mil

#endif
