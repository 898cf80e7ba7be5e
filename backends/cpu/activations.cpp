// SPDX-License-Identifier: MIT
#include "backends/cpu/activations.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace kvasir::cpu {

/// The largest multiplier; one more, which rounding up may give, is still an i16.
constexpr float kMostMultiplier = 32766.0f;

int64_t ActivationFormat::zerosAt(ZeroSums wanted) const {
  int64_t at = multiplierPairsAt() + 4;
  for (const ZeroSums *zero = zeros.begin(); zero != zeros.end() && *zero != wanted; ++zero)
    at += 4 * zero->parts;
  return at;
}

int64_t ActivationFormat::sumsAt(int64_t wanted) const {
  int64_t at = isInt() ? zerosAt({}) : groupBytes();
  for (const int64_t *parts = sums.begin(); parts != sums.end() && *parts != wanted; ++parts)
    at += 4 * *parts;
  return at;
}

bool scalesWords(const Isa &isa, const WeightFormat &weight) { return weight.isNarrow() && !isa.hasVnni; }

bool multipliesWords(const Isa &isa, const WeightFormat &weight) { return !weight.isNarrow() && !isa.hasVnni; }

int64_t dotZero(const WeightFormat &weight) { return weight.centre() + (weight.codes == ElementType::i8 ? 128 : 0); }

int64_t ActivationFormat::wordsAt() const { return sumsAt(/*behind all*/ 0); }

int64_t ActivationFormat::bytesPerGroup() const { return wordsAt() + (hasWords ? 2 * kBlockColumns : 0); }

std::string ActivationFormat::name() const {
  std::string word = isInt() ? "int8" : rounding == Activations::bf16 ? "bf16" : "f32";
  if (rounding == Activations::bf16)
    word += std::string(meetsPlain ? "_plain" : "") + (meetsCodes ? "_codes" : "");
  for (ZeroSums zero : zeros)
    word += "_z" + std::to_string(zero.zero) + "by" + std::to_string(zero.parts);
  if (hasWords)
    word += "_words";
  for (int64_t parts : sums)
    word += "_sums" + std::to_string(parts);
  return word;
}

ActivationFormat activationsFor(const WeightFormat &weight, Activations rounding) {
  ActivationFormat format;
  format.rounding = rounding;
  if (weight.min)
    format.sums.push_back(weight.subgroups());
  format.hasWords = rounding == Activations::int8 && !weight.isNarrow();
  format.meetsCodes = rounding == Activations::bf16 && weight.isGrouped();
  format.meetsPlain = rounding == Activations::bf16 && !weight.isGrouped();
  if (rounding == Activations::int8 && dotZero(weight) != 0)
    format.zeros.push_back({dotZero(weight), weight.subgroups()});
  return format;
}

std::optional<ActivationFormat> merged(const ActivationFormat &a, const ActivationFormat &b) {
  if (a.rounding != b.rounding)
    return std::nullopt;
  ActivationFormat both = a;
  both.hasWords = a.hasWords || b.hasWords;
  both.meetsPlain = a.meetsPlain || b.meetsPlain;
  both.meetsCodes = a.meetsCodes || b.meetsCodes;
  for (int64_t parts : b.sums)
    if (!llvm::is_contained(both.sums, parts))
      both.sums.push_back(parts);
  for (ActivationFormat::ZeroSums zero : b.zeros)
    if (!llvm::is_contained(both.zeros, zero))
      both.zeros.push_back(zero);
  return both;
}

Value factorAddress(Code &code, Value array, Value groups, Value rows, Value row, Value group, int64_t parts,
                    int64_t part) {
  Value isFew = code.less(rows, code.num(kManyRows)), one = code.num(1);
  Value fromRow = code.mul(row, code.select(isFew, code.mul(groups, parts), one));
  Value fromGroup = code.mul(code.add(code.mul(group, parts), part), code.select(isFew, one, rows));
  return code.at(array, code.mul(code.add(fromRow, fromGroup), 4));
}

namespace {
struct RowWriter {
  Code &code;
  const Isa &isa;
  const ActivationFormat &format;
  Value destination, groups, row, rows;

  Value array(int64_t arrayAt) { return code.at(destination, code.mul(code.mul(groups, rows), arrayAt)); }

  /// Where the row's group of columns lies in one of the arrays.
  Value columnsAt(int64_t arrayAt, Value group, int64_t bytes) {
    return code.at(array(arrayAt), code.mul(code.add(code.mul(group, rows), row), bytes));
  }

