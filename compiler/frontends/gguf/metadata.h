// SPDX-License-Identifier: MIT
// The typed values of a GGUF file's metadata, read where they lie in the file.
#ifndef KVASIR_FRONTENDS_GGUF_METADATA_H
#define KVASIR_FRONTENDS_GGUF_METADATA_H

#include "compiler/frontends/bytes/cursor.h"
#include "plugins/quotes.h"
#include "plugins/result.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvasir::gguf {

/// Numbered as in the file.
enum class ValueType : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

/// A scalar, a string, or an array of either. Points into the file's bytes, which outlive it.
class Value {
public:
  /// Reads a type and a value of it. Errors: an unknown type, an array of arrays, cut short.
  static Result<Value> parse(Cursor &cursor);

  ValueType type() const { return kind; }
  /// Of an array: what it holds. Of anything else: its own type.
  ValueType elementType() const { return element; }
  /// Of an array: how many; else 1.
  uint64_t count() const { return numElements; }

  /// Each is nothing if the value is of another kind, or does not fit.
  std::optional<uint64_t> asUnsigned() const;
  std::optional<int64_t> asSigned() const;
  /// Of any number.
  std::optional<double> asReal() const;
  std::optional<bool> asBool() const;
  std::optional<std::string_view> asString() const;

  /// The elements of an array; nothing if it is none, or one element does not fit.
  std::optional<std::vector<std::string_view>> asStrings() const;
  std::optional<std::vector<int64_t>> asIntegers() const;
  std::optional<std::vector<float>> asReals() const;
  std::optional<std::vector<bool>> asBools() const;

  /// For people: strings quoted and cut, arrays as their size and first elements; one line.
  std::string summary() const;

private:
  Value() = default;
  std::string elementSummary(Cursor &cursor) const;

  ValueType kind = ValueType::u8;
  ValueType element = ValueType::u8;
  uint64_t numElements = 1;
  std::span<const uint8_t> bytes; // of the elements, lengths of strings included
};

} // namespace kvasir::gguf

#endif
