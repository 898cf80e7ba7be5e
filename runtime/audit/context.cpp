// SPDX-License-Identifier: MIT
#include "runtime/audit/context.h"

#include "runtime/state/rows.h"

#include <algorithm>

namespace kvasir::runtime::audit {
namespace {

bool hasManyFunctions(const Plan &plan) { return plan.prefill != plan.step || !plan.others.empty(); }

/// The call that appended a row.
struct CallOfRow {
  uint64_t start, tokens;
};

CallOfRow callOf(const Cuts &cuts, uint64_t row) {
  uint64_t start = 0;
  for (const uint64_t tokens : cuts) {
    if (row < start + tokens)
      return {start, tokens};
    start += tokens;
  }
  return {start, 1};
}

/// What differs in a slot (or an output) of the compared conversations, in a call of so many tokens.
Topic topicOf(const Context &context, const Comparison &comparison, size_t slot, uint64_t tokens) {
  Topic topic = context.topic(comparison.kind, comparison.check, slot, tokens);
  topic.sequence = comparison.sequence;
  topic.numSequences = comparison.numSequences;
  return topic;
}

/// Sets the kind of a row that holds what belongs elsewhere.
void setOrigin(Topic &topic, const std::optional<RowIndex::Place> &origin, const RowDifference &at,
               const Context &context) {
  if (!origin)
    return;
  if (topic.numSequences > 1) {
    // Alone the row is what token by token makes it, or was found to be wrong already.
    if (origin->sequence != topic.sequence) {
      topic.kind = Kind::wrongSequence;
      topic.detail = std::to_string(origin->sequence);
    }
  } else if (origin->slot != at.slot) {
    topic.kind = Kind::wrongSlot;
    topic.detail = context.model.description().slots[origin->slot].name;
  } else if (origin->layer != at.layer) {
    topic.kind = Kind::wrongLayer;
    topic.detail = std::to_string(origin->layer);
  } else if (origin->row != at.row) {
    topic.kind = Kind::wrongRow;
    topic.shift = static_cast<int64_t>(origin->row - at.row);
  }
}

void compareOutputs(Context &context, const Comparison &comparison) {
  for (const auto &[held, row] : comparison.tested.outputs) {
    const auto expected = comparison.expected.outputs.find(held);
    if (held > comparison.endRow || expected == comparison.expected.outputs.end())
      continue;
    // Outputs have no stored type; what rows may differ by, their sums may too.
    const Tolerance tolerance{context.model.description().numerics.invariant ? 0 : 1.0 / 16};
    if (const auto amount = differenceOf(row, expected->second, tolerance)) {
      const auto [start, tokens] = callOf(comparison.cuts, held - 1);
      Topic topic = topicOf(context, comparison, kNoSlot, tokens);
      topic.detail = context.callerFor(tokens).description().outputs.at(0).name;
      context.book.add(topic, 0, held - 1, tokens, start, *amount);
    }
  }
}

/// What the next call will find in the registers of two conversations of the same tokens.
void compareRegisters(Context &context, const Comparison &comparison) {
  const State &tested = *comparison.tested.state, &expected = *comparison.expected.state;
  const auto &slots = context.model.description().slots;
  if (tested.length() != expected.length() || tested.length() == 0)
    return;
  const auto [start, tokens] = callOf(comparison.cuts, tested.length() - 1);
  for (size_t slot = 0; slot < slots.size(); ++slot)
    for (uint64_t layer = 0; slots[slot].kind == SlotKind::reg && layer < slots[slot].layers; ++layer) {
      std::vector<float> value(registerElements(slots[slot])), other(value.size());
      readRegister(tested, slot, layer, value.data());
      readRegister(expected, slot, layer, other.data());
      if (const auto amount = differenceOf(value, other, context.tolerance(slot)))
        context.book.add(topicOf(context, comparison, slot, tokens), layer, 0, tokens, start, *amount);
    }
}

} // namespace

Context::Context(Model &model, const AuditOptions &options)
    : model(model), options(options), plan(makePlan(model, options)),
      book(model.description().slots, hasManyFunctions(plan)), map(model.description().slots, book),
      prefill(model, plan.prefill, options.cancel), step(model, plan.step, options.cancel) {}

Conversation Context::converse(const std::string &check, std::span<const int32_t> ids, const Cuts &cuts,
                               Observer *observer) {
  Conversation conversation{model.makeState(0), {}};
  if (observer == &map)
    map.setCheck(check);
  uint64_t first = 0;
  for (const uint64_t tokens : cuts) {
    try {
      conversation.outputs[first + tokens] =
          callerFor(tokens).call(*conversation.state, ids.subspan(first, tokens), observer);
    } catch (const Error &error) {
      addFailure(error, topic(Kind::failed, check, kNoSlot, tokens), first, tokens);
      return conversation;
    }
    first += tokens;
  }
  return conversation;
}

void Context::addFailure(const Error &error, Topic failed, uint64_t first, uint64_t tokens) {
  if (error.status() == KV_CANCELLED || error.status() == KV_OUT_OF_MEMORY)
    throw error;
  if (failed.check != "rows" && book.has(Kind::failed, "rows", kNoSlot)) // once is enough
    return;
  failed.detail = error.what();
  book.add(failed, 0, first, tokens, first);
}

Conversation &Context::audited() {
  if (!auditedOne) {
    auditedOne.emplace(Conversation{});
    *auditedOne = converse("rows", plan.ids, plan.cuts, &map);
  }
  return *auditedOne;
}

Conversation &Context::tokenByToken() {
  if (!singleOne)
    singleOne.emplace(converse("decode", plan.ids, Cuts(plan.ids.size(), 1)));
  return *singleOne;
}

const RowIndex &Context::tokenByTokenIndex() {
  if (!singleIndex) {
    singleIndex.emplace();
    singleIndex->add(*tokenByToken().state, 0);
  }
  return *singleIndex;
}

double Context::plainSeconds() {
  double seconds = 0;
  for (const CallRecord &call : map.calls())
    seconds += call.check == "rows" ? call.plainSeconds : 0;
  return seconds;
}

Topic Context::topic(Kind kind, const std::string &check, size_t slot, size_t numTokens) const {
  const auto &functions = model.description().functions;
  Topic topic;
  topic.kind = kind;
  topic.check = check;
  topic.function = functions[numTokens == 1 ? plan.step : plan.prefill].name;
  topic.slot = slot;
  topic.isStep = numTokens == 1;
  return topic;
}

Tolerance Context::tolerance(size_t slot) const {
  return model.description().numerics.invariant ? Tolerance{} : toleranceOf(model.description().slots[slot]);
}

void Context::requireNotCancelled() const {
  if (options.cancel && options.cancel->load(std::memory_order_relaxed))
    throw Error(KV_CANCELLED, "cancelled");
}

uint64_t compareConversations(Context &context, const Comparison &comparison) {
  const State &tested = *comparison.tested.state, &expected = *comparison.expected.state;
  const uint64_t endRow = std::min({comparison.endRow, tested.length(), expected.length()});
  const bool isAudited = &comparison.tested == &context.audited();
  RowGrid &grid = context.map.grid();
  compareRows(
      tested, expected, endRow, [&](size_t slot) { return context.tolerance(slot); },
      [&](const RowDifference &at) {
        if (isAudited && at.row < grid.rows() && grid.cell(at.slot, at.layer, at.row) != RowGrid::Cell::written &&
            grid.cell(at.slot, at.layer, at.row) != RowGrid::Cell::wrong)
          return;
        const auto [start, tokens] = callOf(comparison.cuts, at.row);
        Topic topic = topicOf(context, comparison, at.slot, tokens);
        if (comparison.index)
          setOrigin(topic, comparison.index->find(at.values, {comparison.sequence, at.slot, at.layer, at.row}), at,
                    context);
        context.book.add(topic, at.layer, at.row, tokens, start, at.amount);
        if (isAudited)
          grid.markWrong(at.slot, at.layer, at.row);
      });
  compareRegisters(context, comparison);
  compareOutputs(context, comparison);
  return endRow;
}

} // namespace kvasir::runtime::audit