  Value factorAt(int64_t arrayAt, Value group, int64_t parts = 1, int64_t part = 0) {
    return factorAddress(code, array(arrayAt), groups, rows, row, group, parts, part);
  }

  /// The sums of each part of a group of two halves of 16 lanes.
  SmallVector<Value> sumsOf(Value low, Value high, int64_t parts) {
    if (parts == 2)
      return {code.reduceAdd(low), code.reduceAdd(high)};
    return {code.reduceAdd(code.addF(low, high))};
  }

  static bool isa_float(Value vector) {
    return isa_and_present<FloatType>(cast<VectorType>(vector.getType()).getElementType());
  }

  /// Multipliers of a row whose largest column is `largest`: how many a column of one takes. Stores the row's unit.
  Value multipliersPerOne(Value largest) {
    code.store(code.mulF(largest, scalar(1.0f / (127.0f * kMostMultiplier))),
               unitAddress(code, format, destination, groups, rows, row));
    return code.select(isPositive(largest), code.divF(scalar(kMostMultiplier), largest), scalar(0.0f));
  }

  /// Sixteen columns of a row: a half of a group.
  using HalfOf = llvm::function_ref<Value(Value group, int64_t half)>;

  /// Sixteen groups (or what is left of the row) at a time: each group's largest column and sums are what reducing
  /// registers takes long for, and sixteen groups are reduced together.
  void writeInts(Value perOne, HalfOf halfOf) {
    Value stack = makeStack(), step = code.splat(16, perOne);
    code.loop(code.num(0), groups, kTogether, [&](Value first) {
      Value count = code.min(code.sub(groups, first), code.num(kTogether));
      forFours(count, [&](Value four, ArrayRef<Value> numbers) {
        Values largest;
        for (Value i : numbers) {
          Value group = code.add(first, i), low = halfOf(group, 0), high = halfOf(group, 1);
          largest.push_back(code.maxF(code.absF(low), code.absF(high)));
        }
        storeQuarters(largest, stack, 1, 0, four);
      });
      Value multipliers = writeMultipliers(stack, first, count, step);
      forFours(count, [&](Value four, ArrayRef<Value> numbers) { writeColumns(stack, first, four, numbers, halfOf); });
      for (ActivationFormat::ZeroSums zero : format.zeros)
        for (int64_t part = 0; part < zero.parts; ++part)
          scatter(zerosOf(quartersOf(stack, zero.parts, part), zero.zero), stack, first, count, format.zerosAt(zero),
                  zero.parts, part);
      for (int64_t parts : format.sums)
        for (int64_t part = 0; part < parts; ++part)
          scatter(code.mulF(multipliers, code.toFloat(sumOf(quartersOf(stack, parts, part)))), stack, first, count,
                  format.sumsAt(parts), parts, part);
    });
  }

  /// Groups whose multipliers and sums are computed together, a lane each.
  static constexpr int64_t kTogether = 16;

  /// On the stack lie quarters of sums, sixteen groups of four lanes, for one and for two parts; then sixteen inverses,
  /// and a line for what is scattered. All is read in pieces no larger than it was stored in: a larger one would wait
  /// until these have left the queue of stores, where others may wait for another member's cache.
  static constexpr int64_t kQuartersBytes = kTogether * 16, kInversesAt = 3 * kQuartersBytes,
                           kLineAt = kInversesAt + 64, kStackBytes = kLineAt + 64;
  static int64_t partialsAt(int64_t parts, int64_t part) { return (parts - 1 + part) * kQuartersBytes; }

  Value makeStack() {
    auto &b = code.builder();
    return b.create<LLVM::AllocaOp>(code.ptr, code.i8, code.num(kStackBytes), 64);
  }

  /// Runs `body` on the numbers of four groups of `count` at a time; the last one again where they are fewer.
  void forFours(Value count, llvm::function_ref<void(Value four, ArrayRef<Value> numbers)> body) {
    Value last = code.sub(count, code.num(1));
    code.loop(code.num(0), count, 4, [&](Value first) {
      Values numbers;
      for (int64_t i = 0; i < 4; ++i)
        numbers.push_back(code.min(code.add(first, i), last));
      body(code.div(first, 4), numbers);
    });
  }

