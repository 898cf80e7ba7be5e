// SPDX-License-Identifier: MIT
// Calls that are made to fail.
#include "runtime/audit/checks.h"

#include <algorithm>

namespace kvasir::runtime::audit {
namespace {

/// Asks the call to stop at a barrier, by its number; 0: as soon as it runs, also if it has no barrier.
class Canceller final : public Observer {
public:
  Canceller(Observer &inner, uint64_t barrier) : inner(inner), barrier(barrier) {}

  void around(const ObservedExecute &observed, const std::function<void()> &execute) override {
    flag = barrier == 0;
    observed.team.raiseAtBarrier(barrier == 0 ? nullptr : &flag, barrier);
    try {
      inner.around(observed, execute);
    } catch (...) {
      observed.team.raiseAtBarrier(nullptr, 0);
      throw;
    }
    observed.team.raiseAtBarrier(nullptr, 0);
  }

  CancelFlag flag{false};

private:
  Observer &inner;
  const uint64_t barrier;
};

/// The barriers that every execute has.
class BarrierCount final : public Observer {
public:
  void around(const ObservedExecute &observed, const std::function<void()> &execute) override {
    execute();
    least = std::min(least, observed.team.numBarriers());
  }

  uint64_t least = UINT64_MAX;
};

/// Where calls are cancelled: at the first, the middle and the last of their barriers, as far as these differ.
std::vector<uint64_t> barriersToCancel(uint64_t numBarriers) {
  std::vector<uint64_t> barriers = {0};
  if (numBarriers > 2)
    barriers.push_back(numBarriers / 2 + 1);
  if (numBarriers > 1)
    barriers.push_back(numBarriers);
  return barriers;
}

/// A call of ids that is cancelled; it must say so.
void cancelCall(Context &context, State &state, std::span<const int32_t> ids, uint64_t barrier) {
  Canceller canceller(context.map, barrier);
  context.map.setCheck("cancel");
  const uint64_t before = state.length();
  Topic failed = context.topic(Kind::failed, "cancel", kNoSlot, ids.size());
  try {
    context.callerFor(ids.size()).call({{&state, ids}}, &canceller, &canceller.flag);
    failed.detail = "it was cancelled and did not say so";
  } catch (const Error &error) {
    if (error.status() == KV_CANCELLED && state.length() == before)
      return;
    failed.detail = error.what();
  }
  context.book.add(failed, 0, before, ids.size(), before);
}

} // namespace

std::string checkCancel(Context &context) {
  const std::span<const int32_t> ids(context.plan.ids);
  if (ids.size() < 3)
    return "not checked: the prompt is too short";
  const uint64_t several = std::min<uint64_t>(ids.size() - 2, 5),
                 first = std::min<uint64_t>(ids.size() - several - 1, 32);
  const Cuts cuts = {first, several, 1};
  const uint64_t total = first + several + 1;
  BarrierCount count;
  const Conversation usual = context.converse("cancel", ids.first(total), cuts, &count);
  if (usual.state->length() < total)
    return "not checked: the calls fail anyway";
  const auto barriers = barriersToCancel(count.least);
  Conversation cancelled{context.model.makeState(0), {}};
  uint64_t held = 0;
  for (const uint64_t tokens : cuts) {
    const auto next = ids.subspan(held, tokens);
    for (const uint64_t barrier : barriers)
      cancelCall(context, *cancelled.state, next, barrier);
    held += tokens;
    cancelled.outputs[held] = context.callerFor(tokens).call(*cancelled.state, next);
  }
  compareConversations(context, {Kind::afterCancelDiffers, "cancel", cancelled, usual, cuts, total});
  return std::to_string(cuts.size() * barriers.size()) + " calls that were cancelled left the state as it was";
}

} // namespace kvasir::runtime::audit
