// SPDX-License-Identifier: MIT
// Attention, call after call: the rows that were appended and the results over them, on the backend and on reference.
#include "tests/conformance/attention.h"
#include "tests/conformance/numbers.h"
#include "tests/conformance/sequences.h"

#include <cmath>
#include <random>

namespace conformance {
namespace {

// Groups, one and many heads, lanes that are no multiple of a register; windows smaller than, as large as and larger
// than a block of 128 rows, and than all rows there are.
const AttentionShape kShapes[] = {
    {1, 1, 16},
    {2, 1, 16},
    {4, 2, 32},
    {3, 3, 64},
    {9, 3, 64},
    {6, 2, 18},
    {5, 1, 24},
    {2, 2, 128},
    {4, 2, 32, 1},
    {4, 2, 32, 40},
    {4, 2, 16, 128},
    {2, 1, 16, 129},
    {9, 3, 64, 163},
    {3, 1, 20, 200},
    {2, 2, 32, 900},
    {4, 2, 32, 0, 8},
    {2, 1, 24, 40, 8},
    {8, 4, 64, 40, 50},
    {4, 2, 32, 0, 0, true},
    {4, 2, 32, 1, 0, true},
    {8, 1, 64, 163, 2, true},
    {3, 1, 20, 40, 0, true},
};

// New tokens of each call: around the borders of blocks at 128, 256 and 384 rows, one and many at once.
constexpr uint64_t kCalls[] = {1, 2, 124, 1, 1, 126, 1, 1, 3, 127, 2};

/// All rows that a conversation has had: [S, G, D], and what they are for each call.
struct History {
  std::vector<float> keys, values;
};

class AttentionRunner {
public:
  AttentionRunner(Kit &kit, const AttentionShape &shape, const Kit::Pair &pair)
      : report(kit.report), shape(shape), reference(pair.reference, 1), tested(pair.tested, 2) {}

  void run() {
    kvasir::State expected = reference.model.makeState(), state = tested.model.makeState();
    History history;
    for (const uint64_t count : kCalls)
      step({{&state, &expected, &history, count}});
    checkFork(state, expected, history);
    checkTruncate(state, expected, history);
    checkRagged(state, expected, history);
    checkCapacity();
  }

private:
  /// One conversation in a call.
  struct Turn {
    kvasir::State *state, *expected;
    History *history;
    uint64_t count;
  };

  std::vector<float> draw(uint64_t count) { return drawBf16(random, count); }

  static Stored storedBy(const Plugin &plugin) {
    const Json &planes = plugin.description.at("slots").at(0).at("layout").at("planes");
    return planes.at(0).at("element") == "f32" && plugin.activations() == "exact" ? Stored::f32 : Stored::bf16;
  }

  /// New rows for each turn, one call of both plugins, and all that is known of it afterwards.
  void step(std::vector<Turn> turns) {
    ++report.numSequences;
    uint64_t tokens = 0;
    std::vector<uint64_t> counts;
    for (const Turn &turn : turns) {
      counts.push_back(turn.count);
      tokens += turn.count;
    }
    const uint64_t width = shape.heads * shape.width;
    const std::vector<float> keys = draw(tokens * width), values = draw(tokens * width);
    const std::vector<float> query = draw(tokens * shape.queryHeads * shape.width);
    const std::vector<Tensor> tensors{makeTensor("query", {tokens, shape.queryHeads, shape.width}, query),
                                      makeTensor("keys", {tokens, shape.heads, shape.width}, keys),
                                      makeTensor("values", {tokens, shape.heads, shape.width}, values)};
    uint64_t at = 0;
    for (const Turn &turn : turns) {
      turn.history->keys.insert(turn.history->keys.end(), keys.begin() + at, keys.begin() + at + turn.count * width);
      turn.history->values.insert(turn.history->values.end(), values.begin() + at,
                                  values.begin() + at + turn.count * width);
      at += turn.count * width;
    }
    check("reference: ", reference, turns, &Turn::expected, counts, tensors, query);
    check("", tested, turns, &Turn::state, counts, tensors, query);
  }

