// SPDX-License-Identifier: MIT
#include "tests/conformance/plugin.h"

#include "tests/conformance/crash.h"

#include <sys/wait.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace conformance {
namespace {

/// One word for a shell.
std::string quoted(const std::string &word) {
  std::string text = "'";
  for (const char c : word)
    text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

/// Runs a command; gives what it said, or throws that.
std::string run(const std::vector<std::string> &words) {
  std::string command, said;
  for (const std::string &word : words)
    command += quoted(word) + " ";
  FILE *pipe = popen((command + "2>&1").c_str(), "r");
  if (!pipe)
    throw std::runtime_error("cannot run " + command);
  char buffer[4096];
  while (const size_t size = fread(buffer, 1, sizeof buffer, pipe))
    said.append(buffer, size);
  const int status = pclose(pipe);
  if (status != 0)
    throw std::runtime_error(said);
  return said;
}

/// Of row `row` of `rows`, at the end of `to`.
void appendRow(std::vector<float> &to, const kvasir_tensor &tensor, uint64_t row, uint64_t rows) {
  const uint64_t width = tensor.size_bytes / 4 / rows;
  if (tensor.element == KVASIR_F32) {
    const auto *values = static_cast<const float *>(tensor.bytes);
    to.insert(to.end(), values + row * width, values + (row + 1) * width);
  } else {
    const auto *values = static_cast<const int32_t *>(tensor.bytes);
    to.insert(to.end(), values + row * width, values + (row + 1) * width);
  }
}

} // namespace

Tensor makeTensor(std::string name, std::vector<uint64_t> dims, std::span<const float> values) {
  Tensor tensor{std::move(name), KVASIR_F32, std::move(dims), std::vector<uint8_t>(values.size_bytes())};
  std::memcpy(tensor.bytes.data(), values.data(), values.size_bytes());
  return tensor;
}

Tensor makeTensor(std::string name, std::span<const int32_t> values) {
  Tensor tensor{std::move(name), KVASIR_I32, {values.size()}, std::vector<uint8_t>(values.size_bytes())};
  std::memcpy(tensor.bytes.data(), values.data(), values.size_bytes());
  return tensor;
}

Tensor Tensor::rowOf(uint64_t row, uint64_t tokens) const {
  if (dims.empty() || dims[0] != tokens || name == "layer")
    return *this;
  const size_t size = bytes.size() / tokens;
  Tensor one{name, element, dims, {bytes.begin() + row * size, bytes.begin() + (row + 1) * size}};
  one.dims[0] = 1;
  return one;
}

void Compiler::compile(const std::filesystem::path &source, const std::filesystem::path &plugin) const {
  std::vector<std::string> words{program, source, "--random-weights", "1", "--backend", backend, "-o", plugin};
  words.insert(words.end(), arguments.begin(), arguments.end());
  run(words);
}

std::map<std::string, std::vector<Json>> Compiler::explain(const std::filesystem::path &source) const {
  std::vector<std::string> words{program, source, "--backend", backend, "--explain", "--json"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::map<std::string, std::vector<Json>> fates;
  const Json said = Json::parse(run(words));
  for (const Json &fate : said.at("ops"))
    fates[fate.at("function")].push_back(fate);
  return fates;
}

std::vector<float> Plugin::call(const std::string &function, const std::vector<Tensor> &tensors) {
  nowRuns(function);
  std::vector<kvasir::Input> inputs;
  for (const Tensor &tensor : tensors)
    inputs.push_back(tensor.input());
  const kvasir::Outputs outputs = model.call(function, state, inputs, {kvasir::Wanted::all});
  std::vector<float> values;
  const uint64_t rows = outputs[0].dims[0];
  for (uint64_t row = 0; row < rows; ++row)
    for (uint64_t i = 0; i < outputs.count(); ++i)
      appendRow(values, outputs[i], row, rows);
  return values;
}

} // namespace conformance
