// SPDX-License-Identifier: MIT
#include "runtime/state/element.h"
#include "runtime/state/rows.h"
#include "runtime/state/transaction.h"
#include "tests/unit/failure.h"
#include "tests/unit/toy/toy_model.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <doctest/doctest.h>

using namespace kvasir;
using namespace kvasir::runtime;
using kvasir::test::failureOf;

namespace {

std::vector<float> rowsOf(const State &state, const char *slot, uint64_t layer) {
  const size_t index = state.slots().find(slot);
  std::vector<float> rows(state.length() * rowElements(state.slots()[index]));
  readRows(state, index, layer, 0, state.length(), rows.data());
  return rows;
}

} // namespace

TEST_CASE("blocks are zero at first, recycled with what was in them, and aligned") {
  BlockPool pool(1000);
  BlockRef first = pool.acquire();
  CHECK(reinterpret_cast<uintptr_t>(first.bytes()) % 64 == 0);
  CHECK(first.bytes()[999] == 0);
  first.bytes()[999] = 7;
  const uint8_t *bytes = first.bytes();
  first = {};
  CHECK(pool.acquire().bytes() == bytes);
  CHECK(pool.acquire().bytes()[999] == 7);
}

TEST_CASE("large blocks lie one behind the other in huge pages") {
  constexpr size_t kBlockBytes = 1500 << 10, kHugePageBytes = 2 << 20;
  BlockPool pool(kBlockBytes);
  std::vector<BlockRef> blocks;
  for (int i = 0; i < 50; ++i) // in several slabs
    blocks.push_back(pool.acquire());
  CHECK(reinterpret_cast<uintptr_t>(blocks[0].bytes()) % kHugePageBytes == 0);
  size_t numBehind = 0;
  for (size_t i = 1; i < blocks.size(); ++i)
    numBehind += blocks[i].bytes() == blocks[i - 1].bytes() + kBlockBytes;
  CHECK(numBehind >= 45);
  for (size_t i = 0; i < blocks.size(); ++i)
    std::memset(blocks[i].bytes(), int(i), kBlockBytes);
  for (size_t i = 0; i < blocks.size(); ++i)
    CHECK((blocks[i].bytes()[0] == i && blocks[i].bytes()[kBlockBytes - 1] == i));
  CHECK(pool.numBlocks() == 50);
  CHECK(pool.bytesFor(1) == kHugePageBytes);
  CHECK(pool.bytesFor(50) >= 50 * kBlockBytes);
  CHECK(pool.bytesFor(50) <= 50 * kBlockBytes + 3 * kHugePageBytes);
}

TEST_CASE("a block goes back with its last share") {
  BlockPool pool(64);
  BlockRef one = pool.acquire();
  CHECK(!one.isShared());
  BlockRef two = one;
  CHECK(one.isShared());
  const uint8_t *bytes = one.bytes();
  one = {};
  CHECK(!two.isShared());
  CHECK(pool.acquire().bytes() != bytes);
}

TEST_CASE("elements of every type are read exactly") {
  const uint8_t bytes[8] = {0x01, 0x3c, 0x80, 0x3f, 0xf5, 0xff, 0xff, 0xff};
  CHECK(loadElement(bytes, 0, ElementType::f16) == 1.0009765625f);
  CHECK(loadElement(bytes, 16, ElementType::bf16) == 1.0f);
  CHECK(loadElement(bytes, 32, ElementType::i32) == -11.0f);
  CHECK(loadElement(bytes, 32, ElementType::i8) == -11.0f);
  CHECK(loadElement(bytes, 32, ElementType::u8) == 245.0f);
  CHECK(loadElement(bytes, 10, ElementType::u2) == 3.0f);
  CHECK(loadElement(bytes, 9, ElementType::u3) == 6.0f);
  CHECK(loadElement(bytes, 36, ElementType::u4) == 15.0f);
  CHECK(loadElement(bytes, 29, ElementType::u5) == 9.0f);
  CHECK(loadElement(bytes, 30, ElementType::u6) == 20.0f);
  const uint8_t small[2] = {0x01, 0x80};
  CHECK(loadElement(small, 0, ElementType::f16) == -5.9604644775390625e-08f);
}

