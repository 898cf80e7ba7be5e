// SPDX-License-Identifier: MIT
// How many rows of a mixture a diff lets go to other experts.
#include "runtime/diff/rerouted.h"

#include <doctest/doctest.h>

using namespace kvasir::runtime::diff;

TEST_CASE("rows that rounding sends to other experts are as many as in draws, and a few by luck") {
  CHECK(mostRerouted(140, {0, 0}) == 0);
  const double none = mostRerouted(140, {592, 0}), some = mostRerouted(140, {592, 20}),
               all = mostRerouted(140, {592, 592});
  CHECK(none > 1);
  CHECK(none < 5);
  CHECK(some > 10);
  CHECK(some < 20);
  CHECK(all > 140);
  CHECK(mostRerouted(3, {592, 20}) < 3); // of calls of one token not all
  CHECK(mostRerouted(1, {4, 1}) > 1);
}
