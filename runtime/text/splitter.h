// SPDX-License-Identifier: MIT
#ifndef KVASIR_RUNTIME_TEXT_SPLITTER_H
#define KVASIR_RUNTIME_TEXT_SPLITTER_H

#include "plugins/result.h"

#include <memory>
#include <span>
#include <string_view>
#include <vector>

struct pcre2_real_code_8;

namespace kvasir {

/// Cuts texts into words by a list of regular expressions. Each is applied to the pieces that the one before left;
/// matches and what lies between them are pieces. May be used by any number of threads.
class Splitter {
public:
  /// Errors: a pattern that PCRE2 does not take. Cost: compiles the patterns, to machine code where the system lets it.
  static Result<Splitter> make(std::span<const std::string_view> patterns);

  /// The words of `text`, in order; together they are all of its bytes, and none is empty. Bytes that are not UTF-8
  /// are words of their own.
  /// Errors: a pattern that runs out of its limits on this text.
  Result<std::vector<std::string_view>> split(std::string_view text) const;

private:
  struct Release {
    void operator()(pcre2_real_code_8 *pattern) const;
  };
  std::vector<std::unique_ptr<pcre2_real_code_8, Release>> patterns;
};

} // namespace kvasir

#endif
