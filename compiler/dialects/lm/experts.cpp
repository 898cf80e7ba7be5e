// SPDX-License-Identifier: MIT
#include "compiler/dialects/lm/emit.h"

#include <limits>

using namespace mlir;
using namespace kvasir::lm;

LogicalResult RouteOp::verify() {
  auto logits = cast<RankedTensorType>(getLogits().getType());
  auto experts = cast<RankedTensorType>(getExperts().getType()), shares = cast<RankedTensorType>(getShares().getType());
  if (experts.getShape() != shares.getShape() || experts.getDimSize(0) != logits.getDimSize(0) ||
      experts.isDynamicDim(1) || logits.isDynamicDim(1) || experts.getDimSize(1) < 1 ||
      experts.getDimSize(1) > logits.getDimSize(1)) // C1
    return emitOpError("C1: experts are ") << experts << " and shares " << shares << " for logits " << logits;
  return success();
}

LogicalResult ExpertLinearOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType()), result = cast<RankedTensorType>(getResult().getType());
  auto experts = cast<RankedTensorType>(getExperts().getType());
  WeightType weight = getWeight().getType();
  if (experts.getDimSize(0) != input.getDimSize(0) || experts.isDynamicDim(1) || experts.getDimSize(1) < 1) // C3
    return emitOpError("C3: experts are ") << experts << " for an input " << input;
  int64_t chosen = getNumChosen(), columns = weight.getNumColumns();
  if (weight.isVector() || (input.getDimSize(1) != columns && input.getDimSize(1) != chosen * columns)) // C1
    return emitOpError("C1: the weight is ")
           << weight << ", but rows of the input have " << input.getDimSize(1) << " columns";
  int64_t wide = result.getDimSize(1);
  if (result.getDimSize(0) != input.getDimSize(0) || wide < 1 || wide % chosen != 0 ||
      weight.getNumRows() % (wide / chosen) != 0) // C2
    return emitOpError("C2: the result is ") << result << " for experts " << experts << " of a weight " << weight;
  if (!getBias())
    return success();
  auto bias = cast<WeightType>(getBias().getType());
  if (!bias.isVector() || bias.getNumColumns() != weight.getNumRows()) // C4
    return emitOpError("C4: the bias is ") << bias << ", but the weight has " << weight.getNumRows() << " rows";
  return success();
}

LogicalResult MixOp::verify() {
  auto parts = cast<RankedTensorType>(getParts().getType()), result = cast<RankedTensorType>(getResult().getType());
  auto shares = cast<RankedTensorType>(getShares().getType());
  if (shares.getDimSize(0) != parts.getDimSize(0) || result.getDimSize(0) != parts.getDimSize(0) ||
      shares.isDynamicDim(1) || result.isDynamicDim(1) ||
      parts.getDimSize(1) != shares.getDimSize(1) * result.getDimSize(1)) // C1
    return emitOpError("C1: the result is ") << result << " for parts " << parts << " and shares " << shares;
  return success();
}

namespace {
using utils::IteratorType;

const SmallVector<IteratorType> kRowwise(2, IteratorType::parallel);
const SmallVector<IteratorType> kReduced{IteratorType::parallel, IteratorType::parallel, IteratorType::reduction};
const SmallVector<IteratorType> kFolded{IteratorType::parallel, IteratorType::reduction};

/// The decomposition of a route.
class Routing {
public:
  Routing(ImplicitLocOpBuilder &builder, RouteOp op)
      : builder(builder), op(op), logits(op.getLogits()), rows(emitExtent(builder, logits, 0)),
        chosen(cast<ShapedType>(op.getExperts().getType()).getDimSize(1)),
        experts(cast<ShapedType>(logits.getType()).getDimSize(1)) {}

