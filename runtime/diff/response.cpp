// SPDX-License-Identifier: MIT
#include "runtime/diff/response.h"

#include "runtime/diff/report.h"

#include <algorithm>
#include <cmath>

namespace kvasir::runtime::diff {
namespace {

constexpr uint64_t kDraws = 4;

} // namespace

double Response::of(std::span<const float> row, const std::function<std::vector<float>(const Draw &)> &rowOf) {
  follow();
  double squares = 0;
  for (const Draw &draw : draws) {
    const double share = differenceOf(row, rowOf(draw), 0).share;
    squares += share * share;
  }
  return std::isfinite(squares) ? std::sqrt(squares / kDraws) : 0;
}

DrawnRows Response::drawnRows(std::span<const float> rows, uint64_t width, double tolerance,
                              const std::function<std::vector<float>(const Draw &)> &rowsOf) {
  follow();
  DrawnRows drawn;
  for (const Draw &draw : draws) {
    const std::vector<float> moved = rowsOf(draw);
    for (uint64_t at = 0; at + width <= std::min<uint64_t>(rows.size(), moved.size()); at += width, ++drawn.num)
      drawn.numFar += differenceOf(rows.subspan(at, width), std::span(moved).subspan(at, width), tolerance).isBeyond();
  }
  return drawn;
}

/// Makes the calls that A has made since.
void Response::follow() {
  if (!noisy) {
    noisy = std::make_unique<NoisyModel>(a.model, norms, unit);
    for (uint64_t i = 0; i < kDraws; ++i)
      draws.push_back({{noisy->model(), a.plan, noisy->model().makeState(0)}, {}});
  }
  for (uint64_t i = 0; i < kDraws; ++i) {
    noisy->draw(i);
    for (size_t next = numFollowed; next < calls.size(); ++next) {
      const auto &[call, wanted] = calls[next];
      const auto ids = std::span(a.plan.ids).subspan(call.start, call.tokens);
      draws[i].outputs = draws[i].side.call(ids, call.start, wanted, cancel);
    }
  }
  numFollowed = calls.size();
}

} // namespace kvasir::runtime::diff
