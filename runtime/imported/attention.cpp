// SPDX-License-Identifier: MIT
// What each function attends to by itself: rows that nobody has written must not matter, each earlier token's must.
#include "runtime/imported/attention_probe.h"
#include "runtime/imported/package_audit.h"

#include <algorithm>
#include <bit>

namespace kvasir::imported {
namespace {

/// Tokens [first, last).
struct TokenRange {
  uint64_t first, last;

  bool operator==(const TokenRange &) const = default;
};

std::string rowsText(const TokenRange &range) {
  return range.last == range.first + 1
             ? "the row of token " + std::to_string(range.first)
             : "the rows of tokens " + std::to_string(range.first) + " to " + std::to_string(range.last - 1);
}

/// Some of a range: both ends, and evenly what is between.
std::vector<uint64_t> sampleOf(const TokenRange &range, uint64_t most) {
  const uint64_t extent = range.last - range.first, count = std::min(extent, most);
  std::vector<uint64_t> tokens;
  for (uint64_t i = 0; i < count; ++i)
    tokens.push_back(range.first + (count > 1 ? i * (extent - 1) / (count - 1) : 0));
  return tokens;
}

/// What of one group calls at one position depend on.
class GroupProbe {
public:
  /// Tries `mostTokens` tokens, if there are a few in all, else `numSampled`.
  GroupProbe(AttentionProbe &probe, const SlabGroup &group, uint64_t mostTokens, uint64_t numSampled)
      : probe(probe), group(group), mostTokens(mostTokens), numSampled(numSampled) {}

  bool dependsOn(uint64_t position, const TokenRange &range) const {
    return probe.dependsOnTokens(group, position, range.first, range.last);
  }

