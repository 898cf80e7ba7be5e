// SPDX-License-Identifier: MIT
#include "backends/cpu/row_parts.h"

using namespace mlir;

namespace kvasir::cpu {
namespace {

/// A part has about so many rows at least: each part's members read all weights, and unpack them.
constexpr int64_t kLeastRows = 64;

/// As many parts as there are rows for, and as divide the team evenly.
Value numParts(Code &code, Value rows, Value members) {
  Value most = code.min(code.div(rows, kLeastRows), members);
  return code.loop(code.num(2), code.add(most, 1), 1, code.num(1), [&](Value parts, ValueRange best) {
    Value left = code.sub(members, code.mul(code.div(members, parts), parts));
    return Values{code.select(code.equal(left, 0), parts, best[0])};
  })[0];
}

} // namespace

std::pair<Value, Value> evenShare(Code &code, Value total, Value member, Value members) {
  Value begin = code.div(code.mul(total, member), members);
  Value end = code.div(code.mul(total, code.add(member, 1)), members);
  return {begin, end};
}

PartRow innerRow(Code &code, Value number) {
  Value no = code.builder().create<arith::ConstantOp>(code.builder().getBoolAttr(false));
  return {number, no, no};
}

RowParts::RowParts(Code &code, Value rows, Value teamMember, Value teamMembers) : code(code) {
  Value parts = numParts(code, rows, teamMembers), runs = code.mul(parts, 2);
  isSplit = code.less(code.num(1), parts);
  members = code.div(teamMembers, parts);
  Value part = code.div(teamMember, members);
  member = code.sub(teamMember, code.mul(part, members));
  auto bound = [&](Value run) {
    Value nearest = code.mul(code.div(code.add(code.div(code.mul(rows, run), runs), kRunRows / 2), kRunRows), kRunRows);
    return code.select(code.less(run, runs), nearest, rows);
  };
  Value back = code.sub(code.sub(runs, code.num(1)), part);
  Value frontBegin = bound(part), backBegin = bound(back);
  inFront = code.sub(bound(code.add(part, 1)), frontBegin);
  count = code.add(inFront, code.sub(bound(code.add(back, 1)), backBegin));
  // Before it lie the parts behind it, from the middle of the call: all of them whole runs.
  first = code.sub(backBegin, code.add(frontBegin, inFront));
  toFront = frontBegin;
  toBack = code.sub(backBegin, inFront);
}

Value RowParts::row(Value index) const {
  return code.add(index, code.select(code.less(index, inFront), toFront, toBack));
}

void RowParts::forRows(Value begin, Value end, const std::function<void(Value index, const PartRow &row)> &body) const {
  Value endsInside = code.less(end, count), beginsInside = code.less(code.num(0), begin);
  Value othersBefore = code.orI(isSplit, beginsInside), othersBehind = code.orI(isSplit, endsInside);
  code.loop(code.num(0), code.num(2), 1, [&](Value run) {
    Value isFront = code.equal(run, 0), border = code.max(begin, code.min(end, inFront));
    Value from = code.select(isFront, begin, border), to = code.select(isFront, border, end);
    code.loop(from, to, 1, [&](Value index) {
      Value isFirst = code.equal(code.sub(index, from), 0), isLast = code.equal(code.sub(to, index), 1);
      body(index, {code.add(index, code.select(isFront, toFront, toBack)), code.andI(othersBefore, isFirst),
                   code.andI(othersBehind, isLast)});
    });
  });
}

Value RowParts::has(Value number) const {
  return code.orI(code.within(code.sub(number, toFront), code.num(0), inFront),
                  code.within(code.sub(number, toBack), inFront, count));
}

} // namespace kvasir::cpu
