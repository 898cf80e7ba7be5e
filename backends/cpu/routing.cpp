// SPDX-License-Identifier: MIT
#include "backends/cpu/routing.h"

#include "backends/cpu/epilogues.h"

#include <limits>

using namespace mlir;

namespace kvasir::cpu {
namespace {

constexpr int64_t kLanes = 16;

int64_t padded(int64_t count) { return int64_t(llvm::alignTo(count, kLanes)); }

/// The body of a route's function. On the stack lie logits and their keys, padded; then chosen numbers, one more than
/// there are, and their logits, padded.
class RouteWriter {
public:
  RouteWriter(Code &code, const Choice &choice) : code(code), choice(choice) {
    const int64_t wide = padded(choice.experts) * 4, narrow = padded(choice.chosen + 1) * 4;
    logits = code.builder().create<LLVM::AllocaOp>(code.ptr, code.i8, code.num(2 * wide + 2 * narrow), 64);
    keys = code.at(logits, wide);
    numbers = code.at(keys, wide);
    picked = code.at(numbers, narrow);
  }

  void write(Value from, Value toNumbers, Value toShares) {
    copyLogits(from);
    writeKeys();
    pick();
    code.loop(code.num(0), code.num(choice.chosen), 1,
              [&](Value place) { code.store(code.load(code.i32, wordAt(numbers, place)), wordAt(toNumbers, place)); });
    writeShares(toShares);
  }

private:
  Type lanes() const { return code.vec(kLanes, code.f32); }
  Type words() const { return code.vec(kLanes, code.i32); }
  Value wordAt(Value array, Value index) const { return code.at(array, code.mul(index, 4)); }
  Value compare(arith::CmpIPredicate predicate, Value a, Value b) const {
    return code.builder().create<arith::CmpIOp>(predicate, a, b);
  }
  Value lowest() const { return code.splat(kLanes, -std::numeric_limits<float>::infinity()); }

  void copyLogits(Value from) const {
    const int64_t whole = choice.experts / kLanes * kLanes;
    if (whole != choice.experts)
      code.store(lowest(), code.at(logits, whole * 4), 64);
    code.loop(code.num(0), code.num(whole), kLanes,
              [&](Value first) { code.store(code.load(lanes(), wordAt(from, first)), wordAt(logits, first), 64); });
    code.loop(code.num(whole), code.num(choice.experts), 1,
              [&](Value one) { code.store(code.load(code.f32, wordAt(from, one)), wordAt(logits, one)); });
  }

  /// Integers in the order of the logits, zeros of both signs equal. What is padded comes last.
  void writeKeys() const {
    code.loop(code.num(0), code.num(choice.experts), kLanes, [&](Value first) {
      Value logit = code.addF(code.load(lanes(), wordAt(logits, first), 64), code.splat(kLanes, 0.0f));
      Value bits = code.bitcast(logit, words());
      Value size = code.andI(code.sar(bits, 31), code.splat(kLanes, code.i32, 0x7fffffff));
      code.store(code.builder().create<arith::XOrIOp>(bits, size), wordAt(keys, first), 64);
    });
  }

