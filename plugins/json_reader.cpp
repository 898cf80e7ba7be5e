// SPDX-License-Identifier: MIT
#include "plugins/json_reader.h"

#include "plugins/quotes.h"

#include <algorithm>

namespace kvasir {
namespace {

const Json kAbsent;
constexpr size_t kMaxEnumBytes = 32;

/// Why the text had better not be parsed, by its brackets and commas outside strings.
Status checkSize(std::string_view text) {
  unsigned depth = 0;
  unsigned numMembers[kMaxJsonDepth + 1] = {}; // by depth; stays 0 in arrays
  bool quoted = false;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted && c == '\\')
      ++at;
    else if (c == '"')
      quoted = !quoted;
    else if (!quoted && (c == '{' || c == '[')) {
      if (++depth > kMaxJsonDepth)
        return Failure{"JSON is nested more than " + std::to_string(kMaxJsonDepth) + " deep"};
      numMembers[depth] = c == '{';
    } else if (!quoted && (c == '}' || c == ']') && depth)
      --depth;
    else if (!quoted && c == ',' && numMembers[depth] && ++numMembers[depth] > kMaxJsonMembers)
      return Failure{"a JSON object has more than " + std::to_string(kMaxJsonMembers) + " members"};
  }
  return Done{};
}

} // namespace

Result<Json> parseJson(std::string_view text) {
  if (Status status = checkSize(text); !status)
    return Failure{status.message()};
  Json value = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded())
    return Failure{"is no JSON text"};
  return value;
}

std::string jsonText(const Json &json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

JsonReader JsonReader::member(const char *key) const {
  const std::string inner = path.empty() ? key : path + "." + key;
  if (has(key))
    return {value[key], inner, failure};
  fail(std::string("has no member '") + key + "'");
  return {kAbsent, inner, failure};
}

void JsonReader::onlyMembers(std::initializer_list<const char *> keys) const {
  if (!value.is_object())
    return fail("is no object");
  for (const auto &[key, ignored] : value.items())
    if (std::none_of(keys.begin(), keys.end(), [&, &key = key](const char *known) { return key == known; }))
      return fail("has an unknown member " + inQuotes(key));
}

size_t JsonReader::size(size_t limit) const {
  if (!value.is_array()) {
    fail("is no array");
    return 0;
  }
  if (value.size() > limit) {
    fail("has " + std::to_string(value.size()) + " elements, at most " + std::to_string(limit) + " are allowed");
    return 0;
  }
  return value.size();
}

JsonReader JsonReader::element(size_t index) const {
  const std::string inner = path + "[" + std::to_string(index) + "]";
  if (value.is_array() && index < value.size())
    return {value[index], inner, failure};
  fail("has no element " + std::to_string(index));
  return {kAbsent, inner, failure};
}

uint64_t JsonReader::number(uint64_t min, uint64_t max) const {
  const bool whole = value.is_number_unsigned();
  const uint64_t found = whole ? value.get<uint64_t>() : 0;
  if (whole && found >= min && found <= max)
    return found;
  fail((whole ? "is " + std::to_string(found) : std::string("is no whole number")) + ", expected " +
       std::to_string(min) + " to " + std::to_string(max));
  return min;
}

int64_t JsonReader::integer(int64_t min, int64_t max) const {
  const bool whole = value.is_number_integer() && (!value.is_number_unsigned() || value.get<uint64_t>() <= INT64_MAX);
  const int64_t found = whole ? value.get<int64_t>() : 0;
  if (whole && found >= min && found <= max)
    return found;
  fail((whole ? "is " + std::to_string(found) : std::string("is no integer")) + ", expected " + std::to_string(min) +
       " to " + std::to_string(max));
  return min;
}

bool JsonReader::boolean() const {
  if (value.is_boolean())
    return value.get<bool>();
  fail("is neither true nor false");
  return false;
}

std::string JsonReader::text(size_t maxBytes) const {
  if (!value.is_string()) {
    fail("is no string");
    return {};
  }
  const auto &found = value.get_ref<const std::string &>();
  if (found.size() > maxBytes) {
    fail("is a string of " + std::to_string(found.size()) + " bytes, at most " + std::to_string(maxBytes) +
         " are allowed");
    return {};
  }
  if (std::any_of(found.begin(), found.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
    fail("has a control character");
    return {};
  }
  return found;
}

size_t JsonReader::nameIndex(const char *const *names, size_t numNames) const {
  const std::string found = text(kMaxEnumBytes);
  std::string expected;
  for (size_t i = 0; i < numNames; ++i) {
    if (found == names[i])
      return i;
    expected += (i ? ", " : "") + std::string(names[i]);
  }
  fail("is '" + found + "', expected one of " + expected);
  return 0;
}

void JsonReader::fail(const std::string &message) const {
  if (!failure)
    failure = Failure{path.empty() ? message : path + ": " + message};
}

} // namespace kvasir
