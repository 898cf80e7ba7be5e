// SPDX-License-Identifier: MIT
#include "runtime/diff/response.h"

#include "runtime/diff/report.h"

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
