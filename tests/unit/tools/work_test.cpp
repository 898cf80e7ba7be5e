// SPDX-License-Identifier: MIT
#include "runtime/tools/work.h"

#include <doctest/doctest.h>

using namespace kvasir::tools;

TEST_CASE("tokens see the rows of their windows") {
  CHECK(rowsSeen(0, 3, 0) == 1 + 2 + 3);
  CHECK(rowsSeen(10, 2, 0) == 11 + 12);
  CHECK(rowsSeen(10, 2, 11) == 11 + 11);
  CHECK(rowsSeen(10, 2, 4) == 4 + 4);
}

TEST_CASE("rows in front of a window are not read") {
  Work work;
  work.stateBytesPerRow = 100; // 30 of them nobody attends
  work.attentions = {{1, 20, 0}, {1, 50, 8}};
  CHECK(work.stateBytes(8) == 800);
  CHECK(work.stateBytes(9) == 900 - 50);
  CHECK(work.stateBytes(108) == 50 * 108 + 50 * 8);
}