  SmallVector<Value> emit() {
    rank = emitRank();
    place = emitPlace();
    Value numbers = emitPicked(integer(0), [&](ImplicitLocOpBuilder &b, Value) { return indexAt(b, 2); });
    Value picked = emitPicked(emitF32(builder, 0), [&](ImplicitLocOpBuilder &, Value logit) { return logit; });
    Value peaks = emitGeneric(
        builder, picked, emitFill(builder, -std::numeric_limits<float>::infinity(), emptyOf({}, builder.getF32Type())),
        {{0, 1}, {0}}, kFolded,
        [](ImplicitLocOpBuilder &b, ValueRange v) { return b.create<arith::MaximumFOp>(v[1], v[0]); });
    Value sums = emitGeneric(
        builder, {op.getOf() == SharesOf::all ? logits : picked, peaks},
        emitFill(builder, 0, emptyOf({}, builder.getF32Type())), {{0, 1}, {0}, {0}}, kFolded,
        [](ImplicitLocOpBuilder &b, ValueRange v) { return b.create<arith::AddFOp>(v[2], powerOf(b, v[0], v[1])); });
    Value shares = emitGeneric(
        builder, {picked, peaks, sums}, emitEmptyLike(builder, picked), {{0, 1}, {0}, {0}, {0, 1}}, kRowwise,
        [](ImplicitLocOpBuilder &b, ValueRange v) { return b.create<arith::DivFOp>(powerOf(b, v[0], v[1]), v[2]); });
    return {numbers, shares};
  }

private:
  Value integer(int32_t value) { return builder.create<arith::ConstantOp>(builder.getI32IntegerAttr(value)); }

  static Value powerOf(ImplicitLocOpBuilder &b, Value logit, Value peak) {
    return b.create<math::ExpOp>(b.create<arith::SubFOp>(logit, peak));
  }

  static Value indexAt(ImplicitLocOpBuilder &b, int64_t loop) {
    return b.create<arith::IndexCastOp>(b.getI32Type(), b.create<linalg::IndexOp>(loop));
  }

  static Value compare(ImplicitLocOpBuilder &b, arith::CmpIPredicate predicate, Value x, Value y) {
    return b.create<arith::CmpIOp>(predicate, x, y);
  }

  /// [T, columns...], undefined.
  Value emptyOf(ArrayRef<int64_t> columns, Type element) {
    SmallVector<OpFoldResult> extents{rows};
    for (int64_t column : columns)
      extents.push_back(builder.getIndexAttr(column));
    return emitEmpty(builder, extents, element);
  }

  Value fillOf(ArrayRef<int64_t> columns, Value value) {
    return builder.create<linalg::FillOp>(value, emptyOf(columns, value.getType())).getResult(0);
  }

  /// Integers [T, X] in the order of the logits, zeros of both signs equal.
  Value emitKeys() {
    return emitElementwise(
        builder, logits, emptyOf({experts}, builder.getI32Type()), [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
          auto constant = [&](int32_t value) { return b.create<arith::ConstantOp>(b.getI32IntegerAttr(value)); };
          Value bits = b.create<arith::BitcastOp>(b.getI32Type(), b.create<arith::AddFOp>(v[0], emitF32(b, 0)));
          Value sign = b.create<arith::ShRSIOp>(bits, constant(31));
          return b.create<arith::XOrIOp>(bits, b.create<arith::AndIOp>(sign, constant(0x7fffffff)));
        });
  }

  /// How many experts come before each [T, X].
  Value emitRank() {
    Value keys = emitKeys();
    return emitGeneric(builder, {keys, keys}, fillOf({experts}, integer(0)), {{0, 1}, {0, 2}, {0, 1}}, kReduced,
                       [](ImplicitLocOpBuilder &b, ValueRange v) {
                         Value isFirst = compare(b, arith::CmpIPredicate::slt, indexAt(b, 2), indexAt(b, 1));
                         Value isEqual = compare(b, arith::CmpIPredicate::eq, v[1], v[0]);
                         Value isLarger = compare(b, arith::CmpIPredicate::sgt, v[1], v[0]);
                         Value isBefore = b.create<arith::OrIOp>(isLarger, b.create<arith::AndIOp>(isEqual, isFirst));
                         return b.create<arith::AddIOp>(v[2], b.create<arith::ExtUIOp>(b.getI32Type(), isBefore));
                       });
  }

  Value isChosen(ImplicitLocOpBuilder &b, Value rankOfOne) {
    Value count = b.create<arith::ConstantOp>(b.getI32IntegerAttr(int32_t(chosen)));
    return compare(b, arith::CmpIPredicate::slt, rankOfOne, count);
  }

