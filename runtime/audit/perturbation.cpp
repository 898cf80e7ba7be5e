// SPDX-License-Identifier: MIT
// One changed token, and what else changes with it.
#include "runtime/audit/checks.h"

#include <algorithm>
#include <set>

namespace kvasir::runtime::audit {
namespace {

/// The audited conversation's first call and the same with one other token.
class Perturbation {
public:
  Perturbation(Context &context, const Conversation &usual, uint64_t token)
      : context(context), token(token), count(context.plan.cuts[0]), expected(usual) {
    ids.assign(context.plan.ids.begin(), context.plan.ids.begin() + count);
    const auto other = std::ranges::find_if(ids, [&](int32_t id) { return id != ids[token]; });
    ids[token] = other != ids.end() ? *other : ids[token] == 0 ? 1 : ids[token] - 1;
    changed = context.converse("perturb", ids, Cuts{count});
  }

  void check() {
    if (expected.state->length() != count || changed.state->length() != count)
      return;
    compareRows(
        *changed.state, *expected.state, count, [](size_t) { return Tolerance{}; },
        [&](const RowDifference &at) { note(at); });
    checkOwn();
    if (!reachesLater && token + 1 < count && changed.outputs.at(count) == expected.outputs.at(count))
      checkLater();
  }

private:
  using Place = std::pair<size_t, uint64_t>; ///< slot, layer

  void note(const RowDifference &at) {
    if (at.row < token)
      add(Kind::notCausal, at.slot, at.layer, at.row);
    else if (at.row == token)
      own.insert({at.slot, at.layer});
    else
      reachesLater = true;
  }

  void add(Kind kind, size_t slot, uint64_t layer, uint64_t row) {
    context.book.add(context.topic(kind, "perturb", slot, count), layer, row, count, 0);
    context.map.grid().markWrong(slot, layer, row);
  }

  /// The token's own row changes in each layer in which it does token by token.
  void checkOwn() {
    std::vector<Place> unchanged;
    const auto &slots = context.model.description().slots;
    for (size_t slot = 0; slot < slots.size(); ++slot)
      for (uint64_t layer = 0; slots[slot].kind == SlotKind::cache && layer < slots[slot].layers; ++layer)
        if (!own.contains({slot, layer}))
          unchanged.push_back({slot, layer});
    if (unchanged.empty())
      return;
    const auto single = singleDifferences(token + 1);
    for (const auto &[slot, layer] : unchanged)
      if (single.contains({slot, layer, token}))
        add(Kind::ownTokenIgnored, slot, layer, token);
  }

  /// No later row and no output has changed: token by token, some have?
  void checkLater() {
    for (const auto &[slot, layer, row] : singleDifferences(count))
      if (row > token)
        add(Kind::unattended, slot, layer, row);
  }

  /// Rows of the first `end` that change token by token: slot, layer, row.
  std::set<std::tuple<size_t, uint64_t, uint64_t>> singleDifferences(uint64_t end) {
    std::set<std::tuple<size_t, uint64_t, uint64_t>> places;
    const Conversation single = context.converse("perturb", std::span(ids).first(end), Cuts(end, 1));
    const State &usual = *context.tokenByToken().state;
    compareRows(
        *single.state, usual, std::min({end, single.state->length(), usual.length()}),
        [](size_t) { return Tolerance{}; },
        [&](const RowDifference &at) { places.insert({at.slot, at.layer, at.row}); });
    return places;
  }

  Context &context;
  const uint64_t token, count;
  Ids ids; ///< changed
  const Conversation &expected;
  Conversation changed;
  std::set<Place> own;
  bool reachesLater = false;
};

} // namespace

std::string checkPerturbation(Context &context) {
  const uint64_t count = context.plan.cuts[0];
  const std::set<uint64_t> tokens = {0, count / 2, count - 1};
  const Conversation usual = context.converse("perturb", std::span(context.plan.ids).first(count), Cuts{count});
  for (const uint64_t token : tokens) {
    Perturbation(context, usual, token).check();
    context.requireNotCancelled();
  }
  return std::to_string(tokens.size()) + " changed tokens change their own row in every layer and no earlier row";
}

} // namespace kvasir::runtime::audit
