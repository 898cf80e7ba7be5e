// SPDX-License-Identifier: MIT
// Are undo and branch exact? Random trees of fork, truncate and append, against fresh runs of the same tokens.
//
// usage: branches MODEL.kvasir TREES
//
// A tree grows from one conversation in 14 random steps. At its end each of its conversations is compared, to the bit,
// with a new one that is given the same tokens in one call: all logits that were seen on the way to it and not undone,
// every row that both hold, registers. Prompts are about a block of 128 tokens long, so that forks and cuts fall on
// both sides of its end.
#include "tests/models/conversations.h"

#include <algorithm>
#include <cstdio>

using namespace kvasir::test;

namespace {
constexpr int kSteps = 14;

/// A conversation and the logits that it gave after each of its tokens, empty where none were asked for.
struct Branch {
  kvasir::State state;
  std::vector<std::vector<float>> logits;
};

class Tree {
public:
  Tree(const kvasir::Model &model, uint64_t seed) : model(model), random(seed) {
    branches.push_back({model.makeState(), {}});
    append(branches[0], randomSize(random, 90, 140));
    for (int step = 0; step < kSteps; ++step)
      grow(randomSize(random, 0, branches.size() - 1));
  }

  /// What differs from fresh runs, or "".
  std::string difference() {
    for (Branch &branch : branches)
      if (std::string found = differenceOf(branch); !found.empty())
        return found;
    return "";
  }

  size_t numBranches() const { return branches.size(); }

private:
  void append(Branch &branch, size_t count) {
    count = std::min(count, branch.state.capacity() - branch.state.length());
    if (count == 0)
      return;
    const kvasir::Logits logits = model.predict(branch.state, randomIds(random, count, model.facts().vocabulary));
    branch.logits.resize(branch.state.length());
    branch.logits.back().assign(logits.last().begin(), logits.last().end());
  }

  /// Cuts to a random length, or to the nearest that the state can be cut to.
  void truncate(Branch &branch) {
    const uint64_t length = branch.state.length(), back = randomSize(random, 0, randomSize(random, 0, 60));
    uint64_t nearest = 0;
    try {
      branch.state.truncate(length - std::min(length, back), &nearest);
    } catch (const kvasir::Error &error) {
      if (error.status() != KV_UNSUPPORTED)
        throw;
      branch.state.truncate(nearest);
    }
    branch.logits.resize(branch.state.length());
  }

  void grow(size_t index) {
    const size_t kind = randomSize(random, 0, 9);
    if (kind < 5)
      append(branches[index], randomSize(random, 1, randomSize(random, 1, 30)));
    else if (kind < 7 && branches.size() < 4)
      branches.push_back({branches[index].state.fork(), branches[index].logits});
    else if (kind < 9)
      truncate(branches[index]);
    else
      branches[index].state.checkpoint();
  }

  std::string differenceOf(Branch &branch) {
    const std::vector<int32_t> ids = branch.state.ids();
    if (ids.empty())
      return "";
    kvasir::State fresh = model.makeState();
    const kvasir::Logits logits = model.predict(fresh, ids, {kvasir::Wanted::all});
    for (size_t token = 0; token < ids.size(); ++token)
      if (!branch.logits[token].empty() && !isSame(branch.logits[token], logits[token]))
        return "logits after token " + std::to_string(token) + " of " + std::to_string(ids.size());
    for (const Slot &slot : slotsOf(model)) {
      const uint64_t first = firstOfBoth(slot, branch.state, fresh);
      for (uint64_t layer = 0; layer < slot.layers; ++layer)
        if (!isSame(contentsOf(slot, layer, branch.state, first), contentsOf(slot, layer, fresh, first)))
          return "slot " + slot.name + ", layer " + std::to_string(layer);
    }
    const int32_t next[] = {1};
    if (fresh.length() < fresh.capacity() &&
        !isSame(model.predict(branch.state, next).last(), model.predict(fresh, next).last()))
      return "the next token's logits";
    return "";
  }

  /// The first row that both hold.
  static uint64_t firstOfBoth(const Slot &slot, kvasir::State &a, kvasir::State &b) {
    return slot.isRegister ? 0 : std::max(a.firstRow(slot.name), b.firstRow(slot.name));
  }

  const kvasir::Model &model;
  Random random;
  std::vector<Branch> branches;
};

int compare(const char *path, uint64_t numTrees) {
  const kvasir::Model model(path, {1});
  size_t numBranches = 0, numFailed = 0;
  for (uint64_t seed = 0; seed < numTrees; ++seed) {
    Tree tree(model, seed);
    numBranches += tree.numBranches();
    if (const std::string difference = tree.difference(); !difference.empty()) {
      ++numFailed;
      std::printf("tree %zu differs from a fresh run: %s\n", size_t(seed), difference.c_str());
    }
  }
  std::printf("%zu trees with %zu conversations: %zu differ from fresh runs\n", size_t(numTrees), numBranches,
              numFailed);
  return numFailed ? 1 : 0;
}
} // namespace

int main(int argc, char **argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: branches MODEL.kvasir TREES\n");
    return 2;
  }
  try {
    return compare(argv[1], std::stoul(argv[2]));
  } catch (const std::exception &failure) {
    std::fprintf(stderr, "branches: %s\n", failure.what());
    return 1;
  }
}
