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
  std::string word = isInt() ? "int8" : rounding == Rounding::bf16 ? "bf16" : "f32";
  for (ZeroSums zero : zeros)
    word += "_z" + std::to_string(zero.zero) + "by" + std::to_string(zero.parts);
  if (hasWords)
    word += "_words";
  for (int64_t parts : sums)
    word += "_sums" + std::to_string(parts);
  return word;
}

ActivationFormat activationsFor(const WeightFormat &weight, Rounding rounding) {
  ActivationFormat format;
  format.rounding = rounding;
  if (weight.min)
    format.sums.push_back(weight.subgroups());
  format.hasWords = rounding == Rounding::int8 && !weight.isNarrow();
  if (rounding == Rounding::int8 && dotZero(weight) != 0)
    format.zeros.push_back({dotZero(weight), weight.subgroups()});
  return format;
}

std::optional<ActivationFormat> merged(const ActivationFormat &a, const ActivationFormat &b) {
  if (a.rounding != b.rounding)
    return std::nullopt;
  ActivationFormat both = a;
  both.hasWords = a.hasWords || b.hasWords;
  for (int64_t parts : b.sums)
    if (!llvm::is_contained(both.sums, parts))
      both.sums.push_back(parts);
  for (ActivationFormat::ZeroSums zero : b.zeros)
    if (!llvm::is_contained(both.zeros, zero))
      both.zeros.push_back(zero);
  return both;
}

namespace {
/// Where a group of a row lies in one of the arrays [K/32 * parts][M].
Value slotOf(Code &code, Value base, int64_t arrayAt, Value groups, Value rows, Value index, int64_t bytes) {
  Value array = code.at(base, code.mul(code.mul(groups, rows), arrayAt));
  return code.at(array, code.mul(index, bytes));
}

struct RowWriter {
  Code &code;
  const Isa &isa;
  const ActivationFormat &format;
  Value destination, groups, row, rows;

  Value slot(int64_t arrayAt, Value group, int64_t bytes, int64_t parts = 1, int64_t part = 0) {
    Value line = code.add(code.mul(group, parts), part);
    return slotOf(code, destination, arrayAt, groups, rows, code.add(code.mul(line, rows), row), bytes);
  }

