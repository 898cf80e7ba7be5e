// SPDX-License-Identifier: MIT
// Rows that are written and read as imported programs do it, call after call; masks are any numbers.
#include "tests/conformance/numbers.h"
#include "tests/conformance/rows.h"
#include "tests/conformance/sequences.h"

#include <algorithm>
#include <cmath>

namespace conformance {
namespace {

const RowsShape kShapes[] = {{1, 1}, {2, 5}, {2, 16}, {3, 20}, {2, 64}, {1, 128}};

// Around the borders of blocks at 128 and 256 rows; calls of one token take turns between the two functions.
constexpr uint64_t kCalls[] = {1, 2, 124, 1, 1, 126, 1, 1, 3, 1};

/// A number of v as a backend has it that stores rows in f32, f16 or bf16: rounded to f16, since v asks for it.
float storedOf(float value, const std::string &element) {
  const float rounded = float(_Float16(value));
  return element == "bf16" ? toBf16(rounded) : rounded;
}

/// A conversation, and all rows that it has had: [S, G, D].
struct Conversation {
  kvasir::State state;
  std::vector<float> keys, values;
};

class RowsRunner {
public:
  RowsRunner(Kit &kit, const RowsShape &shape, const Kit::Pair &pair)
      : report(kit.report), shape(shape), width(shape.heads * shape.width), reference(pair.reference, 1),
        tested(pair.tested, 2) {}

  void run() {
    for (Plugin *plugin : {&reference, &tested}) {
      who = plugin == &reference ? "reference: " : "";
      random.seed(7);
      Conversation conversation{plugin->model.makeState(), {}, {}};
      for (const uint64_t count : kCalls)
        step(*plugin, conversation, count);
      checkFork(*plugin, conversation);
      checkTruncate(*plugin, conversation);
      checkRefusals(*plugin);
    }
  }

private:
  /// New rows, keys as bf16 has them, and all that a call of them gives.
  struct Call {
    std::string function;
    std::vector<float> keys, values, mask;
    std::vector<Tensor> tensors;
  };

  static std::string elementOf(const Plugin &plugin) {
    return plugin.description.at("slots").at(1).at("layout").at("planes").at(0).at("element");
  }

  Call makeCall(uint64_t start, uint64_t count, uint64_t position) {
    const uint64_t length = start + count;
    Call call{count == 1 && numCalls % 2 ? "one" : "step",
              drawBf16(random, count * width),
              drawReals(random, count * width),
              {},
              {}};
    call.mask = makeMask(kMaskKinds[numCalls % std::size(kMaskKinds)], count, length, random);
    const int32_t given[] = {int32_t(position)};
    call.tensors = {makeTensor("keys", {count, shape.heads, shape.width}, call.keys),
                    makeTensor("values", {count, shape.heads, shape.width}, call.values), makeTensor("position", given),
                    makeTensor("mask", {count, length}, call.mask)};
    return call;
  }

  static std::vector<kvasir::Input> inputsOf(const Call &call) {
    std::vector<kvasir::Input> inputs;
    for (const Tensor &tensor : call.tensors)
      inputs.push_back(tensor.input());
    return inputs;
  }

  void step(Plugin &plugin, Conversation &conversation, uint64_t count) {
    ++report.numSequences;
    ++numCalls;
    const uint64_t start = conversation.keys.size() / width;
    const Call call = makeCall(start, count, start);
    const uint64_t counts[] = {count};
    kvasir_state *states[] = {conversation.state.get()};
    const kvasir::Outputs outputs =
        plugin.model.call(call.function, states, counts, inputsOf(call), {kvasir::Wanted::all});
    conversation.keys.insert(conversation.keys.end(), call.keys.begin(), call.keys.end());
    const std::string element = elementOf(plugin);
    for (const float value : call.values)
      conversation.values.push_back(storedOf(value, element));
    const std::span<const float> keys = conversation.keys, values = conversation.values;
    expect(call.function + ", kept", outputs.floats("kept"), keys);
    expect(call.function + ", rounded", outputs.floats("rounded"), values);
    expect(call.function + ", others", outputs.floats("others"), values);
    expectMixed(call, outputs.floats("mixed"), keys);
    checkRows(conversation);
  }

  void expect(const std::string &what, std::span<const float> actual, std::span<const float> expected) {
    if (!std::equal(actual.begin(), actual.end(), expected.begin(), expected.end()))
      report.fail(shape.name(), who + what + " has other rows than were written");
  }

