// SPDX-License-Identifier: MIT
#include "runtime/audit/checks.h"

#include <algorithm>

namespace kvasir::runtime::audit {
namespace {

constexpr Check kChecks[] = {
    {"rows", checkRows},       {"decode", checkDecode},        {"chunks", checkChunks},
    {"batch", checkBatch},     {"perturb", checkPerturbation}, {"cancel", checkCancel},
    {"against", checkAgainst},
};

// The batch's sequences are cut to this, so that the check costs about as much as the others.
constexpr uint64_t kBatchTokens = 48;

std::string sameText(const Context &context) {
  return context.model.description().numerics.invariant ? "the same bits" : "equal within rounding";
}

/// What rounding activations adds up to in rows of deep layers, as a share of a row's largest element.
double roundingOf(const Model &model) {
  const Activations activations = model.description().numerics.activations;
  return activations == Activations::int8 ? 0.25 : activations == Activations::bf16 ? 1.0 / 16 : 0;
}

/// Functions that are neither prefill nor step: one call each.
void callOthers(Context &context, State &state) {
  for (const size_t function : context.plan.others) {
    Caller caller(context.model, function, context.options.cancel);
    const FunctionDescription &description = caller.description();
    const uint64_t tokens = takesTokens(description) ? std::min<uint64_t>(5, description.maxTokens) : 1;
    if (tokens > context.plan.ids.size() || state.length() + tokens > state.capacity())
      continue;
    try {
      caller.call(state, std::span(context.plan.ids).first(tokens), &context.map);
    } catch (const Error &error) {
      Topic failed = context.topic(Kind::failed, "rows", kNoSlot, tokens);
      failed.function = description.name;
      context.addFailure(error, failed, state.length(), tokens);
    }
  }
}

/// Alone, in the calls that a batch will make.
struct BatchSequence {
  Ids ids;
  Cuts cuts;
};

/// Runs sequences in one batch, call by call; audited.
void runBatch(Context &context, std::span<BatchSequence> sequences, std::span<Conversation> together) {
  std::vector<uint64_t> held(sequences.size(), 0);
  for (size_t i = 0; i < sequences[0].cuts.size(); ++i) {
    std::vector<Feed> feeds;
    for (size_t b = 0; b < sequences.size(); ++b)
      feeds.push_back({together[b].state.get(), std::span(sequences[b].ids).subspan(held[b], sequences[b].cuts[i])});
    const bool areSteps = std::ranges::all_of(feeds, [](const Feed &feed) { return feed.ids.size() == 1; });
    const auto rows = context.callerFor(areSteps ? 1 : 2).call(feeds, &context.map);
    for (size_t b = 0; b < sequences.size(); ++b) {
      held[b] += sequences[b].cuts[i];
      together[b].outputs[held[b]] = rows[b];
    }
  }
}

} // namespace

std::span<const Check> allChecks() { return kChecks; }

std::string checkRows(Context &context) {
  State &state = *context.audited().state;
  // On a state of their own: the drawn one is compared with others.
  if (!context.plan.others.empty()) {
    context.map.setCheck("rows");
    const auto fresh = context.model.makeState(0);
    context.prefill.call(*fresh, std::span(context.plan.ids).first(std::min<size_t>(3, context.plan.ids.size())));
    callOthers(context, *fresh);
  }
  std::string line = rowsLine(state.length(), context.map.calls());
  for (const std::string &name : context.plan.skipped)
    line += "; function " + name + " takes more than tokens and was not called";
  return line;
}

std::string checkDecode(Context &context) {
  Conversation &audited = context.audited(), &single = context.tokenByToken();
  const uint64_t rows =
      compareConversations(context, {Kind::prefillDiffers, "decode", audited, single, context.plan.cuts,
                                     context.plan.ids.size(), 0, 1, &context.tokenByTokenIndex()});
  return std::to_string(rows) + " rows of each layer are " + sameText(context) + " token by token";
}

std::string checkChunks(Context &context) {
  for (const Cuts &cuts : context.plan.randomCuts) {
    const Conversation cut = context.converse("chunks", context.plan.ids, cuts);
    compareConversations(context,
                         {Kind::chunksDiffer, "chunks", cut, context.tokenByToken(), cuts, context.plan.ids.size()});
    context.requireNotCancelled();
  }
  return std::to_string(context.plan.randomCuts.size()) + " random ways to cut the same tokens give rows that are " +
         sameText(context);
}

std::string checkBatch(Context &context) {
  const Ids &ids = context.plan.ids;
  const uint64_t first = std::min<uint64_t>(ids.size(), kBatchTokens), second = first * 2 / 3, third = first / 2;
  if (second < 5)
    return "not checked: the prompt is too short";
  BatchSequence sequences[] = {{{ids.begin(), ids.begin() + first}, {first - 3, 1, 1, 1}},
                               {{ids.rbegin(), ids.rbegin() + second}, {second - 4, 1, 2, 1}},
                               {{ids.end() - third, ids.end()}, {1, third - 3, 1, 1}}};
  constexpr size_t kSequences = std::size(sequences);
  Conversation together[kSequences], alone[kSequences];
  RowIndex index;
  for (size_t b = 0; b < kSequences; ++b) {
    together[b].state = context.model.makeState(0);
    alone[b] = context.converse("batch", sequences[b].ids, sequences[b].cuts);
    if (alone[b].state->length() != sequences[b].ids.size())
      return "not checked: the calls fail alone";
    index.add(*alone[b].state, b);
  }
  context.map.setCheck("batch");
  runBatch(context, sequences, together);
  for (size_t b = 0; b < kSequences; ++b)
    compareConversations(context, {Kind::batchDiffers, "batch", together[b], alone[b], sequences[b].cuts,
                                   sequences[b].ids.size(), b, kSequences, &index});
  return "3 sequences of " + std::to_string(first) + ", " + std::to_string(second) + " and " + std::to_string(third) +
         " tokens give in a batch what is " + sameText(context) + " as alone";
}

std::string checkAgainst(Context &context) {
  Model *other = context.options.against; // it is not asked for without
  AuditOptions options = context.options;
  options.against = nullptr;
  options.ids = {context.plan.ids.begin(), context.plan.ids.begin() + context.plan.promptTokens};
  Context theirs(*other, options);
  const Conversation run = theirs.converse("against", context.plan.ids, Cuts(1, context.plan.promptTokens));
  const auto &slots = context.model.description().slots, &theirSlots = other->description().slots;
  const auto toOther = [&](size_t slot) -> std::optional<size_t> {
    const auto found = std::ranges::find(theirSlots, slots[slot].name, &SlotDescription::name);
    const bool fits = found != theirSlots.end() && found->kind == slots[slot].kind &&
                      found->layers == slots[slot].layers &&
                      found->heads * found->width == slots[slot].heads * slots[slot].width;
    return fits ? std::optional<size_t>(found - theirSlots.begin()) : std::nullopt;
  };
  // The coarser of the two stored types, and what their activations round.
  const auto tolerance = [&](size_t slot) {
    return Tolerance{std::max({toleranceOf(slots[slot]).share, toleranceOf(theirSlots[*toOther(slot)]).share,
                               roundingOf(context.model), roundingOf(*other)})};
  };
  const State &state = *context.audited().state;
  const uint64_t rows = std::min({context.plan.promptTokens, state.length(), run.state->length()});
  double largest = 0;
  for (size_t slot = 0; slot < slots.size(); ++slot)
    if (slots[slot].kind == SlotKind::cache && toOther(slot))
      largest = std::max(largest, tolerance(slot).share);
  compareRows(
      state, *run.state, rows, tolerance,
      [&](const RowDifference &at) {
        Topic topic = context.topic(Kind::othersDiffer, "against", at.slot, context.plan.cuts[0]);
        topic.detail = other->description().backend;
        context.book.add(topic, at.layer, at.row, context.plan.cuts[0], 0, at.amount);
      },
      toOther);
  return std::to_string(rows) + " rows of each layer are those of the other plugin (" + other->description().backend +
         "), within " + std::to_string(static_cast<int>(100 * largest + 0.5)) + " % of a row's largest element";
}

} // namespace kvasir::runtime::audit