  void check(const std::string &who, Plugin &plugin, const std::vector<Turn> &turns, kvasir::State *Turn::*which,
             const std::vector<uint64_t> &counts, const std::vector<Tensor> &tensors, std::span<const float> query) {
    std::vector<kvasir_state *> states;
    std::vector<kvasir::Input> inputs;
    for (const Turn &turn : turns)
      states.push_back((turn.*which)->get());
    for (const Tensor &tensor : tensors)
      inputs.push_back(tensor.input());
    const kvasir::Outputs outputs = plugin.model.call("step", states, counts.data(), inputs, {kvasir::Wanted::all});
    const uint64_t width = shape.queryHeads * shape.width;
    const std::span<const float> sinks = shape.hasSinks ? outputs.floats("sinks") : std::span<const float>();
    uint64_t row = 0;
    for (const Turn &turn : turns) {
      const uint64_t length = turn.history->keys.size() / (shape.heads * shape.width);
      for (uint64_t t = length - turn.count; t < length; ++t, ++row) {
        checkRow(who + "layer 0", plugin, t, query.subspan(row * width, width), turn.history->keys,
                 turn.history->values, outputs.floats("result").subspan(row * width, width), sinks);
        checkRow(who + "layer 1", plugin, t, query.subspan(row * width, width), turn.history->values,
                 turn.history->keys, outputs.floats("second").subspan(row * width, width), sinks);
      }
      checkRows(who, plugin, *(turn.*which), *turn.history);
    }
  }

  void checkRow(const std::string &who, Plugin &plugin, uint64_t token, std::span<const float> query,
                const std::vector<float> &keys, const std::vector<float> &values, std::span<const float> actual,
                std::span<const float> sinks) {
    const Expected expected = attend(shape, token, query, keys, values, sinks, storedBy(plugin));
    for (size_t i = 0; i < actual.size(); ++i) {
      const double difference = std::abs(actual[i] - expected.values[i]);
      if (!(difference <= expected.limits[i]))
        return report.fail(shape.name(), who + ", token " + std::to_string(token) + ", number " + std::to_string(i) +
                                             " is " + std::to_string(actual[i]) + ", not " +
                                             std::to_string(expected.values[i]) + " up to " +
                                             std::to_string(expected.limits[i]));
      if (difference / expected.limits[i] > report.worst) {
        report.worst = difference / expected.limits[i];
        report.worstCase = shape.name();
      }
    }
  }

  /// Rows that the state holds are those that were appended, to the bit.
  void checkRows(const std::string &who, Plugin &plugin, kvasir::State &state, const History &history) {
    const uint64_t width = shape.heads * shape.width, length = history.keys.size() / width;
    if (state.length() != length)
      return report.fail(shape.name(),
                         who + "holds " + std::to_string(state.length()) + " rows, not " + std::to_string(length));
    for (const char *slot : {"k", "v"})
      for (const uint64_t layer : {0, 1}) {
        const uint64_t first = state.firstRow(slot);
        const std::vector<float> held = state.rows(slot, layer, first, length - first);
        const std::vector<float> &all = (slot[0] == 'k') == (layer == 0) ? history.keys : history.values;
        if (!std::equal(held.begin(), held.end(), all.begin() + first * width, all.end()))
          return report.fail(shape.name(), who + "slot " + slot + ", layer " + std::to_string(layer) +
                                               " holds other rows than were appended");
      }
  }

  void checkFork(kvasir::State &state, kvasir::State &expected, History &history) {
    kvasir::State branch = state.fork(), expectedBranch = expected.fork();
    History other = history;
    step({{&branch, &expectedBranch, &other, 3}});
    step({{&state, &expected, &history, 2}});
    step({{&branch, &expectedBranch, &other, 1}});
  }

  /// Back into an earlier block, or as far as a window lets, and on from there.
  void checkTruncate(kvasir::State &state, kvasir::State &expected, History &history) {
    const uint64_t width = shape.heads * shape.width;
    uint64_t length = state.length();
    for (const uint64_t back : {1, 120, 150}) {
      uint64_t nearest = length -= std::min(length, back);
      for (kvasir::State *each : {&state, &expected})
        try {
          each->truncate(length, &nearest);
        } catch (const kvasir::Error &) {
          return; // a window has let go of the rows; tests of the runtime ask which
        }
      history.keys.resize(length * width);
      history.values.resize(length * width);
      step({{&state, &expected, &history, 2}});
      length = state.length();
    }
  }