  /// How many chosen experts have smaller numbers than each [T, X].
  Value emitPlace() {
    return emitGeneric(builder, rank, fillOf({experts}, integer(0)), {{0, 2}, {0, 1}}, kReduced,
                       [&](ImplicitLocOpBuilder &b, ValueRange v) {
                         Value isBefore = compare(b, arith::CmpIPredicate::slt, indexAt(b, 2), indexAt(b, 1));
                         Value counts = b.create<arith::AndIOp>(isBefore, isChosen(b, v[0]));
                         return b.create<arith::AddIOp>(v[1], b.create<arith::ExtUIOp>(b.getI32Type(), counts));
                       });
  }

  /// What `valueOf` makes of each chosen expert and its logit, [T, C].
  Value emitPicked(Value init, llvm::function_ref<Value(ImplicitLocOpBuilder &, Value)> valueOf) {
    return emitGeneric(builder, {rank, place, logits}, fillOf({chosen}, init), {{0, 2}, {0, 2}, {0, 2}, {0, 1}},
                       kReduced, [&](ImplicitLocOpBuilder &b, ValueRange v) {
                         Value isHere = compare(b, arith::CmpIPredicate::eq, v[1], indexAt(b, 1));
                         Value isPicked = b.create<arith::AndIOp>(isHere, isChosen(b, v[0]));
                         return b.create<arith::SelectOp>(isPicked, valueOf(b, v[2]), v[3]);
                       });
  }

  ImplicitLocOpBuilder &builder;
  RouteOp op;
  Value logits;
  OpFoldResult rows;
  int64_t chosen, experts;
  Value rank, place;
};

/// The decomposition of an expert_linear.
class ExpertProduct {
public:
  ExpertProduct(ImplicitLocOpBuilder &builder, ExpertLinearOp op)
      : op(op), rows(op.getNumRows()), columns(op.getWeight().getType().getNumColumns()),
        bias(op.getBias() ? emitVector(builder, op.getBias()) : Value()) {}

  Value emit(ImplicitLocOpBuilder &builder) {
    Value tokens = getValueOrCreateConstantIndexOp(builder, op.getLoc(), emitExtent(builder, op.getInput(), 0));
    Value empty =
        emitEmpty(builder, {emitExtent(builder, op.getInput(), 0), builder.getIndexAttr(op.getNumChosen() * rows)},
                  builder.getF32Type());
    return emitLoop(builder, tokens, empty, 1, [&](ImplicitLocOpBuilder &outer, Value token, Value result) {
      return emitLoop(
          outer, emitIndex(outer, op.getNumChosen()), result, 1,
          [&](ImplicitLocOpBuilder &b, Value place, Value result) { return emitPart(b, token, place, result); });
    });
  }

private:
  using Body = llvm::function_ref<Value(ImplicitLocOpBuilder &, Value, Value)>;

  static Value emitLoop(ImplicitLocOpBuilder &builder, Value end, Value carried, int64_t step, Body body) {
    auto build = [&](OpBuilder &nested, Location loc, Value index, ValueRange values) {
      ImplicitLocOpBuilder inner(loc, nested);
      inner.create<scf::YieldOp>(body(inner, index, values[0]));
    };
    return builder.create<scf::ForOp>(emitIndex(builder, 0), end, emitIndex(builder, step), carried, build)
        .getResult(0);
  }

  static Value times(ImplicitLocOpBuilder &b, Value index, int64_t factor) {
    return b.create<arith::MulIOp>(index, emitIndex(b, factor));
  }

  /// Where columns `first` .. `first + count - 1` of a row lie.
  struct Piece {
    SmallVector<OpFoldResult> offsets, sizes, strides;
    Piece(ImplicitLocOpBuilder &b, Value row, Value first, int64_t count)
        : offsets{row, first}, sizes{b.getIndexAttr(1), b.getIndexAttr(count)},
          strides{b.getIndexAttr(1), b.getIndexAttr(1)} {}
    Value of(ImplicitLocOpBuilder &b, Value tensor) const {
      return b.create<tensor::ExtractSliceOp>(tensor, offsets, sizes, strides);
    }
    Value into(ImplicitLocOpBuilder &b, Value made, Value tensor) const {
      return b.create<tensor::InsertSliceOp>(made, tensor, offsets, sizes, strides);
    }
  };

