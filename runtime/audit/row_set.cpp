// SPDX-License-Identifier: MIT
#include "runtime/audit/row_set.h"

#include <algorithm>

namespace kvasir::runtime::audit {
namespace {

constexpr size_t kListedRanges = 4;

std::string rangeText(const RowSet::Range &range, int64_t shift) {
  const auto number = [&](uint64_t row) { return std::to_string(static_cast<int64_t>(row) + shift); };
  return range.end == range.begin + 1 ? number(range.begin) : number(range.begin) + "–" + number(range.end - 1);
}

} // namespace

void RowSet::add(uint64_t begin, uint64_t end) {
  if (begin >= end)
    return;
  auto first = ranges.end();
  while (first != ranges.begin() && std::prev(first)->end >= begin)
    --first;
  auto last = first;
  while (last != ranges.end() && last->begin <= end) {
    begin = std::min(begin, last->begin);
    end = std::max(end, last->end);
    ++last;
  }
  ranges.insert(ranges.erase(first, last), {begin, end});
}

uint64_t RowSet::size() const {
  uint64_t count = 0;
  for (const Range &range : ranges)
    count += range.end - range.begin;
  return count;
}

std::string listText(const std::vector<std::string> &words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i)
    text += (i == 0 ? "" : i + 1 == words.size() ? " and " : ", ") + words[i];
  return text;
}

std::string rangesText(const RowSet &rows, int64_t shift) {
  std::vector<std::string> words;
  uint64_t listed = 0;
  for (const RowSet::Range &range : rows.all()) {
    if (words.size() == kListedRanges) {
      words.push_back(std::to_string(rows.size() - listed) + " more");
      break;
    }
    words.push_back(rangeText(range, shift));
    listed += range.end - range.begin;
  }
  return listText(words);
}

std::string rangesText(const std::string &noun, const RowSet &rows) {
  return noun + (rows.size() == 1 ? " " : "s ") + rangesText(rows, 0);
}

} // namespace kvasir::runtime::audit