  /// The sums of each part of a group of two halves of 16 lanes.
  SmallVector<Value> sumsOf(Value low, Value high, int64_t parts) {
    if (parts == 2)
      return {code.reduceAdd(low), code.reduceAdd(high)};
    bool isFloat = isa_float(low);
    return {code.reduceAdd(isFloat ? code.addF(low, high) : code.addI(low, high))};
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

  void writeInt(Value group, Value low, Value high, Value perOne) {
    Value largest = code.reduceMax(code.maxF(code.absF(low), code.absF(high)));
    Value whole = code.toInt(code.addF(code.mulF(largest, perOne), scalar(0.5f))), multiplier = code.toFloat(whole);
    Value inverse = code.divF(code.mulF(perOne, scalar(127.0f)), multiplier);
    Value inverses = code.splat(16, code.select(isPositive(multiplier), inverse, scalar(0.0f)));
    Value a = code.toInt(code.mulF(low, inverses)), b = code.toInt(code.mulF(high, inverses));
    Value bytes = slot(0, group, format.groupBytes());
    code.store(code.truncI(a, code.i8), bytes, 1);
    code.store(code.truncI(b, code.i8), code.at(bytes, 16), 1);
    code.store(multiplier, slot(format.multipliersAt(), group, 4));
    code.store(code.orI(code.shl(whole, 16), whole), slot(format.multiplierPairsAt(), group, 4));
    if (format.hasWords && !isa.hasVnni)
      writeWords(group, a, 0), writeWords(group, b, 1);
    for (ActivationFormat::ZeroSums zero : format.zeros)
      writeZeros(group, a, b, zero);
    for (int64_t parts : format.sums)
      for (auto [part, sum] : llvm::enumerate(sumsOf(a, b, parts)))
        code.store(code.mulF(multiplier, code.toFloat(sum)), slot(format.sumsAt(parts), group, 4, parts, part));
  }

  void writeZeros(Value group, Value low, Value high, ActivationFormat::ZeroSums zero) {
    Value factor = integer(-zero.zero);
    for (auto [part, sum] :
         llvm::enumerate(isa.hasVnni ? sumsOf(low, high, zero.parts) : pairSums(low, high, zero.parts))) {
      Value of = isa.hasVnni ? factor : code.splat(2, factor);
      Value ofZero = code.builder().create<arith::MulIOp>(sum, of);
      code.store(isa.hasVnni ? ofZero : code.truncI(ofZero, code.i16),
                 slot(format.zerosAt(zero), group, 4, zero.parts, part));
    }
  }

  /// Of each part the sums of its columns 4j and 4j + 1, and of 4j + 2 and 4j + 3.
  SmallVector<Value> pairSums(Value low, Value high, int64_t parts) {
    SmallVector<Value> sums;
    if (parts == 2)
      sums = {low, high};
    else
      sums = {code.addI(low, high)};
    for (Value &sum : sums) {
      auto fold = [&](ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
        sum = code.addI(code.shuffle(sum, sum, a), code.shuffle(sum, sum, b));
      };
      fold({0, 1, 2, 3, 4, 5, 6, 7}, {8, 9, 10, 11, 12, 13, 14, 15});
      fold({0, 1, 2, 3}, {4, 5, 6, 7});
      fold({0, 2}, {1, 3});
    }
    return sums;
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
    Value line = code.add(code.mul(group, rows), row);
    Value words = slotOf(code, destination, format.wordsAt(), groups, rows, line, 2 * kBlockColumns);
    code.store(crossed(code.truncI(integers, code.i16)), code.at(words, 32 * half));
  }

  void writePairs(Value group, Value floats, int64_t half) {
    Value rounded = isa.toBf16(code, floats), pairs = code.at(slot(0, group, format.groupBytes()), 32 * half);
    code.store(rounded, pairs);
    code.store(crossed(rounded), code.at(pairs, kCodePairsAt));
  }

  void writeFloat(Value group, Value low, Value high) {
    if (format.isPaired(isa))
      writePairs(group, low, 0), writePairs(group, high, 1);
    if (format.rounding == Rounding::bf16)
      low = roundToBf16(code, isa, low), high = roundToBf16(code, isa, high);
    if (!format.isPaired(isa)) {
      Value floats = slot(0, group, format.groupBytes());
      code.store(low, floats);
      code.store(high, code.at(floats, 64));
    }
    for (int64_t parts : format.sums)
      for (auto [part, sum] : llvm::enumerate(sumsOf(low, high, parts)))
        code.store(sum, slot(format.sumsAt(parts), group, 4, parts, part));
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
  auto &b = code.builder();
  Value columns = b.create<arith::SIToFPOp>(code.f32, code.mul(groups, kBlockColumns));
  Value mean = code.divF(code.reduceAdd(code.addF(sums[0], sums[1])), columns);
  Value one = b.create<arith::ConstantOp>(b.getF32FloatAttr(1.0f));
  return code.divF(one, code.sqrtF(code.addF(mean, epsilon)));
}
} // namespace

Value unitAddress(Code &code, const ActivationFormat &format, Value activations, Value groups, Value rows, Value row) {
  Value units = code.at(activations, code.mul(code.mul(groups, rows), format.bytesPerGroup()));
  return code.at(units, code.mul(row, 4));
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
    body.loop(body.num(0), args[3], 1, [&](Value group) {
      if (format.isInt())
        writer.writeInt(group, halfOf(group, 0), halfOf(group, 1), perOne);
      else
        writer.writeFloat(group, halfOf(group, 0), halfOf(group, 1));
    });
  });
  auto &b = code.builder();
  Value eps = b.create<arith::ConstantOp>(b.getF32FloatAttr(epsilon));
  b.create<func::CallOp>(function, ValueRange{row.source, norm ? norm : row.source, row.destination,
                                              code.num(columns / kBlockColumns), row.row, row.rows, eps});
}

} // namespace kvasir::cpu
