// SPDX-License-Identifier: MIT
// Compiled programs, and calls of their functions.
#ifndef KVASIR_CONFORMANCE_PLUGIN_H
#define KVASIR_CONFORMANCE_PLUGIN_H

#include "kvasir/kvasir.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace conformance {

using Json = nlohmann::json;

/// One input with the bytes that it stands for.
struct Tensor {
  std::string name;
  uint32_t element;
  std::vector<uint64_t> dims;
  std::vector<uint8_t> bytes;

  kvasir::Input input() const { return {name, bytes.data(), bytes.size(), element, dims}; }
  std::span<const float> floats() const { return {reinterpret_cast<const float *>(bytes.data()), bytes.size() / 4}; }
  /// Its `row`-th row alone, if it has a row for each of `tokens`; else itself.
  Tensor rowOf(uint64_t row, uint64_t tokens) const;
};

Tensor makeTensor(std::string name, std::vector<uint64_t> dims, std::span<const float> values);
Tensor makeTensor(std::string name, std::span<const int32_t> values);

/// How kvasir-compile is called.
struct Compiler {
  std::string program;                ///< its path
  std::string backend;                ///< name or path
  std::vector<std::string> arguments; ///< --activations …

  /// Compiles a program with made-up weights; throws with what it said.
  void compile(const std::filesystem::path &source, const std::filesystem::path &plugin) const;
  /// What --explain says of it, function by function.
  std::map<std::string, std::vector<Json>> explain(const std::filesystem::path &source) const;
};

/// A plugin with a team, and a state that calls without slots need.
class Plugin {
public:
  Plugin(const std::filesystem::path &path, uint32_t threads)
      : model(path.string(), {threads}), state(model.makeState()), description(Json::parse(model.description())) {
    for (const Json &function : description.at("functions"))
      functions[function.at("name")] = function;
  }

  /// The results' numbers, row by row where there are several; integers as numbers.
  std::vector<float> call(const std::string &function, const std::vector<Tensor> &tensors);
  const Json &about(const std::string &function) const { return functions.at(function); }
  std::string activations() const { return description.at("numerics").at("activations"); }
  bool isInvariant() const { return description.at("numerics").at("invariant"); }

  kvasir::Model model;
  kvasir::State state;
  Json description;

private:
  std::map<std::string, Json> functions;
};

} // namespace conformance

#endif
