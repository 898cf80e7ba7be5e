// SPDX-License-Identifier: MIT
#include "compiler/passes/state_ops.h"

#include "compiler/passes/contract.h"
#include "compiler/passes/group_ops.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/state_regions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace kvasir;

Slots::Slots(ModuleOp module) {
  for (auto schema : module.getOps<kv::SchemaOp>())
    for (Operation &slot : schema.getBody().front())
      numbers.try_emplace(SymbolTable::getSymbolName(&slot), numbers.size());
}

FailureOr<LayerRef> Slots::find(Operation *op, SymbolRefAttr symbol, Value layer) const {
  kv::Declaration slot = kv::lookup(op, symbol);
  auto layout = slot ? slot.op()->getAttrOfType<lm::LayoutAttr>(kLayoutAttr) : lm::LayoutAttr();
  if (!layout)
    return op->emitOpError("uses ") << symbol << ", which is not a slot with a layout";
  return LayerRef{symbol, numbers.lookup(symbol.getLeafReference()), layout, slot.cache, layer};
}

namespace {
/// The tensor with elements of another float type.
Value convertTo(ImplicitLocOpBuilder &builder, Type element, Value tensor) {
  auto from = cast<RankedTensorType>(tensor.getType());
  if (from.getElementType() == element)
    return tensor;
  RankedTensorType to = from.clone(element);
  if (element.getIntOrFloatBitWidth() > from.getElementTypeBitWidth())
    return builder.create<arith::ExtFOp>(to, tensor);
  return builder.create<arith::TruncFOp>(to, tensor);
}

std::string nameOf(SymbolRefAttr slot) { return plainName(slot.getLeafReference().getValue()); }

LogicalResult replace(Operation *op, ValueRange values) {
  op->replaceAllUsesWith(values);
  op->erase();
  return success();
}
} // namespace

LogicalResult StateOps::lower(Operation *op) {
  Builder builder(op->getLoc(), op);
  if (passesState(op))
    return dropState(op), success();
  if (auto append = dyn_cast<kv::AppendOp>(op))
    return lowerAppend(builder, append);
  if (auto attend = dyn_cast<kv::AttendOp>(op))
    return lowerAttend(builder, attend);
  if (auto read = dyn_cast<kv::ReadOp>(op))
    return lowerRead(builder, read);
  if (auto get = dyn_cast<kv::GetOp>(op))
    return lowerGet(builder, get);
  if (auto set = dyn_cast<kv::SetOp>(op))
    return lowerSet(builder, set);
  if (auto write = dyn_cast<kv::WriteOp>(op))
    return write.emitOpError("writes rows that only the run knows, which no backend can declare before it runs: ")
           << write.getUnraised().value_or("raise-writes has not seen it");
  if (auto group = dyn_cast<kv::GroupOp>(op))
    return inlineGroup(group), success();
  if (isa<kv::WaiveOp>(op))
    return op->erase(), success();
  if (auto borrow = dyn_cast<kv::BorrowOp>(op))
    return replace(op, emitView(builder, borrow.getType(), borrow.getLayer()));
  return lowerNumber(builder, op);
}

/// A number of the batch, an array of them, or what is bound to one.
LogicalResult StateOps::lowerNumber(Builder &builder, Operation *op) {
  CallFrame frame = frameAt(builder);
  if (isa<kv::PositionsOp>(op))
    return lowerArray(builder, op, frame.positionsArray());
  if (isa<kv::WantedOp>(op))
    return lowerArray(builder, op, frame.wantedArray());
  if (isa<kv::TokensOp>(op))
    return replace(op, tokens(builder));
  if (isa<kv::SequencesOp>(op))
    return replace(op, sequences(builder));
  if (auto sequence = dyn_cast<kv::SequenceOp>(op)) {
    Value index = sequence.getIndex();
    return replace(op, {frame.first(index), frame.count(index), frame.start(index)});
  }
  FailureOr<Value> number = numberOf(builder, op);
  if (failed(number))
    return failure();
  auto bind = dyn_cast<kv::BindOp>(op);
  if (!bind)
    return replace(op, *number);
  bind.getField() == kv::Field::causal ? lowerCausalBind(builder, bind, *number) : lowerBind(builder, bind, *number);
  return success();
}

