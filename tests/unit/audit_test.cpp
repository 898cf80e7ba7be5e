// SPDX-License-Identifier: MIT
// The audit on the toy plugin with faults planted around its execute.
#include "runtime/audit/audit.h"
#include "tests/unit/toy/toy_model.h"

#include <algorithm>
#include <cstring>
#include <doctest/doctest.h>

using namespace kvasir;
using namespace kvasir::runtime;
using namespace kvasir::runtime::audit;

namespace {

constexpr uint64_t kLayers = 2;
enum Slot { kKeys, kValues, kSum };

/// The toy plugin, and what is done around its execute. A plugin's table is found by its address.
struct Faulty {
  kv_plugin table;
  const kv_plugin *toy;
  std::function<kv_status(const kv_call &, const std::function<kv_status()> &)> around;
};

kv_status prepareFaulty(const kv_plugin *plugin, const kv_call *call, kv_plan *plan) {
  const auto *faulty = reinterpret_cast<const Faulty *>(plugin);
  return faulty->toy->prepare(faulty->toy, call, plan);
}

kv_status executeFaulty(const kv_plugin *plugin, const kv_call *call, uint32_t member) {
  const auto *faulty = reinterpret_cast<const Faulty *>(plugin);
  return faulty->around(*call, [&] { return faulty->toy->execute(faulty->toy, call, member); });
}

/// One row of one slot as bytes.
std::span<uint8_t> rowOf(const kv_call &call, Slot slot, uint64_t sequence, uint64_t layer, uint64_t row) {
  uint8_t *block = call.views[slot * call.num_sequences + sequence].blocks[row / KV_BLOCK_TOKENS];
  const uint64_t token = row % KV_BLOCK_TOKENS;
  return slot == kKeys ? std::span(block + (layer * KV_BLOCK_TOKENS + token) * 8, 8)
                       : std::span(block + (token * kLayers + layer) * 2, 2);
}

using Around = decltype(Faulty::around);

/// The report on the toy with this fault. `functions`: how many of the toy's.
Report auditWith(Around around, AuditOptions options = {}, size_t functions = 1) {
  auto description = *descriptionFromJson(TOY_DESCRIPTION);
  description.functions.resize(functions);
  static constexpr kv_host kHost = {sizeof(kv_host), KV_ABI, 0, 0};
  const Faulty faulty{
      {sizeof(kv_plugin), KV_ABI, prepareFaulty, executeFaulty}, kvasir_plugin(&kHost), std::move(around)};
  Model model(Program{&faulty.table, description, nullptr, nullptr, nullptr}, {1, Pinning::off});
  if (options.ids.empty())
    options.ids = toyIds(8, 5);
  return runAudit(model, options);
}

bool isPrefill(const kv_call &call) { return call.num_sequences == 1 && call.counts[0] > 1; }

/// What the rows held before the call is put back after it.
Around skips(Slot slot, uint64_t layer, std::function<bool(const kv_call &, uint64_t row)> which) {
  return [=](const kv_call &call, const auto &execute) {
    std::vector<std::pair<uint64_t, std::vector<uint8_t>>> held;
    for (uint64_t row = call.starts[0]; row < call.starts[0] + call.counts[0]; ++row)
      if (which(call, row)) {
        const auto bytes = rowOf(call, slot, 0, layer, row);
        held.push_back({row, {bytes.begin(), bytes.end()}});
      }
    const kv_status status = execute();
    for (const auto &[row, bytes] : held)
      std::ranges::copy(bytes, rowOf(call, slot, 0, layer, row).begin());
    return status;
  };
}

/// Changes a byte of a row after the call, to something else in each run.
Around spoils(std::function<void(const kv_call &)> spoil) {
  return [=](const kv_call &call, const auto &execute) {
    const kv_status status = execute();
    spoil(call);
    return status;
  };
}

std::vector<std::string> sentencesOf(const Report &report, const std::string &check) {
  std::vector<std::string> sentences;
  for (const Finding &finding : report.findings)
    if (finding.topic.check == check)
      sentences.push_back(finding.sentence);
  return sentences;
}

using Sentences = std::vector<std::string>;

} // namespace

namespace doctest {
template <> struct StringMaker<std::vector<std::string>> {
  static String convert(const std::vector<std::string> &lines) {
    std::string text;
    for (const std::string &line : lines)
      text += "\n    " + line;
    return text.c_str();
  }
};
} // namespace doctest

