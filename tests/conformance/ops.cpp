// SPDX-License-Identifier: MIT
#include "tests/conformance/kit.h"
#include "tests/conformance/tolerance.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <random>

namespace conformance {
namespace {

using Random = std::mt19937_64;

// One, two, odd, a tile of rows less one, whole and more one, two tiles and a rest. Linears may have kernels of their
// own for many rows, in blocks of 128: a block that is longer, a block and a rest. The long run has more.
constexpr uint64_t kTokens[] = {1, 2, 3, 5, 8, 32, 33, 67};
constexpr uint64_t kManyTokens[] = {139, 161};
constexpr uint64_t kMoreTokens[] = {4, 7, 16, 31, 64, 128, 129};

template <typename T, typename Next> std::vector<uint8_t> fill(uint64_t count, Next next) {
  std::vector<uint8_t> bytes(count * sizeof(T));
  for (uint64_t i = 0; i < count; ++i) {
    const T value = next();
    std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
  }
  return bytes;
}

/// In (-1, 1), sums of three: near normal, the same on every machine.
float draw(Random &random) {
  float sum = 0;
  for (int i = 0; i < 3; ++i)
    sum += float(int64_t(random() >> 40) - (1 << 23)) * 0x1p-23f;
  return sum;
}

Rounding roundingOf(const Plugin &plugin) {
  const std::string activations = plugin.activations();
  return activations == "int8" ? Rounding::int8 : activations == "bf16" ? Rounding::bf16 : Rounding::none;
}

class OpRunner {
public:
  OpRunner(Kit &kit, const Family &family, const Kit::Pair &pair)
      : kit(kit), report(kit.report), reference(pair.reference, 1), tested(pair.tested, 1), team(pair.tested, 3),
        tolerance(reference, roundingOf(tested)), family(family) {}

  void run() {
    for (const OpCase &op : family.cases)
      if (op.function.find(kit.only) != std::string::npos)
        run(op);
    if (tested.state.length() || reference.state.length())
      report.fail(family.name, "changes a state that no function takes");
  }

private:
  void run(const OpCase &op) {
    std::vector<uint64_t> counts(std::begin(kTokens), std::end(kTokens));
    if (hasLinears(op.kind))
      counts.insert(counts.end(), std::begin(kManyTokens), std::end(kManyTokens));
    if (kit.isLong)
      counts.insert(counts.end(), std::begin(kMoreTokens), std::end(kMoreTokens));
    for (const uint64_t tokens : counts)
      compare(op, tokens);
    refuse(op);
  }

  std::vector<Tensor> inputsOf(const OpCase &op, uint64_t tokens) {
    std::vector<Tensor> tensors;
    for (const Json &input : reference.about(op.function).at("inputs"))
      tensors.push_back(randomTensor(input, tokens, op));
    return tensors;
  }

  Tensor randomTensor(const Json &about, uint64_t tokens, const OpCase &op) {
    Tensor tensor{about.at("name"), KVASIR_F32, {}, {}};
    uint64_t count = 1;
    for (const Json &extent : about.at("shape")) {
      tensor.dims.push_back(extent.is_string() ? tokens : extent.get<uint64_t>());
      count *= tensor.dims.back();
    }
    const std::string element = about.at("element");
    if (element == "f32") {
      const bool hasTies = tensor.name == "logits";
      tensor.bytes = fill<float>(count, [&] { return hasTies ? std::round(8 * draw(random)) / 8 : draw(random); });
    } else if (element == "i64") {
      tensor.element = KVASIR_I64;
      tensor.bytes = fill<int64_t>(count, [&] { return int64_t(random() % 1000000); });
    } else {
      const bool isOfExperts = tensor.name == "experts"; // of which some there are not
      const int32_t limit = isOfExperts ? 8 : tensor.name == "layer" ? 3 : rowsOf(op);
      tensor.element = KVASIR_I32;
      tensor.bytes = fill<int32_t>(count, [&] { return int32_t(random() % limit) - isOfExperts; });
    }
    return tensor;
  }

  /// N of the weight, which the name says: "embedding.f16.33x64".
  static int32_t rowsOf(const OpCase &op) { return std::stoi(op.function.substr(op.function.rfind('.') + 1)); }

  void compare(const OpCase &op, uint64_t tokens) {
    const std::vector<Tensor> inputs = inputsOf(op, tokens);
    const std::string name = op.function + " of " + std::to_string(tokens) + " tokens";
    ++report.numOpCases;
    try {
      const std::vector<float> expected = reference.call(op.function, inputs),
                               actual = tested.call(op.function, inputs);
      compareNumbers(name, expected, actual, tolerance.of(op, inputs, expected));
      compareBits(op, name, inputs, tokens, actual);
    } catch (const kvasir::Error &error) {
      report.fail(name, error.what());
    }
  }