TEST_CASE("numbers are rounded to nearest, ties to even, when they are stored") {
  const auto stored = [](ElementType type, float value) {
    uint8_t bytes[8] = {};
    storeElement(bytes, 0, type, value);
    return loadElement(bytes, 0, type);
  };
  CHECK(stored(ElementType::f32, 1.0f / 3) == 1.0f / 3);
  CHECK(stored(ElementType::f64, 1.0f / 3) == 1.0f / 3);
  CHECK(stored(ElementType::bf16, 1.00390625f) == 1.0f);      // half way, to even
  CHECK(stored(ElementType::bf16, 1.01171875f) == 1.015625f); // half way, to even
  CHECK(stored(ElementType::bf16, 3.4e38f) == INFINITY);
  CHECK(stored(ElementType::f16, 2049.0f) == 2048.0f);
  CHECK(stored(ElementType::f16, 2051.0f) == 2052.0f);
  CHECK(stored(ElementType::f16, 65519.0f) == 65504.0f);
  CHECK(stored(ElementType::f16, -65520.0f) == -INFINITY);
  CHECK(stored(ElementType::f16, 0x1.8p-25f) == 0x1p-24f);
  CHECK(stored(ElementType::f16, 0x1p-25f) == 0.0f);
  CHECK(stored(ElementType::f16, 0x1.ffcp-15f) == 0x1p-14f);
  for (const ElementType type : {ElementType::f16, ElementType::bf16}) {
    CHECK(std::isnan(stored(type, std::bit_cast<float>(0x7f800001u))));
    for (uint32_t code = 0; code < 0x10000; ++code) { // all that there are come back
      uint8_t bytes[2] = {static_cast<uint8_t>(code), static_cast<uint8_t>(code >> 8)}, back[2];
      const float value = loadElement(bytes, 0, type);
      storeElement(back, 0, type, value);
      if (std::isnan(value) ? !std::isnan(loadElement(back, 0, type)) : std::memcmp(bytes, back, 2))
        FAIL(elementName(type) << " " << code);
    }
  }
}

TEST_CASE("rows are found by the layout, across blocks") {
  const auto model = makeToyModel(1);
  const auto state = model->makeState(0);
  const auto ids = toyIds(300, 1);
  predictOne(*model, *state, ids);
  const auto k = rowsOf(*state, "k", 1), v = rowsOf(*state, "v", 0);
  for (size_t row = 0; row < ids.size(); ++row) {
    CHECK(k[2 * row] == static_cast<float>(ids[row]));
    CHECK(k[2 * row + 1] == static_cast<float>(row));
    CHECK(v[row] == static_cast<float>(ids[row]));
  }
}

TEST_CASE("rows that are not there are refused with the numbers") {
  const auto model = makeToyModel(1);
  const auto state = model->makeState(0);
  predictOne(*model, *state, toyIds(5, 1));
  float rows[64];
  CHECK(failureOf(KV_BAD_INPUT, [&] { readRows(*state, 0, 0, 3, 3, rows); }) ==
        "the state holds 5 rows; 3 rows from row 3 on are not all there");
  CHECK(failureOf(KV_BAD_INPUT, [&] { readRows(*state, 0, 2, 0, 1, rows); }) ==
        "slot k has 2 layers; there is no layer 2");
  CHECK(failureOf(KV_BAD_INPUT, [&] { readRows(*state, 2, 0, 0, 1, rows); }) ==
        "slot sum is a register and has no rows");
  CHECK(failureOf(KV_BAD_INPUT, [&] { state->slots().find("x"); }) == "no slot is called 'x'; there are k, v, sum");
}

TEST_CASE("a transaction that is not committed leaves no trace") {
  const auto model = makeToyModel(1);
  const auto state = model->makeState(0);
  predictOne(*model, *state, toyIds(100, 1));
  const auto before = rowsOf(*state, "k", 0);
  {
    Transaction transaction(*state);
    transaction.prepareRows(200);
    std::memset(transaction.view(2).out, 0xff, 4);
    transaction.advance(200, nullptr, {false, false, true});
    CHECK(transaction.held() == 300);
    CHECK(state->length() == 100);
  }
  CHECK(state->length() == 100);
  CHECK(state->table(0).size() == 1);
  CHECK(rowsOf(*state, "k", 0) == before);
  CHECK(*reinterpret_cast<const float *>(state->table(2)[0].bytes()) == 100.0f);
}

TEST_CASE("a shared last block is copied before rows are added, and put back on failure") {
  const auto model = makeToyModel(1);
  const auto state = model->makeState(0);
  predictOne(*model, *state, toyIds(130, 1));
  const BlockRef full = state->table(0)[0], shared = state->table(0)[1];
  CHECK_THROWS_AS(predictOne(*model, *state, {1, TOY_FAILS}), Error);
  CHECK(state->table(0)[1].bytes() == shared.bytes());

  const std::vector<uint8_t> before(shared.bytes(), shared.bytes() + 4096);
  predictOne(*model, *state, {1, 2});
  CHECK(state->table(0)[0].bytes() == full.bytes());
  CHECK(state->table(0)[1].bytes() != shared.bytes());
  CHECK(std::memcmp(before.data(), shared.bytes(), before.size()) == 0);
  CHECK(rowsOf(*state, "k", 0)[2 * 131] == 2.0f);
}

TEST_CASE("one state, one call at a time") {
  const auto model = makeToyModel(1);
  const auto state = model->makeState(0);
  {
    const StateLock lock(*state);
    CHECK(failureOf(KV_BUSY, [&] { predictOne(*model, *state, {1}); }) == "another call is running on this state");
  }
  predictOne(*model, *state, {1});
  state->reset();
  CHECK(state->length() == 0);
  CHECK(*reinterpret_cast<const float *>(state->table(2)[0].bytes()) == 0.0f);
}
