// SPDX-License-Identifier: MIT
#include "runtime/tools/profile_rows.h"

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

TEST_CASE("a call reads of experts what its tokens choose") {
  CHECK(readShare(0, 0, 7) == 1);
  CHECK(readShare(2, 8, 0) == 0);
  CHECK(readShare(2, 8, 1) == doctest::Approx(0.25));
  CHECK(readShare(2, 8, 2) == doctest::Approx(1 - 0.75 * 0.75));
  CHECK(readShare(8, 8, 1) == 1);
  Work work;
  work.sharedBytes = 1000;
  CHECK(work.weightBytes(5) == 1000);
  work.experts = {{800, 2, 8}, {400, 1, 2}};
  CHECK(work.weightBytes(1) == 1000 + 200 + 200);
  CHECK(work.weightBytes(2) == 1000 + 350 + 300);
  CHECK(work.weightBytes(1000) == 2200);
}

TEST_CASE("a step of experts computes and reads those of its rows") {
  Work work;
  work.tensors = {{"up", {800, 6400, Arithmetic::int8}}, {"router", {64, 128, Arithmetic::f32}}};
  kvasir::StepTable table;
  table.ops = {{.op = "lm.expert_linear", .place = "up", .weights = {"up"}, .chosen = 2, .experts = 8},
               {.op = "lm.linear", .place = "router", .weights = {"router"}},
               {.op = "lm.expert_linear",
                .place = "up",
                .rows = kvasir::StepRows::wanted,
                .weights = {"up"},
                .chosen = 2,
                .experts = 8}};
  const StepCosts costs(work, work.description, table);
  kvasir::runtime::profile::CallShape shape;
  shape.numTokens = 2;
  shape.wantedPositions = {1};
  const Cost cost = costs.of({"", {0, 1}}, shape);
  CHECK(cost.bytes == 350 + 64);
  CHECK(cost.ops[static_cast<size_t>(Arithmetic::int8)] == 2 * 1600);
  CHECK(cost.ops[static_cast<size_t>(Arithmetic::f32)] == 2 * 128);
  const Cost last = costs.of({"", {2}}, shape);
  CHECK(last.bytes == 200);
  CHECK(last.ops[static_cast<size_t>(Arithmetic::int8)] == 1600);
}
