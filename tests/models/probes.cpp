// SPDX-License-Identifier: MIT
// Does each op of a model give the same on two backends?
//
// usage: probes EXPECTED.kvasir MODEL.kvasir
//
// Both are of one model, compiled with --probe and with exact activations. Each probe is called with the same random
// inputs, of one token and of several, in its last layer, on both; and once with a layer that there is not.
//
// How far may they be apart? Each computes a formula in f32, over rows of K numbers. An inner product has partial sums
// of the size of the largest result, and each of its K roundings adds at most 2^-24 of that; two orders of summation
// differ by at most twice as much. Other ops round a few times, for which at least 16 stand. So 2^-23 K, of the largest
// result, bounds all. Integers are chosen, not rounded: they are equal.
#include "kvasir/kvasir.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>

namespace {
using Json = nlohmann::json;
using Random = std::mt19937_64;

struct Plugin {
  explicit Plugin(const char *path) : model(path, {2}), state(model.makeState()) {}
  kvasir::Model model;
  kvasir::State state;
};

/// One input with the bytes that it stands for.
struct Tensor {
  std::string name;
  uint32_t element;
  std::vector<uint64_t> dims;
  std::vector<uint8_t> bytes;

  kvasir::Input input() const { return {name, bytes.data(), bytes.size(), element, dims}; }
};

template <typename T, typename Next> std::vector<uint8_t> fill(uint64_t count, Next next) {
  std::vector<uint8_t> bytes(count * sizeof(T));
  for (uint64_t i = 0; i < count; ++i) {
    const T value = next();
    std::copy_n(reinterpret_cast<const uint8_t *>(&value), sizeof(T), bytes.data() + i * sizeof(T));
  }
  return bytes;
}

Tensor randomTensor(Random &random, const Json &described, uint64_t tokens, int32_t layer) {
  Tensor tensor{described.at("name"), KVASIR_F32, {}, {}};
  uint64_t count = 1;
  for (const Json &extent : described.at("shape")) {
    tensor.dims.push_back(extent.is_string() ? tokens : extent.get<uint64_t>());
    count *= tensor.dims.back();
  }
  const std::string element = described.at("element");
  if (element == "f32") {
    tensor.bytes = fill<float>(count, [&] { return std::normal_distribution<float>()(random); });
  } else if (element == "i64") {
    tensor.element = KVASIR_I64;
    tensor.bytes = fill<int64_t>(count, [&] { return int64_t(random() % 4096); });
  } else {
    tensor.element = KVASIR_I32;
    const uint64_t numbers = tensor.name == "experts" ? 16 : 256; // some of which there are not
    tensor.bytes = fill<int32_t>(count, [&] { return tensor.name == "layer" ? layer : int32_t(random() % numbers); });
  }
  return tensor;
}

kvasir::Outputs call(Plugin &plugin, const std::string &function, const std::vector<Tensor> &tensors) {
  std::vector<kvasir::Input> inputs;
  for (const Tensor &tensor : tensors)
    inputs.push_back(tensor.input());
  return plugin.model.call(function, plugin.state, inputs, {kvasir::Wanted::all});
}

/// K: the length of a row of the first tensor of f32.
uint64_t columnsOf(const Json &function) {
  for (const char *side : {"inputs", "outputs"})
    for (const Json &tensor : function.at(side))
      if (tensor.at("element") == "f32")
        return tensor.at("shape").back();
  return 1;
}

/// The largest difference, as a part of the largest number; no number is worse than any.
double differenceOf(std::span<const float> a, std::span<const float> b) {
  double difference = a.size() == b.size() && !a.empty() ? 0 : INFINITY, largest = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double here = std::abs(double(a[i]) - b[i]);
    difference = std::isfinite(here) ? std::max(difference, here) : INFINITY;
    largest = std::max(largest, std::abs(double(a[i])));
  }
  return largest > 0 ? difference / largest : INFINITY;
}

/// Of the outputs the worst; infinite where integers are not equal.
double differenceOf(const kvasir::Outputs &a, const kvasir::Outputs &b) {
  double worst = a.count() == b.count() ? 0 : INFINITY;
  for (uint64_t i = 0; i < std::min(a.count(), b.count()); ++i) {
    const kvasir_tensor one = a[i], other = b[i];
    if (one.element == KVASIR_F32)
      worst = std::max(worst, differenceOf(a.floats(one.name), b.floats(other.name)));
    else if (one.size_bytes != other.size_bytes || std::memcmp(one.bytes, other.bytes, one.size_bytes) != 0)
      worst = INFINITY;
  }
  return worst;
}

bool refuses(Plugin &plugin, const std::string &function, const std::vector<Tensor> &tensors) {
  try {
    call(plugin, function, tensors);
    return false;
  } catch (const kvasir::Error &error) {
    return error.status() == KV_BAD_INPUT;
  }
}

class Comparison {
public:
  Comparison(const char *expected, const char *path) : expected(expected), actual(path) {}

  int run() {
    const Json description = Json::parse(actual.model.description());
    int32_t layers = 0; // of all kinds
    for (const Json &slot : description.at("slots"))
      layers += slot.at("layers").get<int32_t>();
    layers /= 2; // keys and values
    for (const Json &function : description.at("functions"))
      if (function.at("name").get<std::string>().starts_with("probe."))
        compare(function, layers);
    if (expected.state.length() || actual.state.length())
      fail("a probe", "changes a state");
    std::printf("%d probes, %d faults; the largest difference is %.2f of its limit\n", numProbes, numFailed, worst);
    return numFailed || !numProbes ? 1 : 0;
  }

private:
  void compare(const Json &function, int32_t layers) {
    const std::string name = function.at("name");
    const double limit = 0x1p-23 * double(std::max<uint64_t>(columnsOf(function), 16));
    ++numProbes;
    for (const uint64_t tokens : {1, 2, 67}) {
      const auto tensors = inputsOf(function, tokens, layers - 1);
      const double difference = differenceOf(call(expected, name, tensors), call(actual, name, tensors));
      worst = std::max(worst, difference / limit);
      if (!(difference <= limit))
        fail(name,
             "differs by " + std::to_string(difference) + " of its size for " + std::to_string(tokens) + " tokens");
    }
    const auto outside = inputsOf(function, 2, layers);
    const bool hasLayer = !outside.empty() && outside.back().name == "layer";
    if (hasLayer && !(refuses(expected, name, outside) && refuses(actual, name, outside)))
      fail(name, "takes a layer that there is not");
  }

  std::vector<Tensor> inputsOf(const Json &function, uint64_t tokens, int32_t layer) {
    std::vector<Tensor> tensors;
    for (const Json &input : function.at("inputs"))
      tensors.push_back(randomTensor(random, input, tokens, layer));
    return tensors;
  }

  void fail(const std::string &name, const std::string &text) {
    ++numFailed;
    std::printf("%s %s\n", name.c_str(), text.c_str());
  }

  Plugin expected, actual;
  Random random{11};
  int numProbes = 0, numFailed = 0;
  double worst = 0;
};
} // namespace

int main(int argc, char **argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: probes EXPECTED.kvasir MODEL.kvasir\n");
    return 2;
  }
  try {
    return Comparison(argv[1], argv[2]).run();
  } catch (const std::exception &failure) {
    std::fprintf(stderr, "probes: %s\n", failure.what());
    return 1;
  }
}
