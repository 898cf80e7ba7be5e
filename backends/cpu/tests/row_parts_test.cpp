// SPDX-License-Identifier: MIT
// The rows of a call among a team: each in one part, whose members agree on it.
#include "backends/cpu/row_parts.h"
#include "backends/cpu/tests/jit.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>

using namespace kvasir::cpu;
using mlir::Value;
using mlir::ValueRange;

namespace {
constexpr int64_t kStep = 48;

/// What one member says: of the part `first`, `count`, `members`, `member`; of each of its rows the number in the call,
/// and whether it is the first or the last of a run; of each row of the call whether it is in the part.
struct Member {
  std::array<int64_t, 4> part{};
  std::vector<int64_t> rows, edges, has;
};
using PartFn = void(int64_t rows, int64_t member, int64_t members, int64_t *part, int64_t *rowsOfPart, int64_t *edges,
                    int64_t *has);

void addPart(KernelModule &module) {
  module.add("part", {'i', 'i', 'i', 'p', 'p', 'p', 'p'}, [&](Code &code, ValueRange args) {
    RowParts of(code, args[0], args[1], args[2]);
    auto store = [&](Value value, Value array, Value index) {
      code.store(value, code.at(array, code.mul(index, 8)), 8);
    };
    auto number = [&](Value bit) { return code.select(bit, code.num(1), code.num(0)); };
    Value says[] = {of.first, of.count, of.members, of.member};
    for (int64_t i = 0; i < 4; ++i)
      store(says[i], args[3], code.num(i));
    // In two steps, which may be different members'.
    Value step = code.min(code.num(kStep), of.count);
    for (auto [begin, end] : {std::pair(code.num(0), step), std::pair(step, of.count)})
      of.forRows(begin, end, [&](Value index, const PartRow &row) {
        store(row.number, args[4], index);
        store(code.add(number(row.isFirst), code.mul(number(row.isLast), 2)), args[5], index);
      });
    code.loop(code.num(0), args[0], 1, [&](Value row) { store(number(of.has(row)), args[6], row); });
  });
}

Member ask(PartFn *function, int64_t rows, int64_t member, int64_t members) {
  Member says;
  says.rows.assign(rows, -1), says.edges.assign(rows, -1), says.has.assign(rows, -1);
  function(rows, member, members, says.part.data(), says.rows.data(), says.edges.data(), says.has.data());
  says.rows.resize(says.part[1]), says.edges.resize(says.part[1]);
  return says;
}
} // namespace

TEST_CASE("each row of a call is in one part, from both ends, and edges are where other parts begin") {
  KernelModule module;
  addPart(module);
  module.compile(testedIsas().front());
  auto *part = reinterpret_cast<PartFn *>(module.lookup("part"));
  for (int64_t members : {1, 2, 3, 4, 6, 7, 16})
    for (int64_t rows : {2, 5, 63, 64, 65, 96, 127, 150, 256, 511, 540}) {
      CAPTURE(members);
      CAPTURE(rows);
      std::vector<int64_t> partOf(rows, -1), placeTaken(rows, 0);
      for (int64_t m = 0, numbered = 0; m < members; ++m) {
        Member says = ask(part, rows, m, members);
        auto [first, count, inPart, place] = says.part;
        CHECK(place == m % inPart);
        CHECK(members % inPart == 0);
        int64_t parts = members / inPart, number = m / inPart;
        CHECK((parts == 1 || count > 64 - 2 * kRunRows));
        CHECK(first % kRunRows == 0);
        CHECK(std::is_sorted(says.rows.begin(), says.rows.end()));
        for (int64_t i = 0; i < count; ++i) {
          int64_t row = says.rows[i];
          if (place == 0) { // the first of its part
            CHECK(partOf[row] == -1);
            partOf[row] = number;
            ++placeTaken[first + i], ++numbered;
          }
          CHECK(partOf[row] == number);
        }
        for (int64_t row = 0; row < rows; ++row)
          CHECK(says.has[row] == std::binary_search(says.rows.begin(), says.rows.end(), row));
        // Other members' rows are beyond edges only.
        for (int64_t i = 0; i < count; ++i) {
          int64_t row = says.rows[i];
          bool isAfterOther = row > 0 && (!says.has[row - 1] || i == kStep);
          bool isBeforeOther = row + 1 < rows && (!says.has[row + 1] || i + 1 == kStep);
          CHECK((says.edges[i] & int64_t(isAfterOther)) == int64_t(isAfterOther));
          CHECK((says.edges[i] >> 1 & int64_t(isBeforeOther)) == int64_t(isBeforeOther));
          CHECK((parts > 1 || count > kStep || says.edges[i] == 0));
        }
        if (m + 1 == members)
          CHECK(numbered == rows);
      }
      CHECK(std::count(placeTaken.begin(), placeTaken.end(), 1) == rows);
    }
}