  /// Sums of S products, in any order (tolerance.h).
  void expectMixed(const Call &call, std::span<const float> actual, std::span<const float> rows) {
    const uint64_t length = rows.size() / width;
    for (size_t i = 0; i < actual.size(); ++i) {
      double sum = 0, magnitude = 0;
      for (uint64_t row = 0; row < length; ++row) {
        const double product = double(call.mask[i / width * length + row]) * rows[row * width + i % width];
        sum += product;
        magnitude += std::abs(product);
      }
      const double limit = 6 * std::sqrt(double(length) + 1) * 0x1p-24 * magnitude,
                   difference = std::abs(actual[i] - sum);
      if (!(difference <= limit))
        return report.fail(shape.name(), who + call.function + ", mixed: number " + std::to_string(i) + " is " +
                                             std::to_string(actual[i]) + ", not " + std::to_string(sum) + " up to " +
                                             std::to_string(limit));
      if (limit > 0 && difference / limit > report.worst) {
        report.worst = difference / limit;
        report.worstCase = shape.name();
      }
    }
  }

  void checkRows(Conversation &conversation) {
    for (const char *slot : {"k", "v"})
      for (const uint64_t layer : {0, 1})
        expect(std::string("slot ") + slot, conversation.state.rows(slot, layer, 0, conversation.state.length()),
               slot[0] == 'k' ? conversation.keys : conversation.values);
  }

  void checkFork(Plugin &plugin, Conversation &conversation) {
    Conversation branch{conversation.state.fork(), conversation.keys, conversation.values};
    step(plugin, branch, 3);
    step(plugin, conversation, 2);
    step(plugin, branch, 1);
  }

  void checkTruncate(Plugin &plugin, Conversation &conversation) {
    for (const uint64_t back : {1, 120, 130}) {
      const uint64_t length = conversation.state.length() - back;
      conversation.state.truncate(length);
      conversation.keys.resize(length * width);
      conversation.values.resize(length * width);
      step(plugin, conversation, 2);
    }
  }

  /// A position that is not the state's length, a mask of other rows, more rows than there is room for: nothing
  /// changes.
  void checkRefusals(Plugin &plugin) {
    Conversation conversation{plugin.model.makeState(10), {}, {}};
    step(plugin, conversation, 8);
    Call narrow = makeCall(8, 2, 8);
    narrow.tensors.back() = makeTensor("mask", {2, 9}, std::span(narrow.mask).first(18));
    expectRefusal(plugin, conversation, narrow, 2, KV_BAD_INPUT);
    expectRefusal(plugin, conversation, makeCall(8, 2, 7), 2, KV_BAD_INPUT);
    expectRefusal(plugin, conversation, makeCall(8, 2, 9), 2, KV_BAD_INPUT);
    expectRefusal(plugin, conversation, makeCall(8, 3, 8), 3, KV_CAPACITY);
    step(plugin, conversation, 2);
  }

  void expectRefusal(Plugin &plugin, Conversation &conversation, const Call &call, uint64_t count, kv_status status) {
    ++report.numErrors;
    const uint64_t counts[] = {count};
    kvasir_state *states[] = {conversation.state.get()};
    try {
      plugin.model.call(call.function, states, counts, inputsOf(call), {kvasir::Wanted::all});
      report.fail(shape.name(), who + "a call succeeds that must end as " + kvasir_status_name(status));
    } catch (const kvasir::Error &error) {
      if (error.status() != status)
        report.fail(shape.name(), who + "a refused call: " + error.what());
    }
    checkRows(conversation);
  }

  Report &report;
  const RowsShape &shape;
  const uint64_t width;
  Plugin reference, tested;
  std::string who;
  uint64_t numCalls = 0;
  std::mt19937_64 random{7};
};

} // namespace

void runRows(Kit &kit) {
  for (const RowsShape &shape : kShapes) {
    if (shape.name().find(kit.only) == std::string::npos)
      continue;
    const std::filesystem::path source = kit.write(shape.name(), rowsProgram(shape));
    kit.countStateFates(shape.name(), kit.explain(source)["step"]);
    if (kit.isOfFates)
      continue;
    try {
      RowsRunner(kit, shape, kit.compile(source)).run();
    } catch (const kvasir::Error &error) {
      kit.report.fail(shape.name(), error.what());
    }
  }
}

} // namespace conformance
