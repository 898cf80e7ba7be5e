// SPDX-License-Identifier: MIT
// What a function that can fail on bad input returns, in code that throws nothing.
#ifndef KVASIR_PLUGINS_RESULT_H
#define KVASIR_PLUGINS_RESULT_H

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace kvasir {

/// One line that says what was found, what was expected and what to do; lower case, no period.
struct Failure {
  std::string message;
};

/// A value, or the one line that says why there is none.
template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : content(std::in_place_index<0>, std::move(value)) {}
  Result(Failure failure) : content(std::in_place_index<1>, std::move(failure)) {}

  explicit operator bool() const { return content.index() == 0; }
  T &operator*() { return value(); }
  const T &operator*() const { return *std::get_if<0>(&content); }
  T *operator->() { return &value(); }
  const T *operator->() const { return std::get_if<0>(&content); }

  /// The failure's line. Only when there is no value.
  const std::string &message() const {
    assert(!*this && "a value has no message");
    return std::get_if<1>(&content)->message;
  }

private:
  T &value() {
    assert(*this && "a failure has no value");
    return *std::get_if<0>(&content);
  }

  std::variant<T, Failure> content;
};

/// The value of a function that only succeeds or fails.
struct Done {};
using Status = Result<Done>;

} // namespace kvasir

#endif