  /// How many keys are before each of those from `first` on.
  Value rankOf(Value first) const {
    Value mine = code.load(words(), wordAt(keys, first), 64), end = code.add(first, kLanes);
    auto count = [&](Value from, Value to, Value rank, llvm::function_ref<Value(Value other, Value key)> isBefore) {
      return code.loop(from, to, 1, rank, [&](Value other, ValueRange carried) {
        Value key = code.loadSplat(kLanes, code.i32, wordAt(keys, other));
        Value one = code.builder().create<arith::ExtUIOp>(words(), isBefore(other, key));
        return Values{code.addI(carried[0], one)};
      })[0];
    };
    Value all = code.num(choice.experts);
    Value rank = count(code.num(0), first, code.zero(words()),
                       [&](Value, Value key) { return compare(arith::CmpIPredicate::sge, key, mine); });
    auto order = llvm::to_vector(llvm::seq<int32_t>(0, kLanes));
    Value places = code.builder().create<arith::ConstantOp>(
        DenseElementsAttr::get(cast<VectorType>(words()), ArrayRef<int32_t>(order)));
    rank = count(first, code.min(end, all), rank, [&](Value other, Value key) {
      Value place = code.splat(kLanes, code.truncI(code.sub(other, first), code.i32));
      Value isFirst =
          code.andI(compare(arith::CmpIPredicate::eq, key, mine), compare(arith::CmpIPredicate::slt, place, places));
      return Value(code.orI(compare(arith::CmpIPredicate::sgt, key, mine), isFirst));
    });
    return count(end, all, rank, [&](Value, Value key) { return compare(arith::CmpIPredicate::sgt, key, mine); });
  }

  /// The chosen experts and their logits.
  void pick() const {
    for (int64_t place = 0; place < padded(choice.chosen + 1); place += kLanes)
      code.store(lowest(), code.at(picked, place * 4), 64);
    Value ranks = code.builder().create<LLVM::AllocaOp>(code.ptr, code.i8, code.num(kLanes * 4), 64);
    code.loop(code.num(0), code.num(choice.experts), kLanes, code.num(0), [&](Value first, ValueRange carried) {
      code.store(rankOf(first), ranks, 64);
      Value count = code.min(code.sub(code.num(choice.experts), first), code.num(kLanes));
      return code.loop(code.num(0), count, 1, carried, [&](Value lane, ValueRange taken) {
        Value expert = code.add(first, lane), rank = code.load(code.i32, wordAt(ranks, lane));
        code.store(code.truncI(expert, code.i32), wordAt(numbers, taken[0])); // stored over where it is not chosen
        Value isChosen = code.less(code.fromWord(rank), code.num(choice.chosen));
        code.when(isChosen, [&] { code.store(code.load(code.f32, wordAt(logits, expert)), wordAt(picked, taken[0])); });
        return Values{code.add(taken[0], code.select(isChosen, code.num(1), code.num(0)))};
      });
    });
  }

  /// e^(logit - peak) of sixteen at `at`, of which those from `count` on are nothing.
  Value powersAt(Value at, Value peak, int64_t count) const {
    Value power = code.mulF(code.subF(code.load(lanes(), at, 64), peak), code.splat(kLanes, 1.44269504f));
    emitExp2(code, power);
    if (count >= kLanes)
      return power;
    SmallVector<float> kept(kLanes, 0);
    std::fill_n(kept.begin(), count, 1.0f);
    return code.mulF(power, code.builder().create<arith::ConstantOp>(
                                DenseElementsAttr::get(cast<VectorType>(lanes()), ArrayRef<float>(kept))));
  }

  /// The powers of an array's `count` logits, in order.
  Values powersOf(Value array, Value peak, int64_t count) const {
    Values powers;
    for (int64_t first = 0; first < count; first += kLanes)
      powers.push_back(powersAt(code.at(array, first * 4), peak, count - first));
    return powers;
  }

  void writeShares(Value to) const {
    Value most = lowest();
    for (int64_t first = 0; first < choice.chosen; first += kLanes)
      most = code.maxF(code.load(lanes(), code.at(picked, first * 4), 64), most);
    Value peak = code.splat(kLanes, code.reduceMax(most));
    Values powers = powersOf(picked, peak, choice.chosen);
    Values summed = choice.isOfAll ? powersOf(logits, peak, choice.experts) : powers;
    Value sum = summed.front();
    for (Value more : ArrayRef(summed).drop_front())
      sum = code.addF(sum, more);
    Value whole = code.splat(kLanes, code.reduceAdd(sum));
    for (auto [i, power] : llvm::enumerate(powers))
      code.store(code.divF(power, whole), code.at(picked, int64_t(i) * kLanes * 4), 64);
    code.loop(code.num(0), code.num(choice.chosen), 1,
              [&](Value place) { code.store(code.load(code.f32, wordAt(picked, place)), wordAt(to, place)); });
  }

