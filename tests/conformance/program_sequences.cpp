// SPDX-License-Identifier: MIT
// Whole programs, from ids to logits: what a conversation leaves behind may not depend on how its tokens came.
#include "tests/conformance/sequences.h"
#include "tests/conformance/turned_heads.h"
#include "tests/models/conversations.h"

#include "kvasir/audit.hpp"

#include <cmath>
#include <fstream>
#include <sstream>

namespace conformance {
namespace {

using kvasir::test::Ids;

constexpr size_t kLength = 300;

// How far logits may be from reference's, in their standard deviations. Norms bring every stream to one size, so n
// roundings of a relative size r leave r sqrt(n) of it, and the largest of 30000 numbers is at 4.5 times that. A layer
// has 7 linears, whose activations err by max|x| / (254 sqrt(3)) = 0.0068 in int8, by 2^-8 sqrt(2 / 3) = 0.0032 in
// bf16; and 4 roundings to bf16, of 2^-8 / sqrt(3), where its rows are stored so. Six layers, or fewer; f32 sums leave
// less than 0.001.
constexpr double kLargest = 4.5, kLinears = 7 * 6, kRoundings = 4 * 6, kSums = 1e-3;

/// A program of tests/programs, and what its matrices are made of instead of f16: backends that round activations do so
/// for codes only, and may have kernels of their own for many rows of them.
struct Program {
  const char *name, *file, *codes;
};
constexpr Program kPrograms[] = {{"llama", "llama", ""},
                                 {"recurrent", "recurrent", ""},
                                 {"sliding", "sliding", ""},
                                 {"llama.u4g32m", "llama", "codes = ui4, group = 32, scale = f16, min = f16"}};

/// Everything that a conversation leaves behind.
struct Trace {
  std::vector<float> logits, rows;
  bool operator==(const Trace &) const = default;
};

class ProgramRunner {
public:
  ProgramRunner(Kit &kit, std::string name, const Kit::Pair &pair)
      : report(kit.report), name(std::move(name)), reference(pair.reference.string(), {1}),
        one(pair.tested.string(), {1}), team(pair.tested.string(), {3}), numerics(numericsOf(one)),
        ids(kvasir::test::randomIds(random, kLength, one.facts().vocabulary)) {}

  void run() {
    expected = inChunks(reference, {kLength}).logits;
    const Trace whole = inChunks(one, {kLength});
    compare(whole.logits, "in one call");
    expectBits(whole, inChunks(one, {kLength}), "in blocks that others used");
    expectBits(whole, inChunks(team, {kLength}), "on three threads");
    expect(whole, inChunks(one, std::vector<size_t>(kLength, 1)), "token by token");
    expect(whole, inChunks(one, {1, 2, 124, 1, 1, 126, 1, 1, 3, 40}), "in calls around the borders of blocks");
    expect(whole, inChunks(team, {127, 130, 43}), "in three calls on three threads");
    expect(whole, inBatch(), "in a ragged batch");
    expect(whole, afterFork(), "after a fork in the middle");
    expect(whole, afterTruncate(), "after going back");
    audit();
  }

private:
  static Json numericsOf(const kvasir::Model &model) { return Json::parse(model.description()).at("numerics"); }

  double limit() const {
    const std::string activations = numerics.at("activations");
    const double ofLinear = activations == "int8" ? 0.0068 : activations == "bf16" ? 0.0032 : 0;
    const double ofRow = kvasir::test::slotsOf(one)[0].element == "f32" ? 0 : 0x1p-8 / std::sqrt(3);
    return kSums + kLargest * std::sqrt(kLinears * ofLinear * ofLinear + kRoundings * ofRow * ofRow);
  }

  /// Fused kernels run in whole programs only, so here they meet reference.
  void compare(const std::vector<float> &actual, const std::string &how) {
    ++report.numSequences;
    double squares = 0, largest = expected.size() == actual.size() ? 0 : INFINITY;
    for (size_t i = 0; i < std::min(expected.size(), actual.size()); ++i) {
      squares += double(expected[i]) * expected[i];
      const double difference = std::abs(double(actual[i]) - expected[i]);
      largest = std::isfinite(difference) ? std::max(largest, difference) : INFINITY;
    }
    const double share = largest / (limit() * std::sqrt(squares / double(expected.size())));
    if (!(share <= 1))
      report.fail(name, "gives logits " + how + " that are " + std::to_string(share) +
                            " times as far from reference's as they may be");
    if (share > report.worst) {
      report.worst = share;
      report.worstCase = name;
    }
  }

  void expectBits(const Trace &whole, const Trace &other, const std::string &how) {
    ++report.numSequences;
    if (!(whole == other))
      report.fail(name, "gives other bits " + how);
  }

  /// Other calls: the same bits from a backend that says so, and numbers as near from one that does not.
  void expect(const Trace &whole, const Trace &other, const std::string &how) {
    if (numerics.at("invariant"))
      expectBits(whole, other, how);
    else
      compare(other.logits, how);
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
    for (const auto &[before, count, after] :
         {std::tuple<size_t, size_t, size_t>{5, 127, 1}, {1, 1, 130}, {129, 172, 2}}) {
      const auto chunk = std::span(ids).subspan(state.length(), count);
      const std::vector<kvasir::Sequence> batch{
          {first, std::span(others).subspan(0, before)}, {state, chunk}, {last, std::span(others).subspan(0, after)}};
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
  kvasir::Model reference, one, team;
  Json numerics;
  std::vector<float> expected; ///< reference's logits
  kvasir::test::Random random{3};
  Ids ids;
};

/// A program, with its matrices' codes put in the place of f16's.
std::string textOf(const std::filesystem::path &path, const std::string &codes) {
  std::ifstream file(path);
  std::stringstream read;
  if (!(read << file.rdbuf()))
    throw std::runtime_error(path.string() + ": cannot be read");
  const std::string f16 = "codes = f16";
  std::string text = read.str();
  for (size_t at = 0; !codes.empty() && (at = text.find(f16, at)) != std::string::npos; at += codes.size())
    text.replace(at, f16.size(), codes);
  return text;
}

} // namespace

void runPrograms(Kit &kit) {
  std::vector<NamedProgram> programs = turnedHeads();
  for (const Program &program : kPrograms)
    programs.push_back({program.name, textOf(kit.programs / (std::string(program.file) + ".mlir"), program.codes)});
  for (const auto &[name, text] : programs) {
    if (name.find(kit.only) == std::string::npos)
      continue;
    const std::filesystem::path source = kit.write(name, text);
    kit.explain(source);
    if (kit.isOfFates)
      continue;
    try {
      ProgramRunner(kit, name, kit.compile(source)).run();
    } catch (const kvasir::Error &error) {
      kit.report.fail(name, error.what());
    }
  }
}

} // namespace conformance