TEST_CASE("a plugin that is right has no findings, whatever its calls") {
  for (const size_t count : {1, 2, 3, 8, 40, 127, 128, 129, 300, 992, 1000})
    for (const uint64_t chunk : {0, 1, 7, 128}) {
      CAPTURE(count);
      CAPTURE(chunk);
      const Report report =
          auditWith([](const kv_call &, const auto &execute) { return execute(); }, {toyIds(count, 1), chunk});
      CHECK(report.findings.empty());
      for (const Finding &finding : report.findings)
        MESSAGE(finding.sentence);
      CHECK(report.verdict ==
            "each of " + std::to_string(report.ids.size()) + " tokens reached its row in all 2 layers of k and v");
    }
}

TEST_CASE("rows that are not written are named") {
  const auto one = auditWith(skips(kValues, 1, [](const kv_call &call, uint64_t) { return isPrefill(call); }));
  CHECK(one.verdict ==
        "slot v, layer 1: rows 0–7 and 10–14 were not written in 2 calls of 8 and 5 tokens; slot k is complete");
  CHECK(one.findings[0].topic.kind == Kind::notWritten);
  for (const Finding &finding : one.findings)
    CHECK((finding.severity == Severity::error) == (&finding == &one.findings[0]));

  const auto first = auditWith(skips(kKeys, 0, [](const kv_call &call, uint64_t row) { return row == 0; }));
  CHECK(sentencesOf(first, "rows") ==
        Sentences{"slot k, layer 0: row 0 was not written in the call of 8 tokens; slot v is complete"});

  const auto decode =
      auditWith(skips(kKeys, 1, [](const kv_call &call, uint64_t row) { return call.num_tokens == 1; }));
  CHECK(sentencesOf(decode, "rows") ==
        Sentences{"slot k, layer 1: rows 8–9 and 15 were not written in 3 calls of 1 token each; slot v is complete"});
}

TEST_CASE("rows that are written in part are named") {
  const auto report = auditWith([](const kv_call &call, const auto &execute) {
    const auto second = rowOf(call, kKeys, 0, 0, call.starts[0]).subspan(4);
    const std::vector<uint8_t> held(second.begin(), second.end());
    const kv_status status = execute();
    if (call.starts[0] == 0)
      std::ranges::copy(held, second.begin());
    return status;
  });
  CHECK(sentencesOf(report, "rows") ==
        Sentences{"slot k, layer 0: row 0 was written only in part in the call of 8 tokens: 1 of 2 elements were not"});
}

TEST_CASE("what a call must not change is named") {
  const auto beyond = auditWith(spoils([](const kv_call &call) {
    if (isPrefill(call))
      rowOf(call, kValues, 0, 1, call.starts[0] + call.counts[0])[0] = 7;
  }));
  CHECK(sentencesOf(beyond, "rows") == Sentences{"slot v, layer 1: rows 8 and 15 were written in 2 calls of 8 and 5 "
                                                 "tokens, beyond the rows that they declare"});

  const auto committed = auditWith(spoils([](const kv_call &call) {
    if (isPrefill(call) && call.starts[0] == 10)
      rowOf(call, kValues, 0, 0, 9)[1] += 3;
  }));
  CHECK(sentencesOf(committed, "rows") ==
        Sentences{"slot v, layer 0: row 9, committed before, was changed in the call of 5 tokens"});

  // A block that is older than the last is hashed.
  AuditOptions options;
  options.ids = toyIds(200, 1);
  const auto old = auditWith(spoils([](const kv_call &call) {
                               if (call.starts[0] == 201)
                                 rowOf(call, kKeys, 0, 1, 5)[1] += 3;
                             }),
                             options);
  CHECK(sentencesOf(old, "rows") ==
        Sentences{"slot k, layer 1: rows 0–127, committed before, were changed in the call of 1 token"});
}

TEST_CASE("another sequence of the batch is left alone") {
  const auto report = auditWith(spoils([](const kv_call &call) {
    if (call.num_sequences > 1)
      rowOf(call, kKeys, 1, 1, call.starts[1] + call.counts[1])[0] = 3;
  }));
  REQUIRE(report.findings.size() == 2);
  CHECK(report.findings[0].topic.kind == Kind::otherSequence);
  CHECK(report.verdict.starts_with("slot k, layer 1, sequence 1: row"));
}

