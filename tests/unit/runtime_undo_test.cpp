// SPDX-License-Identifier: MIT
// Branches and the way back: fork, truncate, checkpoints, windows; without a plugin, rows are written by the test.
#include "runtime/state/rows.h"
#include "runtime/state/transaction.h"
#include "tests/unit/failure.h"

#include <cstring>
#include <doctest/doctest.h>

using namespace kvasir;
using namespace kvasir::runtime;
using kvasir::test::failureOf;

namespace {

constexpr uint64_t kCapacity = 100000;

/// One layer of f32 rows of one number, perhaps with a window; perhaps a register of one number.
std::shared_ptr<const Slots> makeSlots(uint64_t window, bool hasRegister) {
  SlotDescription rows;
  rows.name = "rows";
  rows.windowTokens = window;
  rows.layout = {512, {{PlaneRole::value, ElementType::f32, 0, {{Axis::token, 128, 32}}}}};
  SlotDescription sum;
  sum.name = "sum";
  sum.kind = SlotKind::reg;
  sum.shape = {1};
  sum.layout = {4, {{PlaneRole::value, ElementType::f32, 0, {}}}};
  return std::make_shared<const Slots>(hasRegister ? std::vector{rows, sum} : std::vector{rows});
}

float *rowAt(const kv_view &view, uint64_t row) {
  return reinterpret_cast<float *>(view.blocks[row / KV_BLOCK_TOKENS]) + row % KV_BLOCK_TOKENS;
}

/// Appends tokens with these ids; row = id, register += id. False rolls back.
void append(State &state, const std::vector<int32_t> &ids, bool commits = true) {
  Transaction transaction(state);
  transaction.prepareRows(ids.size());
  const bool hasRegister = state.slots().hasRegisters();
  for (size_t i = 0; i < ids.size(); ++i)
    *rowAt(transaction.view(0), transaction.held() + i) = static_cast<float>(ids[i]);
  if (hasRegister) {
    const kv_view view = transaction.view(1);
    float sum;
    std::memcpy(&sum, view.in, sizeof sum);
    for (const int32_t id : ids)
      sum += static_cast<float>(id);
    std::memcpy(view.out, &sum, sizeof sum);
  }
  transaction.advance(ids.size(), ids.data(), {false, hasRegister});
  if (commits)
    transaction.commit();
}

std::vector<int32_t> numbers(int32_t first, size_t count) {
  std::vector<int32_t> ids(count);
  for (int32_t &id : ids)
    id = first++;
  return ids;
}

std::vector<int32_t> idsOf(const State &state) {
  std::vector<int32_t> ids(state.length());
  state.readIds(0, ids.size(), ids.data());
  return ids;
}

/// The rows that are held, which are the ids of their tokens.
void checkRows(const State &state) {
  const auto ids = idsOf(state);
  const uint64_t first = state.firstHeldRow(0), count = state.length() - first;
  std::vector<float> rows(count);
  readRows(state, 0, 0, first, count, rows.data());
  for (uint64_t i = 0; i < count; ++i)
    CHECK(rows[i] == static_cast<float>(ids[first + i]));
}

float sumOf(const State &state) {
  float sum;
  readRegister(state, 1, 0, &sum);
  return sum;
}

} // namespace

TEST_CASE("a fork shares blocks, and what either does next is its own") {
  State state(makeSlots(0, true), {kCapacity});
  append(state, numbers(1, 300));
  const auto branch = state.fork();
  for (size_t table = 0; table < 3; ++table)
    for (size_t i = 0; i < state.table(table).size(); ++i)
      CHECK(branch->table(table)[i].bytes() == state.table(table)[i].bytes());
  append(*branch, {7, 8});
  append(state, {9});
  CHECK(branch->length() == 302);
  CHECK(state.length() == 301);
  CHECK(branch->table(0)[1].bytes() == state.table(0)[1].bytes());
  CHECK(branch->table(0)[2].bytes() != state.table(0)[2].bytes());
  checkRows(state);
  checkRows(*branch);
  CHECK(sumOf(state) == 45150.0f + 9);
  CHECK(sumOf(*branch) == 45150.0f + 15);
}

