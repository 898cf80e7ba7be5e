// SPDX-License-Identifier: MIT
// The numbers of an architecture, as a file's metadata states them.
#ifndef KVASIR_MODELS_CONFIGURATION_H
#define KVASIR_MODELS_CONFIGURATION_H

#include "compiler/frontends/gguf/reader.h"

#include <optional>
#include <string>
#include <vector>

namespace kvasir {

/// Reads keys under an architecture's prefix ("llama." and so on) and remembers the first that is missing or wrong, so
/// that a configuration is read in one go and asked about once.
class Configuration {
public:
  Configuration(const gguf::File &file, std::string architecture) : file(file), prefix(std::move(architecture) + ".") {}

  /// A number that must be there, from 1 to 2^31 - 1.
  int64_t count(std::string_view name);
  int64_t count(std::string_view name, int64_t otherwise);

  /// A finite number.
  double real(std::string_view name);
  double real(std::string_view name, double otherwise);
  /// One that must be there and is not 0.
  double nonZero(std::string_view name);

  std::string string(std::string_view name, std::string_view otherwise);
  bool flag(std::string_view name, bool otherwise);

  bool contains(std::string_view name) const { return find(name) != nullptr; }

  /// How many rows a token sees where layers slide: attention.sliding_window; nothing where that is all of `context`,
  /// or 0.
  std::optional<int64_t> window(int64_t context, int64_t otherwise = 0);

  /// Which layers slide, from the first on, until it begins again: attention.sliding_window_pattern, a flag for each
  /// layer, or the number of layers of which the last does not slide.
  std::vector<bool> slidingTurn(int64_t otherwise);

  /// A tokenizer, if there is one, may not make ids that the model has no row for.
  void checkTokens(int64_t vocabulary);

  /// Notes that the configuration is wrong; only the first time counts.
  void fail(std::string message);

  const std::optional<Failure> &failure() const { return first; }

private:
  const gguf::Value *find(std::string_view name) const { return file.find(prefix + std::string(name)); }
  void failValue(std::string_view name, const gguf::Value *value, const char *expected);

  const gguf::File &file;
  std::string prefix;
  std::optional<Failure> first;
};

} // namespace kvasir

#endif
