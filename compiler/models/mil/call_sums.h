// SPDX-License-Identifier: MIT
// What a number of a call is, as a sum of what the call's inputs say.
#ifndef KVASIR_MODELS_MIL_CALL_SUMS_H
#define KVASIR_MODELS_MIL_CALL_SUMS_H

#include "mlir/IR/Value.h"

#include <map>
#include <optional>

namespace kvasir::mil {

/// An extent of an input, or an element of one that has one dim at most; in a function of tokens, its batch's too.
struct CallNumber {
  enum class Kind { extent, element, tokens, start } kind;
  unsigned input = 0; ///< the function's argument
  int64_t index = 0;  ///< of the dim, or the element

  bool isExtent() const { return kind == Kind::extent; }

  auto operator<=>(const CallNumber &) const = default;
};

struct CallSum {
  int64_t constant = 0;
  std::map<CallNumber, int64_t> terms; ///< number -> factor, never 0

  bool isConstant() const { return terms.empty(); }
  /// The one number that it is, alone and once; null if it is anything else.
  const CallNumber *single() const;
  auto operator<=>(const CallSum &) const = default;
};

CallSum plus(const CallSum &lhs, const CallSum &rhs, int64_t factor = 1);

/// Nothing for a value that is no such sum. Bounds are passed over, and so is that a negative index counts from the
/// end: what they change is refused in a call, or does not happen.
std::optional<CallSum> callSumOf(mlir::Value index);

/// Whether two numbers are one sum, or one value.
bool areEqual(mlir::Value lhs, mlir::Value rhs);

} // namespace kvasir::mil

#endif
