// SPDX-License-Identifier: MIT
#include "compiler/passes/attention.h"

#include "compiler/dialects/lm/emit.h"
#include "compiler/passes/call_frame.h"
#include "plugins/include/kvasir/plugin.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"

using namespace mlir;
using namespace kvasir;
using kvasir::lm::emitElementwise, kvasir::lm::emitFill, kvasir::lm::emitGeneric, kvasir::lm::emitIndex;
using mlir::utils::IteratorType;

namespace {
using Builder = ImplicitLocOpBuilder;

Value add(Builder &b, Value x, Value y) { return b.create<arith::AddIOp>(x, y); }
Value subtract(Builder &b, Value x, Value y) { return b.create<arith::SubIOp>(x, y); }
Value least(Builder &b, Value x, Value y) { return b.create<arith::MinSIOp>(x, y); }
Value most(Builder &b, Value x, Value y) { return b.create<arith::MaxSIOp>(x, y); }

/// No tensor.empty: CSE merges two of one shape, and a slice that is written of a tensor that is written elsewhere
/// becomes a copy of a size that only the run knows. So it was for the scores of a partition and heads as wide as one.
Value emitStaticEmpty(Builder &b, ArrayRef<int64_t> shape) {
  auto type = RankedTensorType::get(shape, b.getF32Type());
  return b.create<bufferization::AllocTensorOp>(type, ValueRange());
}

/// Likewise: CSE would merge what two attends begin with, filled as it is, and the first one's output would be both.
Value emitEmptyOf(Builder &b, ArrayRef<OpFoldResult> sizes) {
  SmallVector<int64_t> shape;
  SmallVector<Value> extents;
  dispatchIndexOpFoldResults(sizes, extents, shape);
  return b.create<bufferization::AllocTensorOp>(RankedTensorType::get(shape, b.getF32Type()), extents);
}

/// A box of a tensor; sizes of 1 in `dropped` dimensions leave the type.
struct Box {
  SmallVector<OpFoldResult> offsets, sizes, strides;
  RankedTensorType type;

  Box(Builder &b, SmallVector<OpFoldResult> offsets, SmallVector<OpFoldResult> sizes, unsigned dropped)
      : offsets(std::move(offsets)), sizes(std::move(sizes)), strides(this->sizes.size(), b.getIndexAttr(1)) {
    SmallVector<int64_t> shape;
    for (OpFoldResult size : ArrayRef(this->sizes).drop_front(dropped))
      shape.push_back(getConstantIntValue(size).value_or(ShapedType::kDynamic));
    type = RankedTensorType::get(shape, b.getF32Type());
  }
  Value extract(Builder &b, Value from) const {
    return b.create<tensor::ExtractSliceOp>(type, from, offsets, sizes, strides);
  }
  Value insert(Builder &b, Value value, Value into) const {
    return b.create<tensor::InsertSliceOp>(value, into, offsets, sizes, strides);
  }
};

/// for i in begin .. end, carrying tensors: body(i, carried) returns the next ones.
template <typename Body>
SmallVector<Value> emitLoop(Builder &b, Value begin, Value end, ValueRange carried, Body body) {
  auto build = [&](OpBuilder &nested, Location loc, Value i, ValueRange values) {
    Builder inner(loc, nested);
    inner.create<scf::YieldOp>(body(inner, i, SmallVector<Value>(values)));
  };
  return b.create<scf::ForOp>(begin, end, emitIndex(b, 1), carried, build).getResults();
}

/// The one element that `combine` makes of a vector, first to last from `initial`.
Value emitReduction(Builder &b, Value vector, float initial, lm::EmitBody combine) {
  Value start = emitFill(b, initial, emitStaticEmpty(b, {}));
  Value reduced = emitGeneric(b, vector, start, {{0}, {}}, {IteratorType::reduction}, combine);
  return b.create<tensor::ExtractOp>(reduced, ValueRange());
}

/// What is carried from partition to partition: the running maximum [T, H] and sum of exponentials [T, H] of each row
/// and head, and the weighted sum of values [T, H, D].
enum Carried { kMaximum, kSum, kOutput, kNumCarried };

class Attention {
public:
  Attention(Value call, kv::AttendOp op, const LayerRef &keys, const LayerRef &values)
      : call(call), op(op), keys(keys), values(values), query(op.getQuery()) {}