TEST_CASE("results that differ from run to run are told from those that depend on what was there") {
  uint8_t runs = 0;
  const auto random = auditWith(
      spoils([&](const kv_call &call) { rowOf(call, kKeys, 0, 0, call.starts[0])[0] = ++runs; }), {.checks = {"rows"}});
  REQUIRE(random.findings.size() == 2);
  CHECK(random.findings[0].sentence ==
        "slot k, layer 0: rows 0 and 10 differ when 2 calls of 8 and 5 tokens run again on the same state");

  const auto stale = auditWith(
      [](const kv_call &call, const auto &execute) {
        const uint8_t held = rowOf(call, kKeys, 0, 0, call.starts[0])[3];
        const kv_status status = execute();
        rowOf(call, kKeys, 0, 1, call.starts[0])[0] = held;
        return status;
      },
      {.checks = {"rows"}});
  REQUIRE(stale.findings.size() == 2);
  CHECK(stale.findings[0].topic.kind == Kind::readsUnwritten);
}

TEST_CASE("registers are set when they are declared, beside the old value") {
  const auto unset = auditWith([](const kv_call &call, const auto &execute) {
    const kv_view &view = call.views[kSum * call.num_sequences];
    float held;
    std::memcpy(&held, view.out, 4);
    const kv_status status = execute();
    if (isPrefill(call))
      std::memcpy(view.out, &held, 4);
    return status;
  });
  CHECK(sentencesOf(unset, "rows") ==
        Sentences{"register sum was not written in 2 calls of 8 and 5 tokens, which declare it"});

  const auto inPlace = auditWith(
      spoils([](const kv_call &call) { const_cast<uint8_t *>(call.views[kSum * call.num_sequences].in)[3] += 3; }),
      {.checks = {"rows"}});
  CHECK(inPlace.verdict.find("register sum: its committed value was changed in") != std::string::npos);

  const auto onError = auditWith([](const kv_call &call, const auto &execute) {
    const kv_status status = execute();
    if (status != KV_OK)
      const_cast<uint8_t *>(call.views[kSum * call.num_sequences].in)[3] += 3;
    return status;
  });
  const Sentences sentences = sentencesOf(onError, "cancel");
  REQUIRE(sentences.size() == 3);
  CHECK(sentences[0] ==
        "register sum: its committed value was changed in 2 calls of 10 and 5 tokens that did not succeed");
  CHECK(sentences[1] == "register sum: its committed value was changed in the call of 1 token that did not succeed");
  CHECK(sentences[2].starts_with("register sum: its value differs after a call that was cancelled, by up to "));
}

TEST_CASE("a row that hangs on a later token is not causal") {
  const auto report = auditWith(spoils([](const kv_call &call) {
    const auto *ids = static_cast<const int32_t *>(call.inputs[0].bytes);
    if (isPrefill(call))
      rowOf(call, kKeys, 0, 1, call.starts[0])[0] = static_cast<uint8_t>(ids[call.num_tokens - 1]);
  }));
  CHECK(report.verdict.starts_with("slot k, layer 1: row 0 depends on later tokens of the call of 8 tokens"));
}

TEST_CASE("rows in the wrong place are recognised") {
  const auto shifted = auditWith(spoils([](const kv_call &call) {
    for (uint64_t row = call.starts[0] + call.counts[0] - 1; isPrefill(call) && row > call.starts[0]; --row)
      std::ranges::copy(rowOf(call, kKeys, 0, 1, row - 1), rowOf(call, kKeys, 0, 1, row).begin());
  }));
  CHECK(shifted.verdict == "slot k, layer 1: rows 1–7 and 11–14 hold after 2 calls of 8 and 5 tokens what token by "
                           "token is in rows 0–6 and 10–13");
}

TEST_CASE("a call that fails is a finding") {
  const auto report =
      auditWith([](const kv_call &call, const auto &execute) { return execute(); }, {{1, 2, TOY_FAILS}});
  CHECK(report.verdict == "the call of 3 tokens failed: no more");
  CHECK(
      auditWith([](const kv_call &call, const auto &execute) { return execute(); }, {}, 3).verdict ==
      "function declares_less, the call of 5 tokens failed: function declares_less would write rows [3, 7) of slot k; "
      "this call's rows are [3, 8)");
}
