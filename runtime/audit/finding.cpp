// SPDX-License-Identifier: MIT
#include "runtime/audit/finding.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <tuple>

namespace kvasir::runtime::audit {
namespace {

/// {place}, {rows}, {calls}, {detail}, {moved} rows, {amount}, {complete} slots. Words with a bar are for one and for
/// several: rows, or layers of a register, in {braces}; calls in [brackets].
struct KindFacts {
  const char *name;
  const char *sentence;
};

// In the order of Kind.
constexpr KindFacts kKinds[] = {
    {"failed", "{function}{calls} failed: {detail}"},
    {"not-written", "{place}: {rows} {was|were} not written in {calls}{complete}"},
    {"partly-written",
     "{place}: {rows} {was|were} written only in part in {calls}: {amount} of {detail} elements were not"},
    {"other-sequence", "{place}: {rows} {was|were} written in {calls} of a batch, and {is|are} not of this sequence's "
                       "call; alone, no call does that"},
    {"undeclared-write",
     "{place}: {rows} {was|were} written in {calls}, beyond the rows that [it declares|they declare]"},
    {"committed-changed", "{place}: {rows}, committed before, {was|were} changed in {calls}"},
    {"changed-on-error", "{place}: {rows} {was|were} changed in {calls} that did not succeed"},
    {"register-not-written", "{place} {was|were} not written in {calls}, which [declares|declare] it"},
    {"register-undeclared", "{place} {was|were} written in {calls}, which [does|do] not declare it"},
    {"register-in-place", "{place}: {its committed value was|their committed values were} changed in {calls}"},
    {"register-on-error",
     "{place}: {its committed value was|their committed values were} changed in {calls} that did not succeed"},
    {"output-not-written", "output {detail}: {amount} of its elements were not written in {calls}"},
    {"nondeterministic", "{place}: {rows} {differs|differ} when {calls} [runs|run] again on the same state"},
    {"reads-unwritten",
     "{place}: {rows} {depends|depend} on what the rows of {calls} held before [it|they] wrote them"},
    {"wrong-slot", "{place}: {rows} {holds|hold} after {calls} what token by token is in slot {detail}"},
    {"wrong-layer", "{place}: {rows} {holds|hold} after {calls} what token by token is in layer {detail}"},
    {"wrong-row", "{place}: {rows} {holds|hold} after {calls} what token by token is in {moved}"},
    {"wrong-sequence", "{place}: {rows} {holds|hold} after {calls} of a batch what belongs to sequence {detail}"},
    {"not-causal", "{place}: {rows} {depends|depend} on later tokens of {calls}"},
    {"own-token-ignored", "{place}: {rows} {does|do} not change with {its|their} own token in {calls}"},
    {"unattended", "{place}: {rows} {does|do} not depend on the tokens before {it|them} in {calls}; token by token "
                   "{it does|they do}"},
    {"prefill-differs", "{place}: {rows} {differs|differ} between {calls} and token by token, by up to {amount}"},
    {"chunks-differ", "{place}: {rows} {differs|differ} between {calls} and token by token, by up to {amount}"},
    {"batch-differs", "{place}: {rows} {differs|differ} between {calls} of a batch and alone, by up to {amount}"},
    {"others-differ", "{place}: {rows} {differs|differ} from those of {detail}, by up to {amount}"},
    {"after-cancel-differs", "{place}: {rows} {differs|differ} after a call that was cancelled, by up to {amount}"},
};
static_assert(std::size(kKinds) == size_t(Kind::afterCancelDiffers) + 1);

const KindFacts &factsOf(Kind kind) { return kKinds[static_cast<size_t>(kind)]; }

/// What may be no fault of its own once one of a lower rank is there: rows that are wrong, then what they make of the
/// rows that are computed from them.
int rankOf(Kind kind) {
  if (kind == Kind::othersDiffer || kind < Kind::nondeterministic)
    return 0;
  if (kind == Kind::readsUnwritten)
    return 1; // rows that are not written are read, too
  if (kind < Kind::notCausal)
    return 0;
  return kind < Kind::prefillDiffers ? 2 : 3;
}

void replaceWord(std::string &text, const std::string &word, const std::string &value) {
  const size_t at = text.find("{" + word + "}");
  if (at != std::string::npos)
    text.replace(at, word.size() + 2, value);
}

/// One of {one|several}, or of those in other brackets.
void chooseNumbers(std::string &text, char open, char close, bool isOne) {
  for (size_t at = text.find(open); at != std::string::npos; at = text.find(open, at)) {
    const size_t bar = text.find('|', at), end = text.find(close, at);
    if (bar == std::string::npos || bar > end) {
      ++at;
      continue;
    }
    text.replace(at, end + 1 - at, isOne ? text.substr(at + 1, bar - at - 1) : text.substr(bar + 1, end - bar - 1));
  }
}

std::string amountText(double amount) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", amount);
  return text;
}

std::string layersText(const SlotDescription &slot, uint64_t first, uint64_t end) {
  if (slot.layers == 1)
    return "";
  RowSet layers;
  layers.add(first, end);
  return ", " + rangesText("layer", layers);
}

} // namespace

