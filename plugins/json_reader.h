// SPDX-License-Identifier: MIT
// Strict reading of hostile JSON: each step checks, the first failure sticks and names where it was.
#ifndef KVASIR_PLUGINS_JSON_READER_H
#define KVASIR_PLUGINS_JSON_READER_H

#include "plugins/result.h"

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace kvasir {

/// Objects keep the order in which they were written, so that equal descriptions have equal bytes.
using Json = nlohmann::ordered_json;

/// Nesting deeper than this is refused before it is parsed: the parser's destructor recurses.
inline constexpr unsigned kMaxJsonDepth = 32;

/// So is an object of more members: each is looked for among those before it.
inline constexpr unsigned kMaxJsonMembers = 256;

/// Parses text without throwing. Fails on text that isn't UTF-8, isn't JSON, is too deep or has too large an object.
Result<Json> parseJson(std::string_view text);

/// The text of a value on one line; bytes that aren't UTF-8 are replaced.
std::string jsonText(const Json &json);

/// One value and the path to it. After the first failure every read returns an empty value; `failure` tells.
class JsonReader {
public:
  JsonReader(const Json &value, std::string path, std::optional<Failure> &failure)
      : value(value), path(std::move(path)), failure(failure) {}

  /// The member, which must be there. An absent one reads as null and fails.
  JsonReader member(const char *key) const;
  bool has(const char *key) const { return value.is_object() && value.contains(key); }

  /// Fails if the value is no object, or has a member that isn't listed.
  void onlyMembers(std::initializer_list<const char *> keys) const;

  /// The elements of an array of at most `limit`; 0 elements and a failure if it is none.
  size_t size(size_t limit) const;
  JsonReader element(size_t index) const;

  uint64_t number(uint64_t min, uint64_t max) const;
  int64_t integer(int64_t min, int64_t max) const;
  bool boolean() const;

  /// A string of at most `maxBytes` without control characters: it will be printed.
  std::string text(size_t maxBytes) const;

  /// One of the names, as the enum of its index.
  template <typename Enum, size_t N> Enum oneOf(const char *const (&names)[N]) const {
    return Enum(nameIndex(names, N));
  }

  /// Fails with `path: message`, unless something failed before.
  void fail(const std::string &message) const;
  bool failed() const { return failure.has_value(); }
  const Json &json() const { return value; }

private:
  size_t nameIndex(const char *const *names, size_t numNames) const;

  const Json &value;
  std::string path;
  std::optional<Failure> &failure;
};

} // namespace kvasir

#endif