TEST_CASE("memory of forks goes back, and growth is bounded by what is held at once") {
  const auto slots = makeSlots(0, true);
  State state(slots, {kCapacity});
  append(state, numbers(1, 1000));
  size_t most = 0;
  for (int round = 0; round < 100; ++round) {
    std::vector<std::unique_ptr<State>> branches;
    for (int i = 0; i < 10; ++i) {
      branches.push_back(state.fork());
      append(*branches.back(), numbers(i, 200));
    }
    if (round == 0)
      most = slots->pool(0).numBlocks();
  }
  CHECK(slots->pool(0).numBlocks() == most);
  CHECK(slots->pool(0).numFree() == most - 8);
  CHECK(slots->pool(1).numFree() == slots->pool(1).numBlocks() - 2); // the value and the zero
}

TEST_CASE("truncate without registers and windows goes to any length") {
  State state(makeSlots(0, false), {kCapacity});
  append(state, numbers(1, 400));
  state.truncate(400);
  state.truncate(257);
  CHECK(state.length() == 257);
  CHECK(state.table(0).size() == 3);
  append(state, numbers(1000, 5));
  checkRows(state);
  CHECK(idsOf(state)[257] == 1000);
  state.truncate(256);
  CHECK(state.table(0).size() == 2);
  state.truncate(0);
  CHECK(state.table(0).size() == 0);
  CHECK(failureOf(KV_BAD_INPUT, [&] { state.truncate(1); }) == "the state holds 0 tokens and can't be cut to 1");
}

TEST_CASE("a branch that is cut inside a shared block copies it before it appends") {
  State state(makeSlots(0, false), {kCapacity});
  append(state, numbers(1, 200));
  const auto branch = state.fork();
  branch->truncate(130);
  append(*branch, numbers(900, 40));
  checkRows(state);
  checkRows(*branch);
  CHECK(idsOf(state) == numbers(1, 200));
}

TEST_CASE("with registers truncate goes to checkpoints, the last calls' and those asked for") {
  State state(makeSlots(0, true), {kCapacity});
  append(state, numbers(1, 10));
  state.checkpoint();
  for (int32_t i = 11; i <= 20; ++i)
    append(state, {i});
  CHECK(state.contents().checkpoints.size() == 5); // 10 and 17 to 20
  CHECK(
      failureOf(KV_UNSUPPORTED, [&] { state.truncate(15); }) ==
      "the state can't be cut to 15 tokens: what registers held then was not kept by a checkpoint; the nearest lengths "
      "that it can be cut to are 10 and 17");
  CHECK(state.length() == 20);
  CHECK(state.longestLegalLength(19) == 19);
  state.truncate(19);
  CHECK(sumOf(state) == 190.0f);
  state.truncate(10);
  CHECK(sumOf(state) == 55.0f);
  CHECK(state.contents().checkpoints.size() == 1);
  append(state, {100});
  CHECK(sumOf(state) == 155.0f);
  state.truncate(10);
  CHECK(sumOf(state) == 55.0f);
  state.truncate(0);
  CHECK(sumOf(state) == 0.0f);
  CHECK(state.contents().checkpoints.empty());
}

TEST_CASE("a fork keeps checkpoints; reset drops them; none are made where none are wanted") {
  State state(makeSlots(0, true), {kCapacity, 0});
  append(state, numbers(1, 10));
  CHECK(state.contents().checkpoints.empty());
  state.checkpoint();
  state.checkpoint();
  append(state, {11});
  CHECK(state.contents().checkpoints.size() == 1);
  const auto branch = state.fork();
  state.reset();
  CHECK(state.contents().checkpoints.empty());
  CHECK(sumOf(state) == 0.0f);
  branch->truncate(10);
  CHECK(sumOf(*branch) == 55.0f);
}

TEST_CASE("blocks in front of a window go at commit, and only then") {
  State state(makeSlots(100, false), {kCapacity});
  append(state, numbers(1, 226));
  CHECK(state.firstHeldRow(0) == 0); // token 226 needs row 127
  append(state, numbers(227, 30), false);
  CHECK(state.firstHeldRow(0) == 0);
  append(state, {227});
  CHECK(state.firstHeldRow(0) == 128);
  CHECK(state.table(0).pointers()[0] == nullptr);
  checkRows(state);
  float row;
  CHECK(failureOf(KV_BAD_INPUT, [&] { readRows(state, 0, 0, 127, 1, &row); }) ==
        "slot rows keeps a window of 100 rows; the first that is held is row 128");
}