const char *kindName(Kind kind) { return factsOf(kind).name; }

std::string callsText(const std::vector<uint64_t> &tokens) {
  const auto counted = [](uint64_t count) { return std::to_string(count) + (count == 1 ? " token" : " tokens"); };
  if (tokens.size() == 1)
    return "the call of " + counted(tokens[0]);
  const std::string calls = std::to_string(tokens.size()) + " calls";
  if (std::ranges::all_of(tokens, [&](uint64_t count) { return count == tokens[0]; }))
    return tokens.empty() ? "the calls" : calls + " of " + counted(tokens[0]) + " each";
  if (tokens.size() > 4)
    return calls + " of " + std::to_string(std::ranges::min(tokens)) + " to " + counted(std::ranges::max(tokens));
  std::vector<std::string> words;
  for (const uint64_t count : tokens)
    words.push_back(std::to_string(count));
  return calls + " of " + listText(words) + " tokens";
}

void FindingBook::add(const Topic &topic, uint64_t layer, uint64_t row, uint64_t callTokens, uint64_t callStart,
                      double amount) {
  if (std::ranges::find(checks, topic.check) == checks.end())
    checks.push_back(topic.check);
  Draft &draft = drafts[topic];
  draft.layers[layer].add(row);
  draft.calls[callStart] = callTokens;
  draft.amount = std::max(draft.amount, amount);
}

bool FindingBook::has(Kind kind, const std::string &check, size_t slot) const {
  return std::ranges::any_of(drafts, [&](const auto &entry) {
    return entry.first.kind == kind && entry.first.check == check && entry.first.slot == slot;
  });
}

/// What happens in a batch and never alone is another sequence's doing.
Topic FindingBook::relabelled(const Topic &topic) const {
  Topic changed = topic;
  if (topic.numSequences > 1 && (topic.kind == Kind::beyond || topic.kind == Kind::committed) &&
      !has(topic.kind, "rows", topic.slot))
    changed.kind = Kind::otherSequence;
  return changed;
}

Severity FindingBook::severityOf(const Topic &topic) const {
  // Other checks see again what the row map of the first conversation has seen.
  if (topic.check != "rows" && has(topic.kind, "rows", topic.slot))
    return Severity::follows;
  const auto isCause = [&](const auto &entry) {
    const Kind kind = entry.first.kind;
    if (topic.kind == Kind::readsUnwritten)
      return kind == Kind::notWritten || kind == Kind::partlyWritten;
    return kind != Kind::othersDiffer && rankOf(kind) < rankOf(topic.kind);
  };
  return std::ranges::any_of(drafts, isCause) ? Severity::follows : Severity::error;
}

