// SPDX-License-Identifier: MIT
// What the numbers of a batch have to do with each other, told to upstream's value bounds analysis.
#include "compiler/dialects/kv/dialect.h"

#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace kvasir::kv;

namespace {
/// Another op that names the same field of the same sequence, so that two spellings of one number become equal.
template <typename FieldOp> Value otherSpelling(Value batch, int64_t sequence, Value self) {
  for (Operation *user : batch.getUsers())
    if (auto field = dyn_cast<FieldOp>(user);
        field && field.getSequence() == uint64_t(sequence) && field.getResult() != self)
      return field;
  return {};
}

Value spelling(Value batch, Field field, int64_t sequence, Value self) {
  switch (field) {
  case Field::start:
    return otherSpelling<StartOp>(batch, sequence, self);
  case Field::count:
    return otherSpelling<CountOp>(batch, sequence, self);
  case Field::length:
    return otherSpelling<LengthOp>(batch, sequence, self);
  case Field::causal:
    break; // no number
  }
  return {};
}

/// The number as an expression over other columns; null when the program never names them.
AffineExpr fieldExpr(Value batch, Field field, int64_t sequence, Value self, ValueBoundsConstraintSet &set) {
  if (Value other = spelling(batch, field, sequence, self))
    return set.getExpr(other);
  if (field != Field::length)
    return {};
  AffineExpr start = fieldExpr(batch, Field::start, sequence, self, set);
  AffineExpr count = fieldExpr(batch, Field::count, sequence, self, set);
  return start && count ? start + count : AffineExpr();
}

template <typename FieldOp>
void boundField(FieldOp op, Field field, Value value, ValueBoundsConstraintSet &set, int64_t least) {
  set.bound(value) >= least;
  if (AffineExpr expr = fieldExpr(op.getBatch(), field, op.getSequence(), value, set))
    set.bound(value) == expr;
  if (field != Field::length)
    return;
  // Two spellings of a length are equal, and both are start + count.
  Value start = otherSpelling<StartOp>(op.getBatch(), op.getSequence(), value);
  Value count = otherSpelling<CountOp>(op.getBatch(), op.getSequence(), value);
  if (start && count)
    set.bound(value) == set.getExpr(start) + set.getExpr(count);
}

/// Ties `value` to the other ops of its kind on the same batch.
template <typename Op> void equateTwins(Op op, Value value, ValueBoundsConstraintSet &set, std::optional<int64_t> dim) {
  for (Operation *user : op.getBatch().getUsers()) {
    auto twin = dyn_cast<Op>(user);
    if (!twin || twin == op)
      continue;
    if (dim)
      set.bound(value)[*dim] == set.getExpr(twin->getResult(0), dim);
    else
      set.bound(value) == set.getExpr(twin->getResult(0));
  }
}
} // namespace

void StartOp::populateBoundsForIndexValue(Value value, ValueBoundsConstraintSet &set) {
  boundField(*this, Field::start, value, set, 0);
}

void CountOp::populateBoundsForIndexValue(Value value, ValueBoundsConstraintSet &set) {
  boundField(*this, Field::count, value, set, 1);
  std::optional<int64_t> known = knownOf(getBatch(), "kv.tokens");
  if (known && knownOf(getBatch(), "kv.sequences") == 1)
    set.bound(value) == *known;
}

void LengthOp::populateBoundsForIndexValue(Value value, ValueBoundsConstraintSet &set) {
  boundField(*this, Field::length, value, set, 1);
}

void TokensOp::populateBoundsForIndexValue(Value value, ValueBoundsConstraintSet &set) {
  set.bound(value) >= 1;
  equateTwins(*this, value, set, std::nullopt);
  if (std::optional<int64_t> known = knownOf(getBatch(), "kv.tokens"))
    set.bound(value) == *known;
  if (knownOf(getBatch(), "kv.sequences") != 1)
    return;
  if (Value count = otherSpelling<CountOp>(getBatch(), 0, value))
    set.bound(value) == set.getExpr(count);
}