  Value emit(Builder &b);

private:
  SmallVector<Value> emitSequence(Builder &b, Value sequence, SmallVector<Value> carried);
  SmallVector<Value> emitPartition(Builder &b, Value sequence, Value partition, SmallVector<Value> carried);
  SmallVector<Value> emitRow(Builder &b, Value row, Value group, Value partition, SmallVector<Value> carried);
  SmallVector<Value> emitHead(Builder &b, Value row, Value head, Value low, Value size, SmallVector<Value> carried);
  Value emitTile(Builder &b, const LayerRef &from, Value sequence, Value head, Value partition, Value count);
  Value emitScores(Builder &b, Value row, Value head, Value low, Value size);
  Value emitPartialSum(Builder &b, Value weights, Value low, Value size);
  Value emitSunkSums(Builder &b, ArrayRef<Value> carried);
  Value perPartition(Builder &b) { return emitIndex(b, KV_BLOCK_TOKENS); }
  Value baseOf(Builder &b, Value partition) { return b.create<arith::MulIOp>(partition, perPartition(b)); }
  /// The number of the first key of a token at `position` counted from `base`, at least 0.
  Value lowestKey(Builder &b, Value position, Value base);
  CallFrame at(Builder &b) { return CallFrame(b, b.getLoc(), call); }