  void compareNumbers(const std::string &name, const std::vector<float> &expected, const std::vector<float> &actual,
                      const std::vector<double> &limits) {
    if (actual.size() != expected.size())
      return report.fail(name, "gives " + std::to_string(actual.size()) + " numbers");
    for (size_t i = 0; i < actual.size(); ++i) {
      const double difference = std::abs(double(actual[i]) - expected[i]);
      if (!(difference <= limits[i]))
        return report.fail(name, "number " + std::to_string(i) + " is " + std::to_string(actual[i]) + ", reference's " +
                                     std::to_string(expected[i]) + "; they may be " + std::to_string(limits[i]) +
                                     " apart");
      if (limits[i] > 0 && difference / limits[i] > report.worst) {
        report.worst = difference / limits[i];
        report.worstCase = name;
      }
    }
  }

  /// Results depend on no number of members; a row on no other row, nor on how many there are, where that is promised.
  void compareBits(const OpCase &op, const std::string &name, const std::vector<Tensor> &inputs, uint64_t tokens,
                   const std::vector<float> &whole) {
    ++report.numBitChecks;
    if (team.call(op.function, inputs) != whole)
      report.fail(name, "gives other bits on three threads");
    if (!tested.isInvariant())
      return;
    const size_t width = whole.size() / tokens;
    for (uint64_t row = 0; row < tokens; row += tokens > 8 ? tokens - 1 : 1) {
      std::vector<Tensor> one;
      for (const Tensor &tensor : inputs)
        one.push_back(tensor.rowOf(row, tokens));
      const std::vector<float> alone = tested.call(op.function, one);
      if (alone.size() != width || std::memcmp(alone.data(), whole.data() + row * width, width * sizeof(float)) != 0)
        return report.fail(name, "gives other bits to row " + std::to_string(row) + " alone");
    }
  }

  /// A layer or an id that there is not, and an input of another shape.
  void refuse(const OpCase &op) {
    std::vector<Tensor> inputs = inputsOf(op, 2);
    for (Tensor &tensor : inputs)
      if (tensor.element == KVASIR_I32 && tensor.name != "experts") { // each number stands for one
        const int32_t outside = tensor.name == "layer" ? 3 : rowsOf(op);
        const std::vector<uint8_t> good = tensor.bytes;
        for (const int32_t value : {outside, -1}) {
          std::memcpy(tensor.bytes.data() + tensor.bytes.size() - 4, &value, 4);
          expectRefusal(op, inputs, tensor.name + " " + std::to_string(value));
        }
        tensor.bytes = good;
      }
    Tensor &first = inputs[0];
    first.dims.back() += 1;
    first.bytes.resize(first.bytes.size() * 2);
    expectRefusal(op, inputs, "an input of another shape");
  }

  void expectRefusal(const OpCase &op, const std::vector<Tensor> &inputs, const std::string &what) {
    ++report.numErrors;
    try {
      tested.call(op.function, inputs);
      report.fail(op.function, "takes " + what);
    } catch (const kvasir::Error &error) {
      if (error.status() != KV_BAD_INPUT)
        report.fail(op.function, "refuses " + what + " as " + kvasir_status_name(error.status()) + ": " + error.what());
    }
  }

  Kit &kit;
  Report &report;
  Plugin reference, tested, team;
  Tolerance tolerance;
  const Family &family;
  Random random{11};
};

/// Every op of the case is a kernel's, or the list says why not. Ops that may be fused are only counted.
void countFate(Kit &kit, const OpCase &op, const std::vector<Json> &fates) {
  std::string reason;
  for (const Json &fate : fates)
    if (fate.contains("reason"))
      reason = fate.at("reason");
  if (op.isFused)
    ++kit.report.numFused;
  else
    kit.countFate(op.function, reason);
}

} // namespace

void runOps(Kit &kit, const Family &family) {
  if (std::none_of(family.cases.begin(), family.cases.end(),
                   [&](const OpCase &op) { return op.function.find(kit.only) != std::string::npos; }))
    return;
  const std::filesystem::path source = kit.write(family.name, family.program);
  Kit::Fates fates = kit.explain(source);
  for (const OpCase &op : family.cases)
    if (op.function.find(kit.only) != std::string::npos)
      countFate(kit, op, fates[op.function]);
  if (!kit.isOfFates)
    OpRunner(kit, family, kit.compile(source)).run();
}

} // namespace conformance
