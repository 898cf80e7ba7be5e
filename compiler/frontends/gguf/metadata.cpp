// SPDX-License-Identifier: MIT
#include "compiler/frontends/gguf/metadata.h"

#include <iterator>
#include <limits>

namespace kvasir::gguf {
namespace {

struct ValueTypeFacts {
  const char *name;
  uint32_t sizeBytes; // 0: not of one size
};

// By the types' numbers.
constexpr ValueTypeFacts kValueTypes[] = {{"u8", 1},  {"i8", 1},  {"u16", 2},  {"i16", 2},    {"u32", 4},
                                          {"i32", 4}, {"f32", 4}, {"bool", 1}, {"string", 0}, {"array", 0},
                                          {"u64", 8}, {"i64", 8}, {"f64", 8}};

/// One number, kept exactly.
struct Number {
  enum { none, negative, natural, real } kind = none;
  uint64_t bits = 0; // of a natural; of a negative in two's complement
  double value = 0;  // of any
};

template <typename T> Number numberOf(Cursor &cursor) {
  T value = cursor.read<T>().value_or(T());
  if constexpr (std::is_floating_point_v<T>)
    return {Number::real, 0, double(value)};
  else
    return {value < 0 ? Number::negative : Number::natural, uint64_t(value), double(value)};
}

Number readNumber(ValueType type, Cursor &cursor) {
  switch (type) {
  case ValueType::u8:
    return numberOf<uint8_t>(cursor);
  case ValueType::i8:
    return numberOf<int8_t>(cursor);
  case ValueType::u16:
    return numberOf<uint16_t>(cursor);
  case ValueType::i16:
    return numberOf<int16_t>(cursor);
  case ValueType::u32:
    return numberOf<uint32_t>(cursor);
  case ValueType::i32:
    return numberOf<int32_t>(cursor);
  case ValueType::f32:
    return numberOf<float>(cursor);
  case ValueType::u64:
    return numberOf<uint64_t>(cursor);
  case ValueType::i64:
    return numberOf<int64_t>(cursor);
  case ValueType::f64:
    return numberOf<double>(cursor);
  case ValueType::boolean:
  case ValueType::string:
  case ValueType::array:
    return {};
  }
  return {};
}

std::optional<int64_t> toSigned(const Number &number) {
  bool fits = number.kind == Number::negative ||
              (number.kind == Number::natural && number.bits <= uint64_t(std::numeric_limits<int64_t>::max()));
  return fits ? std::optional(int64_t(number.bits)) : std::nullopt;
}

std::string decimal(const Number &number) {
  if (number.kind == Number::real)
    return std::to_string(number.value);
  return number.kind == Number::negative ? std::to_string(int64_t(number.bits)) : std::to_string(number.bits);
}

std::optional<ValueType> readType(Cursor &cursor, uint32_t &number) {
  std::optional<uint32_t> read = cursor.read<uint32_t>();
  number = read.value_or(0);
  return read && *read < std::size(kValueTypes) ? std::optional(ValueType(*read)) : std::nullopt;
}

Failure cutShort() { return {"its value is cut short"}; }

} // namespace

Result<Value> Value::parse(Cursor &cursor) {
  Value value;
  uint32_t number;
  std::optional<ValueType> type = readType(cursor, number);
  if (!type)
    return Failure{"its value has type " + std::to_string(number) + ", which there is not"};
  value.kind = value.element = *type;
  if (*type == ValueType::array) {
    std::optional<ValueType> element = readType(cursor, number);
    if (!element || *element == ValueType::array)
      return Failure{"it is an array of type " + std::to_string(number) +
                     "; numbers, booleans or strings are expected"};
    std::optional<uint64_t> count = cursor.read<uint64_t>();
    if (!count)
      return cutShort();
    value.element = *element;
    value.numElements = *count;
  }

  Cursor elements = cursor;
  if (value.element == ValueType::string) {
    for (uint64_t i = 0; i < value.numElements; ++i)
      if (!cursor.readString())
        return cutShort();
  } else {
    uint64_t size = kValueTypes[uint32_t(value.element)].sizeBytes;
    if (value.numElements > cursor.remaining() / size || !cursor.take(value.numElements * size))
      return cutShort();
  }
  value.bytes = *elements.take(cursor.position() - elements.position());
  return value;
}

std::optional<uint64_t> Value::asUnsigned() const {
  Cursor cursor(bytes);
  Number number = readNumber(kind, cursor);
  return number.kind == Number::natural ? std::optional(number.bits) : std::nullopt;
}

std::optional<int64_t> Value::asSigned() const {
  Cursor cursor(bytes);
  return toSigned(readNumber(kind, cursor));
}

std::optional<double> Value::asReal() const {
  Cursor cursor(bytes);
  Number number = readNumber(kind, cursor);
  return number.kind == Number::none ? std::nullopt : std::optional(number.value);
}

std::optional<bool> Value::asBool() const {
  return kind == ValueType::boolean ? std::optional(bytes[0] != 0) : std::nullopt;
}

std::optional<std::string_view> Value::asString() const {
  return kind == ValueType::string ? Cursor(bytes).readString() : std::nullopt;
}

std::optional<std::vector<std::string_view>> Value::asStrings() const {
  if (kind != ValueType::array || element != ValueType::string)
    return std::nullopt;
  std::vector<std::string_view> strings;
  strings.reserve(numElements); // each has 8 bytes in the file at least
  Cursor cursor(bytes);
  for (uint64_t i = 0; i < numElements; ++i)
    strings.push_back(cursor.readString().value_or(""));
  return strings;
}

std::optional<std::vector<int64_t>> Value::asIntegers() const {
  if (kind != ValueType::array)
    return std::nullopt;
  std::vector<int64_t> integers;
  Cursor cursor(bytes);
  for (uint64_t i = 0; i < numElements; ++i) {
    std::optional<int64_t> integer = toSigned(readNumber(element, cursor));
    if (!integer)
      return std::nullopt;
    integers.push_back(*integer);
  }
  return integers;
}

std::optional<std::vector<bool>> Value::asBools() const {
  if (kind != ValueType::array || element != ValueType::boolean)
    return std::nullopt;
  std::vector<bool> flags;
  for (uint8_t byte : bytes)
    flags.push_back(byte != 0);
  return flags;
}

std::optional<std::vector<float>> Value::asReals() const {
  if (kind != ValueType::array)
    return std::nullopt;
  std::vector<float> reals;
  Cursor cursor(bytes);
  for (uint64_t i = 0; i < numElements; ++i) {
    Number number = readNumber(element, cursor);
    if (number.kind == Number::none)
      return std::nullopt;
    reals.push_back(float(number.value));
  }
  return reals;
}

std::string Value::elementSummary(Cursor &cursor) const {
  if (element == ValueType::string)
    return inQuotes(cursor.readString().value_or(""));
  if (element == ValueType::boolean)
    return cursor.read<uint8_t>().value_or(0) ? "true" : "false";
  return decimal(readNumber(element, cursor));
}

std::string Value::summary() const {
  Cursor cursor(bytes);
  if (kind != ValueType::array)
    return elementSummary(cursor);
  constexpr uint64_t kShown = 4;
  std::string text = std::to_string(numElements) + " x " + kValueTypes[uint32_t(element)].name + " [";
  for (uint64_t i = 0; i < numElements && i < kShown; ++i)
    text += (i ? ", " : "") + elementSummary(cursor);
  return text + (numElements > kShown ? ", …]" : "]");
}

} // namespace kvasir::gguf
