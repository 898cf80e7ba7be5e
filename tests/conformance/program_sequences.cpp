// SPDX-License-Identifier: MIT
// Whole programs, from ids to logits: what a conversation leaves behind may not depend on how its tokens came.
#include "tests/conformance/sequences.h"
#include "tests/models/conversations.h"

#include "kvasir/audit.hpp"

#include <fstream>
#include <sstream>

namespace conformance {
namespace {

using kvasir::test::Ids;

constexpr size_t kLength = 300;

/// Everything that a conversation leaves behind.
struct Trace {
  std::vector<float> logits, rows;
  bool operator==(const Trace &) const = default;
};

class ProgramRunner {
public:
  ProgramRunner(Kit &kit, std::string name, const std::filesystem::path &path)
      : report(kit.report), name(std::move(name)), one(path.string(), {1}), team(path.string(), {3}),
        ids(kvasir::test::randomIds(random, kLength, one.facts().vocabulary)) {}

  void run() {
    const Trace whole = inChunks(one, {kLength});
    expect(whole, inChunks(team, {kLength}), "on three threads");
    expect(whole, inChunks(one, std::vector<size_t>(kLength, 1)), "token by token");
    expect(whole, inChunks(one, {1, 2, 124, 1, 1, 126, 1, 1, 3, 40}), "in calls around the borders of blocks");
    expect(whole, inChunks(team, {127, 130, 43}), "in three calls on three threads");
    expect(whole, inBatch(), "in a ragged batch");
    expect(whole, afterFork(), "after a fork in the middle");
    expect(whole, afterTruncate(), "after going back");
    audit();
  }

private:
  void expect(const Trace &whole, const Trace &other, const char *how) {
    ++report.numSequences;
    if (!(whole == other))
      report.fail(name, std::string("gives other bits ") + how);
  }

  void keep(Trace &trace, const kvasir::Logits &logits, size_t first, size_t count) {
    for (size_t row = first; row < first + count; ++row)
      trace.logits.insert(trace.logits.end(), logits[row].begin(), logits[row].end());
  }

  void predict(const kvasir::Model &model, kvasir::State &state, Trace &trace, size_t count) {
    const auto chunk = std::span(ids).subspan(state.length(), count);
    keep(trace, model.predict(state, chunk, {kvasir::Wanted::all}), 0, count);
  }

  /// Rows of all slots that windows have left, and registers.
  Trace finish(const kvasir::Model &model, kvasir::State &state, Trace trace) {
    for (const kvasir::test::Slot &slot : kvasir::test::slotsOf(model))
      for (uint64_t layer = 0; layer < slot.layers; ++layer) {
        const uint64_t first = slot.window && state.length() >= slot.window ? state.length() - slot.window + 1 : 0;
        const std::vector<float> held = kvasir::test::contentsOf(slot, layer, state, first);
        trace.rows.insert(trace.rows.end(), held.begin(), held.end());
      }
    return trace;
  }

  Trace inChunks(const kvasir::Model &model, const std::vector<size_t> &chunks) {
    kvasir::State state = model.makeState(); // of blocks that earlier ones left their rows in
    Trace trace;
    for (const size_t count : chunks)
      predict(model, state, trace, count);
    return finish(model, state, std::move(trace));
  }

  /// Beside two other conversations, of other lengths and counts.
  Trace inBatch() {
    kvasir::State state = one.makeState(), first = one.makeState(), last = one.makeState();
    const Ids others = kvasir::test::randomIds(random, kLength, one.facts().vocabulary);
    Trace trace;
    for (const auto &[before, count, after] : {std::tuple<size_t, size_t, size_t>{5, 127, 1}, {1, 1, 130}, {129, 172, 2}}) {
      const auto chunk = std::span(ids).subspan(state.length(), count);
      const std::vector<kvasir::Sequence> batch{{first, std::span(others).subspan(0, before)},
                                                {state, chunk},
                                                {last, std::span(others).subspan(0, after)}};
      keep(trace, one.predict(batch, {kvasir::Wanted::all}), before, count);
    }
    return finish(one, state, std::move(trace));
  }

  Trace afterFork() {
    kvasir::State state = one.makeState();
    Trace trace;
    predict(one, state, trace, 130);
    kvasir::State branch = state.fork();
    const Ids others = kvasir::test::randomIds(random, 60, one.facts().vocabulary);
    one.predict(state, others);
    predict(one, branch, trace, kLength - 130);
    return finish(one, branch, std::move(trace));
  }

  /// 20 tokens too far and back: registers need a checkpoint there, and windows keep that many rows.
  Trace afterTruncate() {
    kvasir::State state = one.makeState();
    Trace trace;
    predict(one, state, trace, 250);
    state.checkpoint();
    const Ids others = kvasir::test::randomIds(random, 20, one.facts().vocabulary);
    one.predict(state, others);
    state.truncate(250);
    predict(one, state, trace, kLength - 250);
    return finish(one, state, std::move(trace));
  }

  void audit() {
    ++report.numSequences;
    for (const std::string &sentence : kvasir::runAudit(one).findings())
      report.fail(name, "audit: " + sentence);
  }

  Report &report;
  std::string name;
  kvasir::Model one, team;
  kvasir::test::Random random{3};
  Ids ids;
};

} // namespace

void runPrograms(Kit &kit) {
  for (const std::string name : {"llama", "recurrent", "sliding"}) {
    if (name.find(kit.only) == std::string::npos)
      continue;
    std::ifstream file(kit.programs / (name + ".mlir"));
    std::stringstream text;
    if (!(text << file.rdbuf()))
      throw std::runtime_error((kit.programs / (name + ".mlir")).string() + ": cannot be read");
    const Kit::Pair pair = kit.compile(name, text.str());
    try {
      ProgramRunner(kit, name, pair.tested).run();
    } catch (const kvasir::Error &error) {
      kit.report.fail(name, error.what());
    }
  }
}

} // namespace conformance