  /// The part of a token's expert at `place`.
  Value emitPart(ImplicitLocOpBuilder &b, Value token, Value place, Value result) {
    Value number = b.create<tensor::ExtractOp>(op.getExperts(), ValueRange{token, place});
    Value last = b.create<arith::ConstantOp>(b.getI32IntegerAttr(int32_t(op.getNumExperts() - 1)));
    number = b.create<arith::IndexCastOp>(b.getIndexType(), b.create<arith::MinUIOp>(number, last));
    Value first = times(b, number, rows), into = times(b, place, rows);
    Value x = Piece(b, token, op.hasParts() ? times(b, place, columns) : emitIndex(b, 0), columns).of(b, op.getInput());
    auto emitTile = [&](ImplicitLocOpBuilder &nested, Value begin, int64_t count, Value carried) {
      Piece tile(nested, token, nested.create<arith::AddIOp>(into, begin), count);
      Value from = nested.create<arith::AddIOp>(first, begin);
      Value product = emitProduct(nested, x, op.getWeight(), from, tile.of(nested, carried));
      return tile.into(nested, product, carried);
    };
    int64_t whole = rows / kTileRows * kTileRows;
    if (whole)
      result = emitLoop(b, emitIndex(b, whole), result, kTileRows,
                        [&](ImplicitLocOpBuilder &nested, Value begin, Value carried) {
                          return emitTile(nested, begin, kTileRows, carried);
                        });
    if (rows > whole)
      result = emitTile(b, emitIndex(b, whole), rows - whole, result);
    return bias ? emitBias(b, Piece(b, token, into, rows), first, result) : result;
  }

  Value emitBias(ImplicitLocOpBuilder &b, const Piece &part, Value first, Value result) {
    SmallVector<OpFoldResult> offsets{first}, sizes{b.getIndexAttr(rows)}, strides{b.getIndexAttr(1)};
    Value own = b.create<tensor::ExtractSliceOp>(bias, offsets, sizes, strides);
    Value sum = emitGeneric(b, own, part.of(b, result), {{1}, {0, 1}}, kRowwise,
                            [](ImplicitLocOpBuilder &b, ValueRange v) { return b.create<arith::AddFOp>(v[1], v[0]); });
    return part.into(b, sum, result);
  }

  ExpertLinearOp op;
  int64_t rows, columns;
  Value bias;
};
} // namespace

SmallVector<Value> RouteOp::decompose(OpBuilder &opBuilder) {
  ImplicitLocOpBuilder builder(getLoc(), opBuilder);
  return Routing(builder, *this).emit();
}

SmallVector<Value> ExpertLinearOp::decompose(OpBuilder &opBuilder) {
  ImplicitLocOpBuilder builder(getLoc(), opBuilder);
  return {builder.createOrFold<tensor::CastOp>(getType(), ExpertProduct(builder, *this).emit(builder))};
}

SmallVector<Value> MixOp::decompose(OpBuilder &opBuilder) {
  ImplicitLocOpBuilder builder(getLoc(), opBuilder);
  int64_t chosen = cast<ShapedType>(getShares().getType()).getDimSize(1);
  int64_t columns = cast<ShapedType>(getType()).getDimSize(1);
  SmallVector<OpFoldResult> extents{emitExtent(builder, getParts(), 0), builder.getIndexAttr(chosen),
                                    builder.getIndexAttr(columns)};
  Value parts = builder.create<tensor::ExpandShapeOp>(
      RankedTensorType::get({cast<ShapedType>(getType()).getDimSize(0), chosen, columns}, builder.getF32Type()),
      getParts(), SmallVector<ReassociationIndices>{{0}, {1, 2}}, extents);
  Value empty = emitEmpty(builder, {extents[0], extents[2]}, builder.getF32Type());
  Value sum = emitGeneric(builder, {parts, getShares()}, emitFill(builder, 0, empty), {{0, 2, 1}, {0, 2}, {0, 1}},
                          kReduced, [](ImplicitLocOpBuilder &b, ValueRange v) {
                            return b.create<arith::AddFOp>(v[2], b.create<arith::MulFOp>(v[1], v[0]));
                          });
  return {builder.createOrFold<tensor::CastOp>(getType(), sum)};
}