  Value call;
  kv::AttendOp op;
  const LayerRef &keys, &values;
  Value query;
  Value first, start, count; // of the sequence that is being emitted
  Value keyTile, valueTile;  // of the partition and group
};

Value Attention::emit(Builder &b) {
  auto type = cast<RankedTensorType>(op.getType()).clone(b.getF32Type());
  SmallVector<OpFoldResult> extents = tensor::getMixedSizes(b, b.getLoc(), query);
  extents[2] = b.getIndexAttr(type.getDimSize(2));
  auto filled = [&](float value, ArrayRef<OpFoldResult> sizes) { return emitFill(b, value, emitEmptyOf(b, sizes)); };
  SmallVector<Value> carried(kNumCarried);
  carried[kMaximum] = filled(-INFINITY, ArrayRef(extents).drop_back());
  carried[kSum] = filled(0, ArrayRef(extents).drop_back());
  carried[kOutput] = filled(0, extents);
  carried = emitLoop(b, emitIndex(b, 0), at(b).sequences(), carried, [&](Builder &inner, Value sequence, auto values) {
    return emitSequence(inner, sequence, values);
  });
  SmallVector<IteratorType> loops(3, IteratorType::parallel);
  Value sums = op.getSinks() ? emitSunkSums(b, carried) : carried[kSum];
  Value result = emitGeneric(b, sums, carried[kOutput], {{0, 1}, {0, 1, 2}}, loops,
                             [](Builder &inner, ValueRange v) { return inner.create<arith::DivFOp>(v[1], v[0]); });
  return b.createOrFold<tensor::CastOp>(type, result);
}

/// The sums [T, H] and what the sinks add to them.
Value Attention::emitSunkSums(Builder &b, ArrayRef<Value> carried) {
  Value sinks = lm::emitVector(b, op.getSinks());
  SmallVector<IteratorType> loops(2, IteratorType::parallel);
  return emitGeneric(b, {sinks, carried[kMaximum]}, carried[kSum], {{1}, {0, 1}, {0, 1}}, loops,
                     [](Builder &inner, ValueRange v) {
                       Value power = inner.create<math::ExpOp>(inner.create<arith::SubFOp>(v[0], v[1]));
                       return inner.create<arith::AddFOp>(v[2], power);
                     });
}

Value Attention::lowestKey(Builder &b, Value position, Value base) {
  if (!op.getWindow())
    return emitIndex(b, 0);
  Value oldest = subtract(b, position, emitIndex(b, int64_t(*op.getWindow()) - 1));
  return most(b, subtract(b, oldest, base), emitIndex(b, 0));
}

SmallVector<Value> Attention::emitSequence(Builder &b, Value sequence, SmallVector<Value> carried) {
  CallFrame here = at(b);
  first = here.first(sequence), start = here.start(sequence), count = here.count(sequence);
  Value zero = emitIndex(b, 0);
  Value begin = b.create<arith::DivUIOp>(lowestKey(b, start, zero), perPartition(b));
  Value end = b.create<arith::CeilDivUIOp>(add(b, start, count), perPartition(b));
  return emitLoop(b, begin, end, carried, [&](Builder &inner, Value partition, auto values) {
    return emitPartition(inner, sequence, partition, values);
  });
}

/// The rows of the call that see a key of the partition, for every head.
SmallVector<Value> Attention::emitPartition(Builder &b, Value sequence, Value partition, SmallVector<Value> carried) {
  Value base = baseOf(b, partition);
  Value held = least(b, subtract(b, add(b, start, count), base), perPartition(b));
  Value begin = add(b, first, most(b, subtract(b, base, start), emitIndex(b, 0)));
  Value numRows = count;
  if (op.getWindow()) {
    Value last = add(b, base, emitIndex(b, KV_BLOCK_TOKENS - 1 + int64_t(*op.getWindow())));
    numRows = least(b, count, subtract(b, last, start));
  }
  Value end = add(b, first, numRows);
  Value groups = emitIndex(b, int64_t(kv::CacheOp(keys.cache).getHeads()));
  return emitLoop(b, emitIndex(b, 0), groups, carried, [&](Builder &inner, Value group, auto values) {
    keyTile = emitTile(inner, keys, sequence, group, partition, held);
    valueTile = emitTile(inner, this->values, sequence, group, partition, held);
    return emitLoop(inner, begin, end, values, [&](Builder &innermost, Value row, auto rowValues) {
      return emitRow(innermost, row, group, partition, rowValues);
    });
  });
}

Value Attention::emitTile(Builder &b, const LayerRef &from, Value sequence, Value head, Value partition, Value held) {
  Value empty = emitStaticEmpty(b, {KV_BLOCK_TOKENS, int64_t(kv::CacheOp(from.cache).getWidth())});
  return b
      .create<kv::LoadRowsOp>(empty.getType(), from.symbol, from.slot, from.layout, from.layer, sequence, head,
                              partition, held, empty)
      .getResult();
}

/// The keys of the tile that the row sees are low .. low + size - 1.
SmallVector<Value> Attention::emitRow(Builder &b, Value row, Value group, Value partition, SmallVector<Value> carried) {
  Value base = baseOf(b, partition);
  Value position = add(b, start, subtract(b, row, first));
  Value low = lowestKey(b, position, base);
  Value end = least(b, subtract(b, add(b, position, emitIndex(b, 1)), base), perPartition(b));
  int64_t numHeads = cast<RankedTensorType>(query.getType()).getDimSize(1);
  Value perGroup = emitIndex(b, numHeads / int64_t(kv::CacheOp(keys.cache).getHeads()));
  Value size = subtract(b, end, low);
  return emitLoop(b, emitIndex(b, 0), perGroup, carried, [&](Builder &inner, Value member, auto values) {
    Value head = add(inner, inner.create<arith::MulIOp>(group, perGroup), member);
    return emitHead(inner, row, head, low, size, values);
  });
}

/// scale q k, capped, of the keys that the row sees: tensor<?xf32>, `size` of them.
Value Attention::emitScores(Builder &b, Value row, Value head, Value low, Value size) {
  int64_t width = cast<RankedTensorType>(query.getType()).getDimSize(2);
  OpFoldResult zero = b.getIndexAttr(0), one = b.getIndexAttr(1), lanes = b.getIndexAttr(width);
  Value queryRow = Box(b, {row, head, zero}, {one, one, lanes}, 2).extract(b, query);
  Value seen = Box(b, {low, zero}, {size, lanes}, 0).extract(b, keyTile);
  Value buffer = Box(b, {zero}, {size}, 0).extract(b, emitStaticEmpty(b, {KV_BLOCK_TOKENS}));
  Value dots = emitGeneric(b, {seen, queryRow}, emitFill(b, 0, buffer), {{0, 1}, {1}, {0}},
                           {IteratorType::parallel, IteratorType::reduction}, [](Builder &inner, ValueRange v) {
                             return inner.create<arith::AddFOp>(v[2], inner.create<arith::MulFOp>(v[0], v[1]));
                           });
  return emitElementwise(b, {}, dots, [&](Builder &inner, ValueRange v) -> Value {
    Value scaled = inner.create<arith::MulFOp>(v[0], lm::emitF32(inner, op.getScale().convertToFloat()));
    if (!op.getSoftcap())
      return scaled;
    Value cap = lm::emitF32(inner, op.getSoftcap()->convertToFloat());
    return inner.create<arith::MulFOp>(cap, inner.create<math::TanhOp>(inner.create<arith::DivFOp>(scaled, cap)));
  });
}

/// sum over j of weights[j] * values[low + j, :], from zero: tensor<Dxf32>.
Value Attention::emitPartialSum(Builder &b, Value weights, Value low, Value size) {
  int64_t width = cast<RankedTensorType>(valueTile.getType()).getDimSize(1);
  OpFoldResult zero = b.getIndexAttr(0);
  Value seen = Box(b, {low, zero}, {size, b.getIndexAttr(width)}, 0).extract(b, valueTile);
  return emitGeneric(b, {weights, seen}, emitFill(b, 0, emitStaticEmpty(b, {width})), {{0}, {0, 1}, {1}},
                     {IteratorType::reduction, IteratorType::parallel}, [](Builder &inner, ValueRange v) {
                       return inner.create<arith::AddFOp>(v[2], inner.create<arith::MulFOp>(v[0], v[1]));
                     });
}

SmallVector<Value> Attention::emitHead(Builder &b, Value row, Value head, Value low, Value size,
                                       SmallVector<Value> carried) {
  Value scores = emitScores(b, row, head, low, size);
  Value maximum = emitReduction(
      b, scores, -INFINITY, [](Builder &inner, ValueRange v) { return inner.create<arith::MaximumFOp>(v[1], v[0]); });
  Value weights = emitElementwise(b, {}, scores, [&](Builder &inner, ValueRange v) {
    return inner.create<math::ExpOp>(inner.create<arith::SubFOp>(v[0], maximum));
  });
  Value sum = emitReduction(b, weights, 0,
                            [](Builder &inner, ValueRange v) { return inner.create<arith::AddFOp>(v[1], v[0]); });
  Value partial = emitPartialSum(b, weights, low, size);

  // The merge: both sides are brought to the greater maximum. Before the first partition it is -inf, its factor 0.
  Value oldMaximum = b.create<tensor::ExtractOp>(carried[kMaximum], ValueRange{row, head});
  Value oldSum = b.create<tensor::ExtractOp>(carried[kSum], ValueRange{row, head});
  Value newMaximum = b.create<arith::MaximumFOp>(oldMaximum, maximum);
  Value oldFactor = b.create<math::ExpOp>(b.create<arith::SubFOp>(oldMaximum, newMaximum));
  Value factor = b.create<math::ExpOp>(b.create<arith::SubFOp>(maximum, newMaximum));
  auto merge = [&](Builder &inner, Value old, Value added) -> Value {
    return inner.create<arith::AddFOp>(inner.create<arith::MulFOp>(old, oldFactor),
                                       inner.create<arith::MulFOp>(added, factor));
  };
  int64_t width = cast<RankedTensorType>(partial.getType()).getDimSize(0);
  OpFoldResult one = b.getIndexAttr(1);
  Box box(b, {row, head, b.getIndexAttr(0)}, {one, one, b.getIndexAttr(width)}, 2);
  Value merged = emitElementwise(b, partial, box.extract(b, carried[kOutput]),
                                 [&](Builder &inner, ValueRange v) { return merge(inner, v[1], v[0]); });
  carried[kMaximum] = b.create<tensor::InsertOp>(newMaximum, carried[kMaximum], ValueRange{row, head});
  carried[kSum] = b.create<tensor::InsertOp>(merge(b, oldSum, sum), carried[kSum], ValueRange{row, head});
  carried[kOutput] = box.insert(b, merged, carried[kOutput]);
  return carried;
}
} // namespace

Value kvasir::emitAttention(ImplicitLocOpBuilder &builder, Value call, kv::AttendOp op, const LayerRef &keys,
                            const LayerRef &values) {
  return Attention(call, op, keys, values).emit(builder);
}
