// SPDX-License-Identifier: MIT
// Does the audit stay silent on a model that is right?
//
// usage: audits MODEL.kvasir AUDITS
//
// Each audit is a random tree of conversations: appends alone and in batches, in chunks and token by token, forks,
// truncations, all of them watched. At the end each conversation's rows are compared with those that its tokens give in
// one call. Every 16th runs `kvasir audit` on a short random prompt instead. KVASIR_AUDITS replaces the number;
// KVASIR_AUDIT_SEED is the first audit's (0).
#include "kvasir/audit.hpp"
#include "tests/models/conversations.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

using namespace kvasir::test;

namespace {
/// One tree of conversations on a model that is opened once.
class Tree {
public:
  Tree(const kvasir::Model &model, uint64_t seed) : model(model), random(seed), audit(kvasir::watchCalls(model)) {
    states.push_back(model.makeState());
  }

  /// The first sentence of the audit, or what differs; empty if all is well.
  std::string run() {
    for (uint64_t step = 0, steps = 4 + pick(5); step < steps; ++step)
      (this->*kSteps[pick(std::size(kSteps))])();
    if (const auto found = audit.findings(); !found.empty())
      return found[0];
    for (kvasir::State &state : states)
      if (const std::string wrong = compareWithOneCall(state); !wrong.empty())
        return wrong;
    return "";
  }

  uint64_t tokens() const { return numTokens; }

private:
  uint64_t pick(uint64_t below) { return randomSize(random, 0, below - 1); }
  kvasir::State &any() { return states[pick(states.size())]; }

  Ids someIds(uint64_t count) {
    numTokens += count;
    return randomIds(random, count, model.facts().vocabulary);
  }

  void append() {
    const Ids ids = someIds(1 + pick(pick(2) ? 24 : 3));
    model.predict(any(), ids, {.audit = audit.get()});
  }

  void appendMany() {
    std::vector<kvasir::Sequence> batch;
    std::vector<Ids> ids;
    for (size_t i = 0; i < states.size(); ++i)
      ids.push_back(someIds(1 + pick(i % 2 ? 12 : 2)));
    for (size_t i = 0; i < states.size(); ++i)
      batch.push_back({states[i], ids[i]});
    model.predict(batch, {.audit = audit.get()});
  }

  void fork() {
    if (states.size() < 4)
      states.push_back(any().fork());
  }

  void truncate() {
    kvasir::State &state = any();
    state.truncate(pick(state.length() + 1));
  }

  std::string compareWithOneCall(kvasir::State &state) {
    if (state.length() == 0)
      return "";
    kvasir::State fresh = model.makeState();
    model.predict(fresh, state.ids(), {.wanted = kvasir::Wanted::none});
    for (const Slot &slot : slotsOf(model))
      for (uint64_t layer = 0; layer < slot.layers; ++layer)
        if (contentsOf(slot, layer, state, 0) != contentsOf(slot, layer, fresh, 0))
          return "slot " + slot.name + ", layer " + std::to_string(layer) + ": rows differ from those of one call";
    return "";
  }

  static constexpr void (Tree::*kSteps[])() = {&Tree::append,     &Tree::append, &Tree::append,
                                               &Tree::appendMany, &Tree::fork,   &Tree::truncate};

  const kvasir::Model &model;
  Random random;
  kvasir::Audit audit;
  std::vector<kvasir::State> states;
  uint64_t numTokens = 0;
};

/// The whole audit on a few tokens.
std::string auditPrompt(const kvasir::Model &model, uint64_t seed) {
  Random random(seed);
  kvasir::AuditOptions options;
  for (uint64_t count = 1 + random() % 12; options.ids.size() < count;)
    options.ids.push_back(int32_t(random() % model.facts().vocabulary));
  options.chunk = random() % 5;
  options.seed = seed + 1;
  kvasir::Audit audit = kvasir::runAudit(model, options);
  return audit.findings().empty() ? "" : audit.verdict();
}

uint64_t numberFrom(const char *name, uint64_t otherwise) {
  const char *text = std::getenv(name);
  return text ? std::stoull(text) : otherwise;
}

int runAudits(const char *path, uint64_t count) {
  const uint64_t first = numberFrom("KVASIR_AUDIT_SEED", 0);
  const kvasir::Model model(path);
  uint64_t alarms = 0, tokens = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    std::string wrong;
    if (seed % 16 == 15) {
      wrong = auditPrompt(model, seed);
    } else {
      Tree tree(model, seed);
      wrong = tree.run();
      tokens += tree.tokens();
    }
    if (!wrong.empty())
      std::printf("audit %llu: %s\n", static_cast<unsigned long long>(seed), wrong.c_str());
    alarms += !wrong.empty();
  }
  std::printf("%llu audits, %llu tokens in trees: %llu alarms\n", static_cast<unsigned long long>(count),
              static_cast<unsigned long long>(tokens), static_cast<unsigned long long>(alarms));
  return alarms ? 1 : 0;
}
} // namespace

int main(int argc, char **argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: audits MODEL.kvasir AUDITS\n");
    return 2;
  }
  try {
    return runAudits(argv[1], numberFrom("KVASIR_AUDITS", std::stoull(argv[2])));
  } catch (const std::exception &failure) {
    std::fprintf(stderr, "audits: %s\n", failure.what());
    return 1;
  }
}