void FindingBook::addFindings(const Topic &topic, const Draft &draft, std::vector<Finding> &findings) const {
  std::vector<uint64_t> calls;
  for (const auto &[start, tokens] : draft.calls)
    calls.push_back(tokens);
  for (auto layer = draft.layers.begin(); layer != draft.layers.end();) {
    auto next = std::next(layer);
    while (next != draft.layers.end() && next->first == std::prev(next)->first + 1 && next->second == layer->second)
      ++next;
    findings.push_back({relabelled(topic), severityOf(topic), layer->first, std::prev(next)->first + 1, layer->second,
                        calls, draft.amount, ""});
    findings.back().sentence = sentence(findings.back());
    layer = next;
  }
}

std::vector<Finding> FindingBook::finish() const {
  std::vector<Finding> findings;
  for (const auto &[topic, draft] : drafts)
    addFindings(topic, draft, findings);
  std::ranges::sort(findings, {}, [&](const Finding &finding) {
    const Topic &topic = finding.topic;
    return std::tuple(finding.severity, topic.kind, std::ranges::find(checks, topic.check) - checks.begin(), topic,
                      finding.firstLayer);
  });
  return findings;
}

/// The other caches that this call wrote whole.
std::string FindingBook::completeSlots(const Topic &topic) const {
  std::vector<std::string> names;
  for (size_t slot = 0; slot < slots.size(); ++slot) {
    const bool isMissing = std::ranges::any_of(drafts, [&](const auto &entry) {
      const Topic &other = entry.first;
      return other.slot == slot && other.check == topic.check && other.sequence == topic.sequence &&
             (other.kind == Kind::notWritten || other.kind == Kind::partlyWritten);
    });
    if (slots[slot].kind == SlotKind::cache && !isMissing)
      names.push_back(slots[slot].name);
  }
  if (names.empty())
    return "";
  return "; slot" + std::string(names.size() == 1 ? " " : "s ") + listText(names) +
         (names.size() == 1 ? " is complete" : " are complete");
}

std::string FindingBook::place(const Finding &finding) const {
  const Topic &topic = finding.topic;
  std::string text = namesFunctions ? "function " + topic.function + ", " : "";
  if (topic.slot == kNoSlot)
    text += "output " + topic.detail;
  else
    text += (slots[topic.slot].kind == SlotKind::reg ? "register " : "slot ") + slots[topic.slot].name +
            layersText(slots[topic.slot], finding.firstLayer, finding.endLayer);
  return text + (topic.numSequences > 1 ? ", sequence " + std::to_string(topic.sequence) : "");
}

std::string FindingBook::sentence(const Finding &finding) const {
  const Topic &topic = finding.topic;
  const bool isRegister = topic.slot != kNoSlot && slots[topic.slot].kind == SlotKind::reg;
  const bool isOne = isRegister ? finding.endLayer - finding.firstLayer == 1 : finding.rows.size() == 1;
  std::string text = factsOf(topic.kind).sentence;
  chooseNumbers(text, '{', '}', isOne);
  chooseNumbers(text, '[', ']', finding.callTokens.size() == 1);
  replaceWord(text, "function", namesFunctions ? "function " + topic.function + ", " : "");
  replaceWord(text, "place", place(finding));
  const std::string values = isOne ? "its value" : "their values";
  replaceWord(text, "rows", isRegister ? values : rangesText(topic.slot == kNoSlot ? "token" : "row", finding.rows));
  replaceWord(text, "calls", callsText(finding.callTokens));
  replaceWord(text, "detail", topic.detail);
  replaceWord(text, "moved",
              std::string(finding.rows.size() == 1 ? "row " : "rows ") + rangesText(finding.rows, topic.shift));
  replaceWord(text, "amount", amountText(finding.amount));
  replaceWord(text, "complete", completeSlots(topic));
  return text;
}

} // namespace kvasir::runtime::audit