  /// Sixteen lanes of each of four groups, added up to four lanes (or the largest of them), side by side.
  void storeQuarters(ArrayRef<Value> ofGroups, Value stack, int64_t parts, int64_t part, Value four) {
    bool isFloat = isa_float(ofGroups.front());
    auto folded = [&](Value first, Value second, int64_t half) {
      auto [a, b] = code.alternating(first, second, half);
      return isFloat ? code.maxF(a, b) : code.addI(a, b);
    };
    Value eights[] = {folded(ofGroups[0], ofGroups[1], 8), folded(ofGroups[2], ofGroups[3], 8)};
    code.store(folded(eights[0], eights[1], 4), code.at(code.at(stack, partialsAt(parts, part)), code.mul(four, 64)),
               64);
  }

  /// Of sixteen groups the first lanes of their four, the second, third, fourth.
  SmallVector<Value, 4> quartersOf(Value stack, int64_t parts, int64_t part, Type element = {}) {
    auto lineAt = [&](int64_t i) {
      Type type = code.vec(16, element ? element : code.i32);
      return code.load(type, code.at(stack, partialsAt(parts, part) + 64 * i), 64);
    };
    auto interleaved = [&](Value a, Value b, int64_t width, int64_t from) {
      SmallVector<int64_t> lanes;
      for (int64_t quarter = 0; quarter < 16; quarter += 4)
        for (int64_t i = 0; i < 4; ++i)
          lanes.push_back((i / width % 2) * 16 + quarter + from + i / (2 * width) * width + i % width);
      return code.shuffle(a, b, lanes);
    };
    Value a = lineAt(0), b = lineAt(1), c = lineAt(2), d = lineAt(3);
    Value lowAb = interleaved(a, b, 1, 0), highAb = interleaved(a, b, 1, 2);
    Value lowCd = interleaved(c, d, 1, 0), highCd = interleaved(c, d, 1, 2);
    return {interleaved(lowAb, lowCd, 2, 0), interleaved(lowAb, lowCd, 2, 2), interleaved(highAb, highCd, 2, 0),
            interleaved(highAb, highCd, 2, 2)};
  }

  /// Of what quartersOf gives, the lanes in the order of groups: registers of four groups were turned.
  Value inOrder(Value lanes) {
    SmallVector<int64_t> order;
    for (int64_t i = 0; i < kTogether; ++i)
      order.push_back(i % 4 * 4 + i / 4);
    return code.shuffle(lanes, lanes, order);
  }

  Value sumOf(ArrayRef<Value> quarters) {
    return code.addI(code.addI(quarters[0], quarters[2]), code.addI(quarters[1], quarters[3]));
  }

  /// Stores them, and the inverses on the stack.
  Value writeMultipliers(Value stack, Value first, Value count, Value perOne) {
    auto quarters = quartersOf(stack, 1, 0, code.f32);
    Value largest = code.maxF(code.maxF(quarters[0], quarters[2]), code.maxF(quarters[1], quarters[3]));
    Value whole = code.toInt(code.addF(code.mulF(largest, perOne), code.splat(16, 0.5f)));
    Value multipliers = code.toFloat(whole), none = code.splat(16, 0.0f);
    Value inverses = code.divF(code.mulF(perOne, code.splat(16, 127.0f)), multipliers);
    Value isSome = code.builder().create<arith::CmpFOp>(arith::CmpFPredicate::OGT, multipliers, none);
    code.store(inOrder(code.select(isSome, inverses, none)), code.at(stack, kInversesAt), 64);
    scatter(multipliers, stack, first, count, format.multipliersAt());
    if (!isa.hasVnni)
      scatter(code.orI(code.shl(whole, 16), whole), stack, first, count, format.multiplierPairsAt());
    return multipliers;
  }

  /// The columns of four groups of those together, rounded; quarters of their sums go to the stack.
  void writeColumns(Value stack, Value first, Value four, ArrayRef<Value> numbers, HalfOf halfOf) {
    Values low, high, both;
    for (Value i : numbers) {
      Value group = code.add(first, i);
      Value inverse = code.loadSplat(16, code.f32, code.at(code.at(stack, kInversesAt), code.mul(i, 4)));
      Value a = code.toInt(code.mulF(halfOf(group, 0), inverse)), b = code.toInt(code.mulF(halfOf(group, 1), inverse));
      Value bytes = columnsAt(0, group, format.groupBytes());
      code.store(code.truncI(a, code.i8), bytes, 1);
      code.store(code.truncI(b, code.i8), code.at(bytes, 16), 1);
      if (format.hasWords && !isa.hasVnni)
        writeWords(group, a, 0), writeWords(group, b, 1);
      low.push_back(a), high.push_back(b), both.push_back(code.addI(a, b));
    }
    if (sumsIn(1))
      storeQuarters(both, stack, 1, 0, four);
    if (sumsIn(2))
      storeQuarters(low, stack, 2, 0, four), storeQuarters(high, stack, 2, 1, four);
  }