/// The number that an op asks for or binds.
FailureOr<Value> StateOps::numberOf(Builder &builder, Operation *op) {
  if (auto start = dyn_cast<kv::StartOp>(op))
    return fieldOf(builder, op, kv::Field::start, start.getSequence());
  if (auto count = dyn_cast<kv::CountOp>(op))
    return fieldOf(builder, op, kv::Field::count, count.getSequence());
  if (auto length = dyn_cast<kv::LengthOp>(op))
    return fieldOf(builder, op, kv::Field::length, length.getSequence());
  if (auto bind = dyn_cast<kv::BindOp>(op))
    return fieldOf(builder, op, bind.getField(), bind.getSequence());
  return op->emitOpError("has no lowering");
}

/// Of a causal bind: the start.
FailureOr<Value> StateOps::fieldOf(Builder &builder, Operation *op, kv::Field field, uint64_t sequence) {
  if (sequence && int64_t(sequence) >= kv::knownOf(batch, "kv.sequences").value_or(0))
    return op->emitOpError("asks for sequence ") << sequence << " of a batch that may have fewer; state {kv.sequences}";
  CallFrame frame = frameAt(builder);
  Value index = builder.create<arith::ConstantIndexOp>(int64_t(sequence));
  if (field == kv::Field::count)
    return frame.count(index);
  Value start = frame.start(index);
  if (field != kv::Field::length)
    return start;
  return builder.create<arith::AddIOp>(start, frame.count(index)).getResult();
}

Value StateOps::tokens(Builder &builder) {
  if (std::optional<int64_t> known = kv::knownOf(batch, "kv.tokens"))
    return builder.create<arith::ConstantIndexOp>(*known);
  return frameAt(builder).tokens();
}

Value StateOps::sequences(Builder &builder) {
  if (std::optional<int64_t> known = kv::knownOf(batch, "kv.sequences"))
    return builder.create<arith::ConstantIndexOp>(*known);
  return frameAt(builder).sequences();
}

LogicalResult StateOps::lowerAppend(Builder &builder, kv::AppendOp op) {
  FailureOr<LayerRef> layer = slots.find(op, op.getSlot().getType().getSymbol(), op.getLayer());
  if (failed(layer))
    return failure();
  emitRequireRows(builder, op.getRows(), tokens(builder),
                  "%d rows would be appended to slot " + nameOf(layer->symbol) + ", the call brings %d tokens");
  Value rows = op.getRows();
  if (std::optional<Type> rounded = layer->cache.getRounds())
    rows = convertTo(builder, *rounded, rows);
  rows = convertTo(builder, builder.getF32Type(), rows);
  builder.create<kv::StoreRowsOp>(rows, layer->symbol, layer->slot, layer->layout, layer->layer);
  return op->erase(), success();
}

FailureOr<LayerRef> StateOps::layerOf(Builder &builder, Operation *op, Value source, Value layer) {
  return slots.find(op, kv::symbolOf(source.getType()), layer ? layer : layerOfView(builder, source));
}

LogicalResult StateOps::lowerAttend(Builder &builder, kv::AttendOp op) {
  if (op.getMask() != kv::Mask::causal)
    return op.emitOpError("has a ") << stringifyMask(op.getMask()) << " mask; only causal ones are lowered yet";
  FailureOr<LayerRef> keys = layerOf(builder, op, op.getKeys(), op.getKeyLayer());
  FailureOr<LayerRef> values = layerOf(builder, op, op.getValues(), op.getValueLayer());
  if (failed(keys) || failed(values))
    return failure();
  emitRequireRows(builder, op.getQuery(), tokens(builder),
                  "%d queries attend slot " + nameOf(keys->symbol) + ", the call brings %d tokens");
  op.getQueryMutable().assign(convertTo(builder, builder.getF32Type(), op.getQuery()));
  Value result = emitAttention(builder, function.getArgument(0), op, *keys, *values);
  return replace(op, convertTo(builder, cast<RankedTensorType>(op.getType()).getElementType(), result));
}