  void checkRagged(kvasir::State &state, kvasir::State &expected, History &history) {
    kvasir::State states[] = {tested.model.makeState(), tested.model.makeState()};
    kvasir::State references[] = {reference.model.makeState(), reference.model.makeState()};
    History histories[2];
    for (const auto &[a, b, c] : {std::tuple<uint64_t, uint64_t, uint64_t>{1, 130, 5}, {3, 1, 1}, {1, 1, 1}})
      step({{&states[0], &references[0], &histories[0], a},
            {&state, &expected, &history, c},
            {&states[1], &references[1], &histories[1], b}});
  }

  /// One row more than there is room for is refused, and nothing has changed; cancelled calls likewise.
  void checkCapacity() {
    kvasir::State state = tested.model.makeState(10), expected = reference.model.makeState(10);
    History history;
    step({{&state, &expected, &history, 8}});
    const uint64_t width = shape.heads * shape.width;
    const std::vector<Tensor> tensors{
        makeTensor("query", {3, shape.queryHeads, shape.width}, draw(3 * shape.queryHeads * shape.width)),
        makeTensor("keys", {3, shape.heads, shape.width}, draw(3 * width)),
        makeTensor("values", {3, shape.heads, shape.width}, draw(3 * width))};
    expectRefusal(state, tensors, nullptr, KV_CAPACITY);
    kvasir::Cancel cancel;
    cancel.request();
    kvasir::State roomy = tested.model.makeState();
    expectRefusal(roomy, tensors, &cancel, KV_CANCELLED);
    checkRows("after a refusal: ", tested, state, history);
    step({{&state, &expected, &history, 2}});
  }

  void expectRefusal(kvasir::State &state, const std::vector<Tensor> &tensors, const kvasir::Cancel *cancel,
                     kv_status status) {
    ++report.numErrors;
    const uint64_t length = state.length();
    std::vector<kvasir::Input> inputs;
    for (const Tensor &tensor : tensors)
      inputs.push_back(tensor.input());
    try {
      tested.model.call("step", state, inputs, {kvasir::Wanted::all, cancel});
      report.fail(shape.name(), std::string("a call succeeds that must end as ") + kvasir_status_name(status));
    } catch (const kvasir::Error &error) {
      if (error.status() != status || state.length() != length)
        report.fail(shape.name(), std::string("a refused call: ") + error.what());
    }
  }

  Report &report;
  const AttentionShape &shape;
  Plugin reference, tested;
  std::mt19937_64 random{7};
};

/// Masks that no lowering knows are refused by name when a program is compiled.
void refuseMasks(Kit &kit) {
  for (const auto &[mask, word] : {std::pair<int, std::string>{1, "full"}, {2, "prefix"}}) {
    AttentionShape shape{2, 1, 16};
    shape.mask = mask;
    const std::string name = shape.name() + "." + word;
    if (name.find(kit.only) == std::string::npos)
      continue;
    ++kit.report.numErrors;
    try {
      kit.compile(kit.write(name, attentionProgram(shape)));
      kit.report.fail(name, "compiles, and has no cases yet");
    } catch (const std::runtime_error &error) {
      if (std::string(error.what()).find("has a " + word + " mask; only causal ones are lowered yet") ==
          std::string::npos)
        kit.report.fail(name, std::string("is refused otherwise than by name: ") + error.what());
    }
  }
}

} // namespace

void runAttention(Kit &kit) {
  if (!kit.isOfFates)
    refuseMasks(kit);
  for (const AttentionShape &shape : kShapes) {
    if (shape.name().find(kit.only) == std::string::npos)
      continue;
    const std::filesystem::path source = kit.write(shape.name(), attentionProgram(shape));
    kit.countStateFates(shape.name(), kit.explain(source)["step"]);
    if (kit.isOfFates)
      continue;
    try {
      AttentionRunner(kit, shape, kit.compile(source)).run();
    } catch (const kvasir::Error &error) {
      kit.report.fail(shape.name(), error.what());
    }
  }
}

} // namespace conformance
