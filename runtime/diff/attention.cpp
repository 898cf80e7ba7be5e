// SPDX-License-Identifier: MIT
#include "runtime/diff/attention.h"

#include "runtime/state/rows.h"

#include <algorithm>
#include <cmath>

namespace kvasir::runtime::diff {
namespace {

/// Rows [first, end) of one layer of a slot.
struct Rows {
  uint64_t first, heads, width;
  std::vector<float> numbers;

  const float *head(uint64_t row, uint64_t head) const { return &numbers[((row - first) * heads + head) * width]; }
};

std::optional<Rows> gather(const State &state, const SlotLayer &from, uint64_t first, uint64_t end,
                           const AppendedRows &appended) {
  const size_t slot = state.slots().find(from.slot);
  const SlotDescription &description = state.slots()[slot];
  const uint64_t width = rowElements(description), held = std::clamp(state.firstHeldRow(slot), first, end);
  if (description.kind != SlotKind::cache || from.layer >= description.layers)
    return std::nullopt;
  if (held > first && (appended.start > first || appended.rows.size() < (held - appended.start) * width))
    return std::nullopt;
  Rows rows{first, description.heads, description.width, std::vector<float>((end - first) * width)};
  if (held > first)
    std::copy_n(&appended.rows[(first - appended.start) * width], (held - first) * width, rows.numbers.data());
  readRows(state, slot, from.layer, held, end - held, rows.numbers.data() + (held - first) * width);
  return rows;
}

double dot(const float *a, const float *b, uint64_t width) {
  double sum = 0;
  for (uint64_t i = 0; i < width; ++i)
    sum += double{a[i]} * double{b[i]};
  return sum;
}

/// One head of one token, over rows [first, last].
void attendHead(const Step &step, const Rows &keys, const Rows &values, const float *query, uint64_t head,
                uint64_t first, uint64_t last, float *out) {
  std::vector<double> scores;
  double largest = -HUGE_VAL, total = 0;
  for (uint64_t row = first; row <= last; ++row) {
    const double score = step.scale * dot(query, keys.head(row, head), keys.width);
    scores.push_back(step.softcap > 0 ? step.softcap * std::tanh(score / step.softcap) : score);
    largest = std::max(largest, scores.back());
  }
  std::vector<double> sums(values.width);
  for (uint64_t row = first; row <= last; ++row) {
    const double share = std::exp(scores[row - first] - largest);
    total += share;
    for (uint64_t lane = 0; lane < values.width; ++lane)
      sums[lane] += share * double{values.head(row, head)[lane]};
  }
  for (uint64_t lane = 0; lane < values.width; ++lane)
    out[lane] = static_cast<float>(sums[lane] / total);
}

} // namespace

std::optional<std::vector<float>> attend(const State &state, const Step &step, uint64_t start,
                                         const std::vector<float> &queries, uint64_t tokens, const AppendedRows &keys,
                                         const AppendedRows &values) {
  const auto firstSeen = [&](uint64_t position) {
    return step.windowTokens && position + 1 > step.windowTokens ? position + 1 - step.windowTokens : 0;
  };
  if (!step.isCausal || step.hasSinks || start + tokens > state.length())
    return std::nullopt;
  const auto k = gather(state, *step.keys, firstSeen(start), start + tokens, keys);
  const auto v = gather(state, *step.values, firstSeen(start), start + tokens, values);
  if (!k || !v || k->heads != v->heads || queries.size() % (tokens * k->width * k->heads) != 0)
    return std::nullopt;
  const uint64_t heads = queries.size() / (tokens * k->width), shared = heads / k->heads;
  std::vector<float> attended(tokens * heads * v->width);
  for (uint64_t t = 0; t < tokens; ++t)
    for (uint64_t head = 0; head < heads; ++head)
      attendHead(step, *k, *v, &queries[(t * heads + head) * k->width], head / shared, firstSeen(start + t), start + t,
                 &attended[(t * heads + head) * v->width]);
  return attended;
}

} // namespace kvasir::runtime::diff
