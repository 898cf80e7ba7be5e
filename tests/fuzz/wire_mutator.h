// SPDX-License-Identifier: MIT
// Protobufs changed field by field: what frames them stays right, so that a reader gets to what they say.
#ifndef KVASIR_TESTS_FUZZ_WIRE_MUTATOR_H
#define KVASIR_TESTS_FUZZ_WIRE_MUTATOR_H

#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string_view>
#include <vector>

namespace kvasir::test {

struct WireField;
using WireMessage = std::vector<WireField>;

/// A field as it lies in the bytes. No schema is known: bytes that read as fields are a message.
struct WireField {
  enum class Form : uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5, message };

  uint32_t number;
  Form form;
  uint64_t value = 0;
  std::vector<uint8_t> bytes;
  WireMessage fields;

  bool isText() const; ///< printable bytes
  bool operator==(const WireField &) const = default;
};

/// Nothing if the bytes are no fields.
std::optional<WireMessage> parseWire(std::span<const uint8_t> bytes);
std::vector<uint8_t> serialise(const WireMessage &message);

/// One change: a field goes, is doubled or moves; its number, its value, a name, an element of a list or what it holds
/// becomes another's or an edge case, here or wherever the same is. `words` are texts that mean something to the
/// reader.
void mutate(WireMessage &message, std::span<const std::string_view> words, std::mt19937 &random);

} // namespace kvasir::test

#endif