  /// Whether sums of so many parts of a group are wanted.
  bool sumsIn(int64_t parts) const {
    return llvm::is_contained(format.sums, parts) ||
           llvm::any_of(format.zeros, [&](ActivationFormat::ZeroSums zero) { return zero.parts == parts; });
  }

  /// Sums times -zero; without VNNI pairs of i16: of the columns 4j and 4j + 1, and of 4j + 2 and 4j + 3.
  Value zerosOf(ArrayRef<Value> quarters, int64_t zero) {
    auto times = [&](Value sums) {
      return code.builder().create<arith::MulIOp>(sums, code.splat(16, code.i32, -zero));
    };
    if (isa.hasVnni)
      return times(sumOf(quarters));
    Value low = times(code.addI(quarters[0], quarters[1])), high = times(code.addI(quarters[2], quarters[3]));
    return code.orI(code.shl(high, 16), code.andI(low, code.splat(16, code.i32, 0xffff)));
  }

  /// A lane for each of `count` groups from `first` on goes to its place in an array of multipliers or sums.
  void scatter(Value lanes, Value stack, Value first, Value count, int64_t arrayAt, int64_t parts = 1,
               int64_t part = 0) {
    lanes = inOrder(lanes);
    auto oneByOne = [&] {
      Value line = code.at(stack, kLineAt);
      code.store(lanes, line, 64);
      code.loop(code.num(0), count, 1, [&](Value i) {
        // Else LLVM makes it the processor's scatter, which takes longer.
        Value from = code.pinned(code.at(line, code.mul(i, 4)));
        code.store(code.load(code.i32, from), factorAt(arrayAt, code.add(first, i), parts, part));
      });
    };
    if (parts > 1)
      return oneByOne();
    Value isTogether = code.andI(code.less(rows, code.num(kManyRows)), code.equal(count, kTogether));
    code.when(isTogether, [&] { code.store(lanes, factorAt(arrayAt, first)); }, oneByOne);
  }

  Value isPositive(Value number) {
    return code.builder().create<arith::CmpFOp>(arith::CmpFPredicate::OGT, number, scalar(0.0f));
  }

  /// Sixteen lanes as shifting the words of codes leaves them: (0, 2), (1, 3), (4, 6) …
  Value crossed(Value lanes) {
    SmallVector<int64_t> order;
    for (int64_t i = 0; i < 16; ++i)
      order.push_back(i / 4 * 4 + (i % 4 == 1 ? 2 : i % 4 == 2 ? 1 : i % 4));
    return code.shuffle(lanes, lanes, order);
  }

  void writeWords(Value group, Value integers, int64_t half) {
    Value words = columnsAt(format.wordsAt(), group, 2 * kBlockColumns);
    code.store(crossed(code.truncI(integers, code.i16)), code.at(words, 32 * half));
  }

  void writePairs(Value group, Value floats, int64_t half) {
    Value rounded = isa.toBf16(code, floats);
    auto at = [&](int64_t pairsAt) { return code.at(columnsAt(pairsAt, group, kPairsBytes), 32 * half); };
    if (format.meetsPlain)
      code.store(rounded, at(kPlainPairsAt));
    if (format.meetsCodes)
      code.store(crossed(rounded), at(kCodePairsAt));
  }

  void writeFloat(Value group, Value low, Value high) {
    if (format.isPaired(isa))
      writePairs(group, low, 0), writePairs(group, high, 1);
    if (format.rounding == Activations::bf16)
      low = roundToBf16(code, isa, low), high = roundToBf16(code, isa, high);
    if (!format.isPaired(isa)) {
      Value floats = columnsAt(0, group, format.groupBytes());
      code.store(low, floats);
      code.store(high, code.at(floats, 64));
    }
    for (int64_t parts : format.sums)
      for (auto [part, sum] : llvm::enumerate(sumsOf(low, high, parts)))
        code.store(sum, factorAt(format.sumsAt(parts), group, parts, part));
  }

