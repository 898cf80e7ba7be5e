// SPDX-License-Identifier: MIT
// Calls that are made to fail.
#include "runtime/audit/checks.h"

#include <algorithm>

namespace kvasir::runtime::audit {
namespace {

/// Asks the call to stop as soon as it runs: at its first barrier, or when it has done all if it has none.
class Canceller final : public Observer {
public:
  explicit Canceller(Observer &inner) : inner(inner) {}

  void around(const ObservedExecute &observed, const std::function<void()> &execute) override {
    flag = true;
    inner.around(observed, execute);
  }

  CancelFlag flag{false};

private:
  Observer &inner;
};

/// A call of ids that is cancelled; it must say so.
void cancelCall(Context &context, State &state, std::span<const int32_t> ids) {
  Canceller canceller(context.map);
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
  const Conversation usual = context.converse("cancel", ids.first(total), cuts);
  if (usual.state->length() < total)
    return "not checked: the calls fail anyway";
  Conversation cancelled{context.model.makeState(0), {}};
  uint64_t held = 0;
  for (const uint64_t tokens : cuts) {
    const auto next = ids.subspan(held, tokens);
    cancelCall(context, *cancelled.state, next);
    held += tokens;
    cancelled.outputs[held] = context.callerFor(tokens).call(*cancelled.state, next);
  }
  compareConversations(context, {Kind::afterCancelDiffers, "cancel", cancelled, usual, cuts, total});
  return "3 calls that were cancelled left the state as it was";
}

} // namespace kvasir::runtime::audit
