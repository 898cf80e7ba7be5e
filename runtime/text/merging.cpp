// SPDX-License-Identifier: MIT
#include "runtime/text/merging.h"

#include <algorithm>
#include <cmath>

namespace kvasir {

void Merging::add(Part part) {
  int32_t index = static_cast<int32_t>(parts.size());
  if (!parts.empty())
    parts.back().next = index;
  parts.push_back({part, index - 1, kNone});
}

void Merging::run() {
  candidates.clear();
  for (size_t i = 1; i < parts.size(); ++i)
    propose(static_cast<int32_t>(i - 1), static_cast<int32_t>(i));
  while (!candidates.empty()) {
    Candidate best = candidates.front();
    std::pop_heap(candidates.begin(), candidates.end());
    candidates.pop_back();
    const Part &left = parts[best.left].part, &right = parts[best.right].part;
    bool isCurrent =
        !left.text.empty() && !right.text.empty() && left.text.size() + right.text.size() == best.sizeBytes;
    if (isCurrent)
      join(best);
  }
}

void Merging::join(const Candidate &candidate) {
  Node &left = parts[candidate.left], &right = parts[candidate.right];
  left.part = {candidate.result, {left.part.text.data(), candidate.sizeBytes}};
  right.part.text = {};
  left.next = right.next;
  if (right.next != kNone)
    parts[right.next].previous = candidate.left;
  propose(left.previous, candidate.left);
  propose(candidate.left, left.next);
}

void Merging::propose(int32_t left, int32_t right) {
  if (left == kNone || right == kNone)
    return;
  const Part &first = parts[left].part, &second = parts[right].part;
  size_t sizeBytes = first.text.size() + second.text.size();
  if (vocabulary.kind() == TokenizerKind::sentencePiece) {
    TokenId joined = vocabulary.find({first.text.data(), sizeBytes});
    float score = joined == kNoToken ? NAN : vocabulary.score(joined);
    if (std::isnan(score))
      return;
    candidates.push_back({-score, left, right, sizeBytes, joined});
  } else {
    auto merge = vocabulary.findMerge(first.symbol, second.symbol);
    if (!merge)
      return;
    candidates.push_back({static_cast<double>(merge->rank), left, right, sizeBytes, merge->result});
  }
  std::push_heap(candidates.begin(), candidates.end());
}

} // namespace kvasir