  Value scalar(float value) { return code.builder().create<arith::ConstantOp>(code.builder().getF32FloatAttr(value)); }
  Value integer(int64_t value) {
    return code.builder().create<arith::ConstantOp>(code.builder().getI32IntegerAttr(value));
  }
};

/// 1 / sqrt(mean of squares + epsilon): two chains of 16 lanes over the row, then a tree.
Value inverseNorm(Code &code, Value source, Value groups, Value epsilon) {
  Type sixteen = code.vec(16, code.f32);
  Values sums = code.loop(code.num(0), groups, 1, Values{code.zero(sixteen), code.zero(sixteen)},
                          [&](Value group, ValueRange carried) {
                            Value at = code.at(source, code.mul(group, 128));
                            Value low = code.load(sixteen, at), high = code.load(sixteen, code.at(at, 64));
                            return Values{code.fma(low, low, carried[0]), code.fma(high, high, carried[1])};
                          });
  Value columns = code.builder().create<arith::SIToFPOp>(code.f32, code.mul(groups, kBlockColumns));
  return inverseRootMean(code, code.addF(sums[0], sums[1]), columns, epsilon);
}
} // namespace

Value inverseRootMean(Code &code, Value sums, Value columns, Value epsilon) {
  auto &b = code.builder();
  Value one = b.create<arith::ConstantOp>(b.getF32FloatAttr(1.0f));
  return code.divF(one, code.sqrtF(code.addF(code.divF(code.reduceAdd(sums), columns), epsilon)));
}

Value unitAddress(Code &code, const ActivationFormat &format, Value activations, Value groups, Value rows, Value row) {
  Value units = code.at(activations, code.mul(code.mul(groups, rows), format.bytesPerGroup()));
  return code.at(units, code.mul(row, 4));
}

void emitNormAdd(Code &code, int64_t columns, Value source, Value norm, double epsilon, Value addend, Value to) {
  auto &b = code.builder();
  Type sixteen = code.vec(16, code.f32);
  Value eps = b.create<arith::ConstantOp>(b.getF32FloatAttr(epsilon));
  Value factor = code.splat(16, inverseNorm(code, source, code.num(columns / kBlockColumns), eps));
  code.loop(code.num(0), code.num(columns), 16, [&](Value column) {
    Value offset = code.mul(column, 4);
    auto lanesAt = [&](Value base) { return code.load(sixteen, code.at(base, offset)); };
    Value normed = code.mulF(code.mulF(lanesAt(source), factor), lanesAt(norm));
    code.store(code.addF(lanesAt(addend), normed), code.at(to, offset));
  });
}

void emitActivationRow(Code &code, ModuleOp module, const Isa &isa, const ActivationFormat &format, int64_t columns,
                       const ActivationRow &row, Value norm, double epsilon) {
  std::string name = "cpu_row_" + format.name() + (norm ? "_norm_" : "_") + isa.name;
  // source, norm, destination, groups, row, rows, epsilon
  Type types[] = {code.ptr, code.ptr, code.ptr, code.i64, code.i64, code.i64, code.f32};
  auto function = sharedFunction(module, name, types, [&](Code &body, ValueRange args) {
    Type sixteen = body.vec(16, body.f32);
    RowWriter writer{body, isa, format, args[2], args[3], args[4], args[5]};
    Value factor = norm ? body.splat(16, inverseNorm(body, args[0], args[3], args[6])) : Value();
    auto halfOf = [&](Value group, int64_t half) {
      Value offset = body.add(body.mul(group, 128), 64 * half);
      Value columns = body.load(sixteen, body.at(args[0], offset));
      if (!norm)
        return columns;
      return body.mulF(body.mulF(columns, factor), body.load(sixteen, body.at(args[1], offset)));
    };
    Value perOne;
    if (format.isInt()) {
      Value none = body.zero(sixteen);
      Values most = body.loop(body.num(0), args[3], 1, Values{none, none}, [&](Value group, ValueRange carried) {
        return Values{body.maxF(body.absF(halfOf(group, 0)), carried[0]),
                      body.maxF(body.absF(halfOf(group, 1)), carried[1])};
      });
      perOne = writer.multipliersPerOne(body.reduceMax(body.maxF(most[0], most[1])));
    }
    if (format.isInt())
      return writer.writeInts(perOne, halfOf);
    body.loop(body.num(0), args[3], 1,
              [&](Value group) { writer.writeFloat(group, halfOf(group, 0), halfOf(group, 1)); });
  });
  auto &b = code.builder();
  Value eps = b.create<arith::ConstantOp>(b.getF32FloatAttr(epsilon));
  b.create<func::CallOp>(function, ValueRange{row.source, norm ? norm : row.source, row.destination,
                                              code.num(columns / kBlockColumns), row.row, row.rows, eps});
}

} // namespace kvasir::cpu