void SequencesOp::populateBoundsForIndexValue(Value value, ValueBoundsConstraintSet &set) {
  set.bound(value) >= 1;
  equateTwins(*this, value, set, std::nullopt);
  if (std::optional<int64_t> known = knownOf(getBatch(), "kv.sequences"))
    set.bound(value) == *known;
}

void SequenceOp::populateBoundsForIndexValue(Value value, ValueBoundsConstraintSet &set) {
  set.bound(value) >= (value == getCount() ? 1 : 0);
}

void SequenceOp::getAsmResultNames(OpAsmSetValueNameFn name) {
  name(getFirst(), "first");
  name(getCount(), "count");
  name(getStart(), "start");
}

void PositionsOp::populateBoundsForShapedValueDim(Value value, int64_t dim, ValueBoundsConstraintSet &set) {
  equateTwins(*this, value, set, dim);
  for (Operation *user : getBatch().getUsers())
    if (auto tokens = dyn_cast<TokensOp>(user))
      return void(set.bound(value)[dim] == set.getExpr(tokens.getResult()));
}

void WantedOp::populateBoundsForShapedValueDim(Value value, int64_t dim, ValueBoundsConstraintSet &set) {
  equateTwins(*this, value, set, dim);
  for (Operation *user : getBatch().getUsers())
    if (auto tokens = dyn_cast<TokensOp>(user))
      return void(set.bound(value)[dim] <= set.getExpr(tokens.getResult()));
}

BlockArgument kvasir::kv::batchOf(ArrayRef<BlockArgument> arguments) {
  for (BlockArgument argument : arguments)
    if (isa<BatchType>(argument.getType()))
      return argument;
  return {};
}

std::optional<int64_t> kvasir::kv::knownOf(Value batch, StringRef fact) {
  auto argument = dyn_cast<BlockArgument>(batch);
  auto function = argument ? dyn_cast<FunctionOpInterface>(argument.getOwner()->getParentOp()) : FunctionOpInterface();
  if (!function)
    return std::nullopt;
  auto known = function.getArgAttrOfType<IntegerAttr>(argument.getArgNumber(), fact);
  return known ? std::optional<int64_t>(known.getInt()) : std::nullopt;
}

LogicalResult BindOp::verify() {
  if (std::optional<int64_t> known = knownOf(getBatch(), "kv.sequences");
      known && int64_t(getSequence()) >= *known) // C3
    return emitOpError("C3: binds to sequence ") << getSequence() << " of a batch of " << *known;
  if (getField() == Field::causal) { // C2
    auto mask = dyn_cast<RankedTensorType>(getSource().getType());
    bool isMask = mask && !getDim() && mask.getRank() >= 2 && isa<FloatType>(mask.getElementType());
    return isMask ? success()
                  : emitOpError("C2: a causal mask is a tensor [.., T, S] of floats and takes no dimension");
  }
  if (isa<IndexType>(getSource().getType()) == bool(getDim())) // C1
    return emitOpError("C1: an index takes no dimension, a tensor takes one");
  auto tensor = dyn_cast<RankedTensorType>(getSource().getType());
  if (tensor && (int64_t(*getDim()) < 0 || int64_t(*getDim()) >= tensor.getRank())) // C1
    return emitOpError("C1: dimension ") << int64_t(*getDim()) << " of a tensor of rank " << tensor.getRank();
  return success();
}

void BindOp::populateBoundsForIndexValue(Value value, ValueBoundsConstraintSet &set) {
  if (AffineExpr expr = fieldExpr(getBatch(), getField(), getSequence(), value, set))
    set.bound(value) == expr;
  set.bound(value) == set.getExpr(getSource());
}

void BindOp::populateBoundsForShapedValueDim(Value value, int64_t dim, ValueBoundsConstraintSet &set) {
  set.bound(value)[dim] == set.getExpr(getSource(), dim);
  if (!getDim() || dim != int64_t(*getDim()))
    return;
  if (AffineExpr expr = fieldExpr(getBatch(), getField(), getSequence(), value, set))
    set.bound(value)[dim] == expr;
}