/// The one sequence's rows; verify-state has proved that they are written.
LogicalResult StateOps::lowerRead(Builder &builder, kv::ReadOp op) {
  if (kv::knownOf(batch, "kv.sequences") != 1)
    return op.emitOpError("reads rows of one sequence; the batch may have more, state {kv.sequences = 1}");
  FailureOr<LayerRef> layer = slots.find(op, op.getSlot().getType().getSymbol(), op.getLayer());
  if (failed(layer))
    return failure();
  auto type = cast<RankedTensorType>(op.getType());
  requireHeld(builder, op, *layer);
  Value zero = builder.create<arith::ConstantIndexOp>(0);
  Value count = builder.createOrFold<arith::SubIOp>(op.getEnd(), op.getBegin());
  SmallVector<Value> extents;
  if (type.isDynamicDim(0))
    extents.push_back(count);
  else
    emitRequire(builder, count, builder.create<arith::ConstantIndexOp>(type.getDimSize(0)),
                "%d rows of slot " + nameOf(layer->symbol) + " are read as %d");
  Value empty = builder.create<tensor::EmptyOp>(type.clone(builder.getF32Type()), extents);
  Value rows = builder
                   .create<kv::CopyRowsOp>(empty.getType(), layer->symbol, layer->slot, layer->layout, layer->layer,
                                           zero, op.getBegin(), empty)
                   .getResult();
  return replace(op, convertTo(builder, type.getElementType(), rows));
}

/// No row is read that is older than what the state keeps, and no number of rows is negative.
void StateOps::requireHeld(Builder &builder, kv::ReadOp op, const LayerRef &layer) {
  std::string rows = "rows of slot " + nameOf(layer.symbol);
  Value zero = builder.create<arith::ConstantIndexOp>(0);
  Value oldest = builder.createOrFold<arith::MaxSIOp>(op.getBegin(), zero);
  if (std::optional<uint64_t> window = kv::CacheOp(layer.cache).getWindow()) {
    Value past = builder.create<arith::ConstantIndexOp>(int64_t(*window) - 1);
    Value kept = builder.createOrFold<arith::SubIOp>(frameAt(builder).start(zero), past);
    oldest = builder.create<arith::MaxSIOp>(oldest, kept);
  }
  emitRequire(builder, op.getBegin(), oldest, rows + " are read from row %d on, the oldest is row %d");
  emitRequire(builder, op.getEnd(), builder.createOrFold<arith::MaxSIOp>(op.getEnd(), op.getBegin()),
              rows + " are read up to row %d, from row %d on");
}

Value StateOps::emitContents(Builder &builder, RankedTensorType type, const LayerRef &layer) {
  SmallVector<Value> extents;
  if (type.isDynamicDim(0))
    extents.push_back(sequences(builder));
  Value empty = builder.create<tensor::EmptyOp>(type, extents);
  return builder.create<kv::LoadRegisterOp>(type, layer.symbol, layer.slot, layer.layout, layer.layer, empty)
      .getResult();
}

LogicalResult StateOps::lowerGet(Builder &builder, kv::GetOp op) {
  FailureOr<LayerRef> layer = slots.find(op, kv::symbolOf(op.getSlot().getType()), op.getLayer());
  if (failed(layer))
    return failure();
  Value contents = emitContents(builder, cast<RankedTensorType>(op.getType()), *layer);
  emitRequireRows(builder, contents, sequences(builder),
                  "register " + nameOf(layer->symbol) + " is read for %d sequences, the call brings %d");
  return replace(op, contents);
}

LogicalResult StateOps::lowerSet(Builder &builder, kv::SetOp op) {
  FailureOr<LayerRef> layer = slots.find(op, kv::symbolOf(op.getSlot().getType()), op.getLayer());
  if (failed(layer))
    return failure();
  emitRequireRows(builder, op.getContent(), sequences(builder),
                  "register " + nameOf(layer->symbol) + " would be set for %d sequences, the call brings %d");
  builder.create<kv::StoreRegisterOp>(op.getContent(), layer->symbol, layer->slot, layer->layout, layer->layer);
  return op->erase(), success();
}

/// positions or wanted, as the tensor that the program asks for.
LogicalResult StateOps::lowerArray(Builder &builder, Operation *op, Value memref) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  Value tensor = builder.create<bufferization::ToTensorOp>(memref, /*restrict=*/true);
  Type element = cast<RankedTensorType>(tensor.getType()).getElementType();
  auto shaped = RankedTensorType::get({ShapedType::kDynamic}, type.getElementType());
  if (element.isInteger(64) && type.getElementType().isInteger(32))
    tensor = builder.create<arith::TruncIOp>(shaped, tensor);
  else if (element.isInteger(32) && type.getElementType().isInteger(64))
    tensor = builder.create<arith::ExtUIOp>(shaped, tensor);
  else if (type.getElementType().isIndex())
    tensor = builder.create<arith::IndexCastUIOp>(shaped, tensor);
  return replace(op, builder.createOrFold<tensor::CastOp>(type, tensor));
}