TEST_CASE("rows that a call made and needs no more go within the call") {
  State state(makeSlots(100, false), {kCapacity});
  append(state, numbers(1, 200));
  Transaction transaction(state);
  for (int step = 0; step < 10; ++step) {
    transaction.prepareRows(100);
    transaction.advance(100, nullptr, {false});
  }
  CHECK(state.table(0)[0]); // what was there before is kept
  CHECK(state.table(0)[1]);
  CHECK(!state.table(0)[2]);
  CHECK(state.slots().pool(0).numBlocks() - state.slots().pool(0).numFree() <= 5);
  transaction.commit();
  CHECK(state.firstHeldRow(0) == 1024);
  int32_t id;
  state.readIds(1199, 1, &id);
  CHECK(id == -1);
}

TEST_CASE("with a window truncate goes where the next token's rows are held") {
  State state(makeSlots(100, false), {kCapacity});
  append(state, numbers(1, 500));
  CHECK(state.firstHeldRow(0) == 384);
  CHECK(failureOf(KV_UNSUPPORTED, [&] { state.truncate(482); }) ==
        "the state can't be cut to 482 tokens: rows that the next token would need have left a slot's window; the "
        "nearest "
        "lengths that it can be cut to are 0 and 483");
  CHECK(state.longestLegalLength(482) == 0);
  const auto branch = state.fork();
  state.truncate(483);
  checkRows(state);
  append(state, {1});
  checkRows(state);
  branch->truncate(0);
  append(*branch, numbers(1, 10));
  checkRows(*branch);
}

TEST_CASE("a window of one row, and windows with registers") {
  State narrow(makeSlots(1, false), {kCapacity});
  append(narrow, numbers(1, 256));
  CHECK(narrow.firstHeldRow(0) == 256);
  append(narrow, {3});
  checkRows(narrow);
  CHECK(narrow.longestLegalLength(255) == 0);
  CHECK(narrow.longestLegalLength(256) == 256);
  narrow.truncate(256);
  append(narrow, {3});

  State both(makeSlots(100, true), {kCapacity});
  append(both, numbers(1, 480));
  both.checkpoint();
  append(both, numbers(481, 20));
  append(both, {501});
  CHECK(failureOf(KV_UNSUPPORTED, [&] { both.truncate(480); }).ends_with(" are 0 and 500"));
  both.truncate(500);
  CHECK(sumOf(both) == 125250.0f);
}

TEST_CASE("written rows are the state's own and come back as they were stored") {
  State state(makeSlots(0, false), {kCapacity});
  append(state, numbers(1, 300));
  const auto branch = state.fork();
  const std::vector<float> rows(130, 0.5f);
  writeRows(*branch, 0, 0, 120, rows.size(), rows.data());
  checkRows(state);
  std::vector<float> back(300);
  readRows(*branch, 0, 0, 0, 300, back.data());
  CHECK(back[119] == 120.0f);
  CHECK(back[120] == 0.5f);
  CHECK(back[249] == 0.5f);
  CHECK(back[250] == 251.0f);
  CHECK(branch->table(0)[2].bytes() == state.table(0)[2].bytes());
  CHECK(idsOf(*branch) == numbers(1, 300));
  CHECK(failureOf(KV_BAD_INPUT, [&] { writeRows(*branch, 0, 0, 299, 2, rows.data()); }) != "");
  writeRows(*branch, 0, 0, 300, 0, nullptr);
}

TEST_CASE("rows of codes with scales are not written") {
  SlotDescription slot;
  slot.name = "q";
  slot.layout = {640,
                 {{PlaneRole::code, ElementType::i8, 0, {{Axis::token, 128, 8}}},
                  {PlaneRole::scale, ElementType::f32, 1024, {{Axis::token, 128, 32}}}}};
  State state(std::make_shared<const Slots>(std::vector{slot}), {kCapacity});
  Transaction transaction(state);
  transaction.prepareRows(1);
  transaction.advance(1, nullptr, {false});
  transaction.commit();
  const float row = 1;
  CHECK(failureOf(KV_UNSUPPORTED, [&] { writeRows(state, 0, 0, 0, 1, &row); }) ==
        "the rows of slot q are not stored as floating-point values");
}
