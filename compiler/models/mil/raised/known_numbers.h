// SPDX-License-Identifier: MIT
// What the integers and extents of a function are, as its opaque form has computed them.
#ifndef KVASIR_MODELS_MIL_RAISED_KNOWN_NUMBERS_H
#define KVASIR_MODELS_MIL_RAISED_KNOWN_NUMBERS_H

#include "compiler/models/mil/call_sums.h"
#include "compiler/models/mil/function_import.h"

namespace kvasir::mil {

using CallSums = std::vector<CallSum>;

/// The part of one dim that a slice takes.
struct DimSlice {
  CallSum begin, end;
  bool isWhole, isDropped;

  CallSum count() const { return plus(end, begin, -1); }
};

/// Lives as long as the function and its import.
class KnownNumbers {
public:
  explicit KnownNumbers(const FunctionImport &opaque) : opaque(opaque), function(opaque.source) {}

  /// The elements of an integer operand that is computed with one by one; nothing where one is no sum.
  std::optional<CallSums> elements(const coreml::Operand *operand) const;
  /// The extents of a value; of an operand, too.
  std::optional<CallSums> extents(coreml::ValueId value) const;
  std::optional<CallSums> extents(const coreml::Operand *operand) const;

  /// Constant integers of an operand; nothing for another operand, or none.
  std::optional<std::vector<int64_t>> integers(const coreml::Operand *operand) const;
  int64_t integer(const coreml::Operation &operation, std::string_view name, int64_t otherwise) const;
  /// The one element of a constant of floats or integers.
  std::optional<double> real(const coreml::Operand *operand) const;

  /// What slice_by_index takes, or slice_update replaces, of `extents`; nothing for strides and what is no sum.
  std::optional<std::vector<DimSlice>> slices(const coreml::Operation &operation, const CallSums &extents) const;

  const FunctionImport &opaque;
  const coreml::Function &function;

private:
  std::vector<bool> flags(const coreml::Operation &operation, std::string_view name, size_t rank) const;
};

} // namespace kvasir::mil

#endif
