// SPDX-License-Identifier: MIT
#include "tests/fuzz/wire_mutator.h"

#include "tests/unit/damage.h"

#include <algorithm>
#include <cstring>

namespace kvasir::test {
namespace {

using Form = WireField::Form;
using Bytes = std::vector<uint8_t>;

constexpr int kDeepest = 120;          ///< deeper than protobuf reads
constexpr uint32_t kMostNumber = 1024; ///< of fields
constexpr uint32_t kResults = 3;       ///< the field of an op that defines names

std::optional<uint64_t> takeVarint(std::span<const uint8_t> &rest) {
  uint64_t value = 0;
  for (uint32_t shift = 0; shift < 64 && !rest.empty(); shift += 7) {
    const uint8_t byte = rest.front();
    rest = rest.subspan(1);
    value |= uint64_t(byte & 127) << shift;
    if (byte < 128)
      return value;
  }
  return std::nullopt;
}

void putVarint(Bytes &bytes, uint64_t value) {
  for (; value > 127; value >>= 7)
    bytes.push_back(uint8_t(value | 128));
  bytes.push_back(uint8_t(value));
}

std::optional<std::vector<uint64_t>> parseNumbers(std::span<const uint8_t> rest) {
  std::vector<uint64_t> numbers;
  while (!rest.empty()) {
    const std::optional<uint64_t> number = takeVarint(rest);
    if (!number)
      return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

Bytes serialiseNumbers(const std::vector<uint64_t> &numbers) {
  Bytes bytes;
  for (const uint64_t number : numbers)
    putVarint(bytes, number);
  return bytes;
}

std::optional<WireMessage> parse(std::span<const uint8_t> rest, int depth);

std::optional<WireField> takeField(std::span<const uint8_t> &rest, int depth) {
  const std::optional<uint64_t> tag = takeVarint(rest);
  if (!tag || *tag < 8 || *tag / 8 > kMostNumber)
    return std::nullopt;
  WireField field{uint32_t(*tag / 8), Form(*tag % 8), 0, {}, {}};
  const bool isCounted = field.form == Form::varint || field.form == Form::bytes;
  const std::optional<uint64_t> count = isCounted ? takeVarint(rest) : std::optional<uint64_t>(0);
  if (!count)
    return std::nullopt;
  if (field.form == Form::varint) {
    field.value = *count;
    return field;
  }
  const uint64_t size = field.form == Form::fixed64   ? 8
                        : field.form == Form::fixed32 ? 4
                        : field.form == Form::bytes   ? *count
                                                      : UINT64_MAX;
  if (size > rest.size())
    return std::nullopt;
  field.bytes.assign(rest.begin(), rest.begin() + std::ptrdiff_t(size));
  rest = rest.subspan(size);
  if (field.form != Form::bytes) {
    std::memcpy(&field.value, field.bytes.data(), size);
    field.bytes.clear();
  } else if (!field.bytes.empty() && !field.isText() && depth > 0) {
    if (std::optional<WireMessage> fields = parse(field.bytes, depth - 1))
      field = {field.number, Form::message, 0, {}, std::move(*fields)};
  }
  return field;
}

std::optional<WireMessage> parse(std::span<const uint8_t> rest, int depth) {
  WireMessage message;
  while (!rest.empty()) {
    std::optional<WireField> field = takeField(rest, depth);
    if (!field)
      return std::nullopt;
    message.push_back(std::move(*field));
  }
  return message;
}

/// Where a field is.
struct Place {
  WireMessage *message;
  size_t index;

  WireField &field() const { return (*message)[index]; }
};

class Mutation {
public:
  Mutation(WireMessage &message, std::span<const std::string_view> words, std::mt19937 &random)
      : message(message), words(words), random(random) {
    collect(message, places);
  }

  void run() {
    if (places.empty())
      return;
    const Place place = any(places);
    WireField &field = place.field();
    switch (random() % 8) {
    case 0:
      place.message->erase(place.message->begin() + std::ptrdiff_t(place.index));
      return;
    case 1:
      return duplicate(place);
    case 2:
      return std::swap(field, any(*place.message));
    case 3:
      return exchange(message, field);
    case 4:
      return exchangeWithin(field);
    case 5:
      return exchangeNumber(field);
    default:
      field = variant(field);
    }
  }

private:
  template <typename T> T &any(std::vector<T> &list) { return list[random() % list.size()]; }

  static void collect(WireMessage &message, std::vector<Place> &places) {
    for (size_t i = 0; i < message.size(); ++i) {
      places.push_back({&message, i});
      collect(message[i].fields, places);
    }
  }

  /// Its results get names of their own, so that it can be read beside the first.
  void duplicate(const Place &place) {
    WireField copy = place.field();
    for (WireField &result : copy.fields)
      if (result.number == kResults && !result.fields.empty() && result.fields.front().isText())
        result.fields.front().bytes.push_back(uint8_t('0' + random() % 10));
    WireMessage &siblings = *place.message;
    siblings.insert(siblings.begin() + std::ptrdiff_t(random() % (siblings.size() + 1)), std::move(copy));
  }

  WireField variant(const WireField &field) {
    WireField changed = field;
    switch (random() % 8) {
    case 0:
      changed.number = 1 + random() % 8;
      return changed;
    case 1:
      return otherField(field);
    default:
      change(changed);
      return changed;
    }
  }

  /// Another field of this number and form; the same one if those that are tried are of others.
  WireField otherField(const WireField &field) {
    for (int tries = 0; tries < 64; ++tries)
      if (const WireField &other = any(places).field(); other.number == field.number && other.form == field.form)
        return other;
    return field;
  }

  void change(WireField &field) {
    if (field.form == Form::message && !field.fields.empty() && random() % 4) {
      WireField &inner = any(field.fields);
      inner = variant(inner);
    } else if (field.form == Form::message)
      field.fields.clear();
    else if (field.isText())
      field.bytes = otherText(field);
    else if (field.form == Form::bytes)
      changeList(field.bytes);
    else
      field.value = otherNumber(field.value);
  }

  void changeList(Bytes &bytes) {
    std::optional<std::vector<uint64_t>> numbers = parseNumbers(bytes);
    if (bytes.empty() || !numbers || random() % 4 == 0) {
      bytes.resize(std::max<size_t>(bytes.size(), 1));
      return damageOnce(bytes, random);
    }
    const auto at = numbers->begin() + std::ptrdiff_t(random() % numbers->size());
    if (random() % 4 == 0)
      numbers->erase(at);
    else if (random() % 4 == 0)
      numbers->insert(at, otherNumber(*at));
    else
      *at = otherNumber(*at);
    bytes = serialiseNumbers(*numbers);
  }

  static void replaceAll(WireMessage &message, const WireField &from, const WireField &to) {
    for (WireField &field : message)
      if (field == from)
        field = to;
      else
        replaceAll(field.fields, from, to);
  }

  /// What agreed in the message still does: a value's type and those of the ops that give and take it.
  void exchange(WireMessage &message, const WireField &field) {
    const WireField from = field, to = variant(field);
    replaceAll(message, from, to);
  }

  /// In one op, say: a constant's type and its elements'.
  void exchangeWithin(WireField &field) {
    std::vector<Place> inner;
    collect(field.fields, inner);
    if (inner.empty())
      field = variant(field);
    else
      exchange(field.fields, any(inner).field());
  }

  /// A number becomes another wherever it is, in lists as well.
  void exchangeNumber(const WireField &field) {
    std::vector<uint64_t> numbers{field.value};
    if (field.form == Form::bytes)
      numbers = parseNumbers(field.bytes).value_or(numbers);
    if (field.form == Form::message || numbers.empty())
      return;
    const uint64_t from = any(numbers), to = otherNumber(from);
    for (const Place &place : places) {
      WireField &each = place.field();
      if (each.form == Form::varint && each.value == from)
        each.value = to;
      if (each.form != Form::bytes || each.isText())
        continue;
      if (std::optional<std::vector<uint64_t>> list = parseNumbers(each.bytes)) {
        std::replace(list->begin(), list->end(), from, to);
        each.bytes = serialiseNumbers(*list);
      }
    }
  }

  Bytes otherText(const WireField &field) {
    if (!words.empty() && random() % 2) {
      const std::string_view word = words[random() % words.size()];
      return {word.begin(), word.end()};
    }
    for (int tries = 0; tries < 64; ++tries)
      if (const WireField &other = any(places).field(); other.isText())
        return other.bytes;
    return field.bytes;
  }

  uint64_t otherNumber(uint64_t number) {
    constexpr uint64_t kEdges[] = {
        0,          1,          2,          3,          uint64_t(-1),        uint64_t(-2), 127,
        128,        255,        1 << 15,    1 << 16,    INT32_MAX,           1u << 31,     UINT32_MAX,
        1ull << 32, 1ull << 40, 1ull << 61, 1ull << 62, uint64_t(INT64_MAX), 1ull << 63};
    switch (random() % 8) {
    case 0:
      return number + 1;
    case 1:
      return number - 1;
    case 2:
      return number * 2;
    case 3:
      return uint64_t(0) - number;
    case 4:
      return number ^ uint64_t(1) << random() % 64;
    case 5:
      return any(places).field().value;
    default:
      return kEdges[random() % std::size(kEdges)];
    }
  }

  WireMessage &message;
  std::span<const std::string_view> words;
  std::mt19937 &random;
  std::vector<Place> places;
};

} // namespace

bool WireField::isText() const {
  return form == Form::bytes && !bytes.empty() &&
         std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte >= 0x20 && byte < 0x7f; });
}

std::optional<WireMessage> parseWire(std::span<const uint8_t> bytes) { return parse(bytes, kDeepest); }

std::vector<uint8_t> serialise(const WireMessage &message) {
  Bytes bytes;
  for (const WireField &field : message) {
    const bool isMessage = field.form == Form::message;
    putVarint(bytes, uint64_t(field.number) * 8 + uint64_t(isMessage ? Form::bytes : field.form));
    if (field.form == Form::varint) {
      putVarint(bytes, field.value);
    } else if (isMessage || field.form == Form::bytes) {
      const Bytes content = isMessage ? serialise(field.fields) : field.bytes;
      putVarint(bytes, content.size());
      bytes.insert(bytes.end(), content.begin(), content.end());
    } else {
      const auto *value = reinterpret_cast<const uint8_t *>(&field.value);
      bytes.insert(bytes.end(), value, value + (field.form == Form::fixed64 ? 8 : 4));
    }
  }
  return bytes;
}

void mutate(WireMessage &message, std::span<const std::string_view> words, std::mt19937 &random) {
  Mutation(message, words, random).run();
}

} // namespace kvasir::test