  /// Tokens side by side whose rows do not matter to a call that should see them all; nothing if there are none.
  std::optional<TokenRange> findHidden(uint64_t position, const TokenRange &due) const {
    if (due.first == due.last)
      return std::nullopt;
    if (!dependsOn(position, due))
      return due;
    constexpr uint64_t kFew = 32;
    const auto tokens = sampleOf(due, due.last - due.first <= kFew ? mostTokens : std::min(mostTokens, numSampled));
    const auto hidden = std::ranges::find_if(tokens.rbegin(), tokens.rend(),
                                             [&](uint64_t token) { return !dependsOn(position, {token, token + 1}); });
    if (hidden == tokens.rend())
      return std::nullopt;
    TokenRange range{*hidden, *hidden + 1};
    for (uint64_t step = std::bit_floor(due.last - due.first); step > 0; step /= 2) {
      if (range.first >= due.first + step && !dependsOn(position, {range.first - step, range.last}))
        range.first -= step;
      if (range.last + step <= due.last && !dependsOn(position, {range.first, range.last + step}))
        range.last += step;
    }
    return range;
  }

private:
  AttentionProbe &probe;
  const SlabGroup group;
  const uint64_t mostTokens, numSampled;
};

} // namespace

void PackageAudit::checkAttention() {
  for (const HostFunction &function : functions) {
    if (!isPlayed(function) || isFirstOnly(function) || !canBePlaced(function) || session.axes.empty())
      continue;
    for (const uint64_t count : std::set{leastTokensOf(function), chunkOf(function)})
      if (!hasError(function))
        try {
          checkAttentionOf(function, count);
        } catch (const Error &error) {
          notes.push_back("what " + function.name() + " attends to: " + error.what());
        }
  }
}

/// Some slabs of each cache that is written: those of one layer, where layers come first.
std::vector<SlabGroup> PackageAudit::slabGroups() const {
  std::vector<SlabGroup> groups;
  for (const auto &[state, axes] : session.axes) {
    const std::vector<uint64_t> &shape = program.findSlot(state)->shape;
    const uint64_t numSlabs = Rows(shape, axes).numSlabs(), numGroups = axes.slabs.empty() ? 1 : shape[axes.slabs[0]];
    const bool isWritten = std::ranges::any_of(facts, [&](const RowFact &fact) {
      return fact.state == state &&
             std::ranges::any_of(fact.slabs, [](const SlabRows &slab) { return !slab.written.empty(); });
    });
    for (uint64_t group = 0; isWritten && group < numGroups; ++group)
      groups.push_back({state, group * (numSlabs / numGroups), numSlabs / numGroups});
  }
  return groups;
}

void PackageAudit::checkAttentionOf(const HostFunction &function, uint64_t numTokens) {
  AttentionProbe probe(session, function, numTokens);
  std::vector<uint64_t> positions = farPositions(numTokens);
  if (const CacheForm cache = session.cache(); std::ranges::find(positions, numTokens) == positions.end() &&
                                               (cache.style != CacheStyle::linear || 2 * numTokens <= cache.numRows))
    positions.insert(positions.begin(), numTokens);
  for (const uint64_t position : positions)
    checkUnwritten(function, probe, position);
  const auto groups = slabGroups();
  std::vector<SlabGroup> dead;
  for (const SlabGroup &group : groups)
    if (!hasError(function, group.state) && !checkEarlier(function, probe, group, groups.size(), positions, numTokens))
      dead.push_back(group);
  // A prompt may have no use for its last layer's; a single token that gives more than a number has for all.
  const bool givesMore =
      std::ranges::any_of(probe.outputsAt(0), [](const auto &each) { return each.second.numElements() > 1; });
  for (const SlabGroup &group : dead)
    if (numTokens == 1 && givesMore && !positions.empty())
      add(BugClass::wrongMask, function.name(), group.state, "nothing depends on the rows of earlier tokens");
}

void PackageAudit::checkUnwritten(const HostFunction &function, AttentionProbe &probe, uint64_t position) {
  const std::string where = "at position " + std::to_string(position) + " it attends to what ";
  for (const auto &[state, ignored] : session.axes)
    if (!hasError(function, state) && probe.dependsOnOverwritten(state, position))
      add(BugClass::staleAttention, function.name(), state,
          where + "the rows of its own tokens held before the call: it reads them before it writes them");
  if (!hasError(function) && probe.dependsOnUnwritten(position))
    add(BugClass::wrongMask, function.name(), "", where + "rows hold that nobody has written");
}

/// A window shows tokens up to an age; a fixed set of rows, or their end, does not move with the position.
bool PackageAudit::checkEarlier(const HostFunction &function, AttentionProbe &probe, const SlabGroup &group,
                                size_t numGroups, const std::vector<uint64_t> &positions, uint64_t numTokens) {
  constexpr uint64_t kMostProbes = 128;
  // A long call takes long, and is held against those of single tokens, too.
  const GroupProbe tokens(probe, group, std::max<uint64_t>(kMostProbes / numGroups, 3), numTokens == 1 ? 8 : 3);
  const CacheForm &form = session.forms.at(group.state);
  const auto hiddenAt = [&](uint64_t position) {
    return tokens.findHidden(position, {form.firstSeen(position), position});
  };
  std::map<uint64_t, TokenRange> hidden; // by position
  bool isLive = false;
  for (const uint64_t position : positions)
    if (const auto range = hiddenAt(position)) {
      hidden.emplace(position, *range);
      isLive |= *range != TokenRange{form.firstSeen(position), position};
    } else
      isLive = true;
  if (!isLive)
    return false;
  for (const auto &[position, range] : hidden) {
    // A ring's calls begin at multiples of their length.
    const uint64_t step = form.style == CacheStyle::linear ? 1 : numTokens;
    const auto before = hiddenAt(position - step);
    const bool hadNone = range.last <= range.first + step; // the window reached that far
    if (range.last < position && (hadNone ? !before : before && before->last + step == range.last))
      continue;
    const bool isNewest = range == TokenRange{0, 1} && position == 1;
    add(BugClass::wrongMask, function.name(), group.state,
        "at position " + std::to_string(position) + " " + rowsText(range) + " " +
            (range.last == range.first + 1 ? "changes" : "change") + " nothing" +
            (isNewest ? ": it does not attend to its own token" : ", though they are before the call's"));
  }
  return true;
}

} // namespace kvasir::imported
