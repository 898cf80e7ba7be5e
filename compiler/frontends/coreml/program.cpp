// SPDX-License-Identifier: MIT
#include "compiler/frontends/coreml/program.h"

#include "plugins/quotes.h"

#include <cstring>

namespace kvasir::coreml {
namespace {

template <typename T> int64_t readAs(const uint8_t *bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return int64_t(value);
}

/// An element of at most 8 bits, bit-contiguous.
int64_t readPacked(std::span<const uint8_t> bytes, uint64_t index, uint32_t bits, bool isSigned) {
  uint64_t value = 0;
  for (uint32_t bit = 0; bit < bits; ++bit) {
    const uint64_t at = index * bits + bit;
    value |= uint64_t(bytes[at / 8] >> at % 8 & 1) << bit;
  }
  const bool isNegative = isSigned && (value >> (bits - 1) & 1);
  return isNegative ? int64_t(value) - (int64_t(1) << bits) : int64_t(value);
}

std::optional<int64_t> readInteger(const Constant &constant, uint64_t index) {
  const uint32_t bits = facts(constant.type.element).bits;
  const uint8_t *at = constant.bytes.data() + index * bits / 8;
  switch (constant.type.element) {
  case Element::i4:
    return readPacked(constant.bytes, index, bits, true);
  case Element::u1:
  case Element::u2:
  case Element::u3:
  case Element::u4:
  case Element::u6:
    return readPacked(constant.bytes, index, bits, false);
  case Element::boolean:
    return *at != 0;
  case Element::i8:
    return readAs<int8_t>(at);
  case Element::u8:
    return readAs<uint8_t>(at);
  case Element::i16:
    return readAs<int16_t>(at);
  case Element::u16:
    return readAs<uint16_t>(at);
  case Element::i32:
    return readAs<int32_t>(at);
  case Element::u32:
    return readAs<uint32_t>(at);
  case Element::i64:
    return readAs<int64_t>(at);
  case Element::u64:
    return readAs<int64_t>(at) >= 0 ? std::optional(readAs<int64_t>(at)) : std::nullopt;
  default:
    return std::nullopt;
  }
}

} // namespace

std::string text(const TensorType &type) {
  std::string line(facts(type.element).name);
  line += '[';
  for (size_t i = 0; i < type.dims.size(); ++i)
    line += (i ? ", " : "") + (type.dims[i] == kAnySize ? std::string("?") : std::to_string(type.dims[i]));
  return line + ']';
}

std::string text(const Type &type) {
  constexpr std::string_view kNames[] = {"", "state ", "list of "};
  return std::string(kNames[size_t(type.kind)]) + text(type.tensor);
}

uint64_t Constant::numElements() const {
  uint64_t count = 1;
  for (int64_t dim : type.dims)
    count *= uint64_t(dim);
  return count;
}

std::optional<std::vector<int64_t>> Constant::asIntegers() const {
  std::vector<int64_t> integers(numElements());
  for (uint64_t i = 0; i < integers.size(); ++i) {
    std::optional<int64_t> integer = readInteger(*this, i);
    if (!integer)
      return std::nullopt;
    integers[i] = *integer;
  }
  return integers;
}

std::optional<int64_t> Constant::integerAt(uint64_t index) const { return readInteger(*this, index); }

std::optional<std::string_view> Constant::asString() const {
  if (type.element != Element::string || strings.size() != 1)
    return std::nullopt;
  return strings.front();
}

const Operand *Operation::find(std::string_view input) const {
  auto found = inputs.find(input);
  return found == inputs.end() || found->second.size() != 1 ? nullptr : &found->second.front();
}

const Constant *Function::constantOf(const Operand &operand) const {
  if (operand.literal)
    return &*operand.literal;
  const std::optional<Constant> &constant = values[*operand.value].constant;
  return constant ? &*constant : nullptr;
}

std::string Function::describe(const Operation &operation) const {
  std::string line = operation.type;
  if (!operation.outputs.empty())
    line += ' ' + inQuotes(nameOf(operation.outputs.front()));
  else if (const auto name = operation.attributes.find("name"); name != operation.attributes.end())
    line += ' ' + inQuotes(name->second.asString().value_or(""));
  return line + " (op " + std::to_string(operation.index) + ')';
}

} // namespace kvasir::coreml