  Code &code;
  const Choice &choice;
  Value logits, keys, numbers, picked;
};

} // namespace

void emitRoute(Code &code, ModuleOp module, const Choice &choice, Value logits, Value numbers, Value shares) {
  std::string name = "cpu_route_" + std::to_string(choice.chosen) + "_of_" + std::to_string(choice.experts) +
                     (choice.isOfAll ? "_all" : "");
  Type types[] = {code.ptr, code.ptr, code.ptr};
  auto function = sharedFunction(module, name, types, [&](Code &body, ValueRange args) {
    RouteWriter(body, choice).write(args[0], args[1], args[2]);
  });
  code.builder().create<func::CallOp>(function, ValueRange{logits, numbers, shares});
}

Value loadExpert(Code &code, Value address, int64_t experts) {
  auto &b = code.builder();
  Value last = b.create<arith::ConstantOp>(b.getI32IntegerAttr(int32_t(experts - 1)));
  return code.fromWord(b.create<arith::MinUIOp>(code.load(code.i32, address), last));
}

std::pair<Value, Value> ExpertOrder::placesOf(Value expert) const {
  auto endOf = [&](Value of) { return code.fromWord(code.load(code.i32, lineAt(endsAt(), of))); };
  Value isFirst = code.equal(expert, 0), before = code.max(code.sub(expert, code.num(1)), code.num(0));
  return {code.select(isFirst, code.num(0), endOf(before)), endOf(expert)};
}

Value ExpertOrder::row(Value place) const {
  return code.fromWord(code.load(code.i32, code.at(code.at(memory, bytes(experts)), code.mul(place, 4))));
}

void ExpertOrder::emitSort(ModuleOp module, Value numbers, Value count) const {
  Type types[] = {code.ptr, code.ptr, code.i64};
  auto function =
      sharedFunction(module, "cpu_sort_by_expert_" + std::to_string(experts), types, [&](Code &body, ValueRange args) {
        ExpertOrder order(body, args[0], experts);
        Value numbers = args[1], count = args[2], zero = body.num(0), all = body.num(experts);
        auto word = [&](Value number) { return body.truncI(number, body.i32); };
        auto expertOf = [&](Value row) { return loadExpert(body, body.at(numbers, body.mul(row, 4)), experts); };
        auto cursorOf = [&](Value expert) { return order.lineAt(order.cursorsAt(), expert); };
        auto advance = [&](Value expert) {
          Value cursor = cursorOf(expert), before = body.fromWord(body.load(body.i32, cursor));
          body.store(word(body.add(before, 1)), cursor);
          return before;
        };
        body.loop(zero, all, 1, [&](Value expert) { body.store(word(zero), cursorOf(expert)); });
        body.loop(zero, count, 1, [&](Value row) { advance(expertOf(row)); });
        Values totals = body.loop(zero, all, 1, Values{zero, zero}, [&](Value expert, ValueRange carried) {
          Value cursor = cursorOf(expert), rows = body.fromWord(body.load(body.i32, cursor));
          Value end = body.add(carried[0], rows), isActive = body.less(zero, rows);
          body.store(word(carried[0]), cursor);
          body.store(word(end), order.lineAt(order.endsAt(), expert));
          body.store(word(expert), order.lineAt(1, carried[1]));
          return Values{end, body.add(carried[1], body.select(isActive, body.num(1), zero))};
        });
        body.store(word(totals[1]), args[0]);
        body.loop(zero, count, 1, [&](Value row) {
          Value place = advance(expertOf(row));
          body.store(word(row), body.at(body.at(args[0], bytes(experts)), body.mul(place, 4)));
        });
      });
  code.builder().create<func::CallOp>(function, ValueRange{memory, numbers, count});
}

} // namespace kvasir::cpu
