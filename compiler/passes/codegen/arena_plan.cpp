// SPDX-License-Identifier: MIT
#include "compiler/passes/codegen/arena_plan.h"

#include "plugins/address_space.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;
using namespace kvasir;

namespace {
constexpr int64_t kAlignBytes = 64; // a cache line, and the widest vector

/// Depends on its operands alone, whenever it runs in the call.
bool isFixed(Operation *op) {
  if (auto load = dyn_cast<LLVM::LoadOp>(op))
    return load.getInvariant();
  return op->getNumRegions() == 0 && isMemoryEffectFree(op);
}

/// Of an element and the extents that are known; nothing if that is larger than memory.
std::optional<int64_t> staticBytesOf(memref::AllocOp alloc) {
  int64_t bytes = DataLayout::closest(alloc).getTypeSize(alloc.getType().getElementType()).getFixedValue();
  for (int64_t extent : alloc.getType().getShape())
    if (!ShapedType::isDynamic(extent) && (__builtin_mul_overflow(bytes, extent, &bytes) || bytes > kAddressSpaceBytes))
      return std::nullopt;
  return bytes;
}

/// A sum or product, or all ones where `isWrong` holds.
Value saturated(OpBuilder &builder, Location loc, Value number, Value isWrong) {
  Value most = builder.create<arith::ConstantIndexOp>(loc, -1);
  return builder.createOrFold<arith::SelectOp>(loc, isWrong, most, number);
}

Value addSaturating(OpBuilder &builder, Location loc, Value lhs, Value rhs) {
  Value sum = builder.createOrFold<arith::AddIOp>(loc, lhs, rhs);
  return saturated(builder, loc, sum, builder.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::ult, sum, lhs));
}

Value multiplySaturating(OpBuilder &builder, Location loc, Value lhs, Value rhs) {
  auto product = builder.create<arith::MulUIExtendedOp>(loc, lhs, rhs);
  Value zero = builder.create<arith::ConstantIndexOp>(loc, 0);
  return saturated(builder, loc, product.getLow(),
                   builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::ne, product.getHigh(), zero));
}

/// Copies what computes `value`, its operands first.
Value cloneFixed(OpBuilder &builder, Value value, IRMapping &mapping) {
  if (Value known = mapping.lookupOrNull(value))
    return known;
  Operation *op = value.getDefiningOp();
  for (Value operand : op->getOperands())
    cloneFixed(builder, operand, mapping);
  return builder.clone(*op, mapping)->getResult(cast<OpResult>(value).getResultNumber());
}

/// The last op of the buffer's block that may touch it; null if that can't be told. `escapes` is set if a terminator
/// hands it out.
Operation *findLastUse(memref::AllocOp alloc, bool &escapes) {
  Block *block = alloc->getBlock();
  Operation *last = alloc;
  bool isTraced = true;
  SmallVector<Value> aliases{alloc.getResult()};
  while (!aliases.empty()) {
    Value alias = aliases.pop_back_val();
    for (Operation *user : alias.getUsers()) {
      escapes |= user->hasTrait<OpTrait::IsTerminator>();
      Operation *inBlock = block->findAncestorOpInBlock(*user);
      if (last->isBeforeInBlock(inBlock))
        last = inBlock;
      bool isView = isa<ViewLikeOpInterface>(user);
      for (Value result : user->getResults())
        if (isView)
          aliases.push_back(result);
        else if (isa<BaseMemRefType, LLVM::LLVMPointerType, LLVM::LLVMStructType, IndexType>(result.getType()) &&
                 !isa<memref::DimOp, memref::LoadOp>(user))
          isTraced = false;
      isTraced &= user->getNumRegions() == 0 || user->getNumResults() == 0;
    }
  }
  return isTraced ? last : nullptr;
}
} // namespace

unsigned ArenaPlan::numberExpression(std::vector<const void *> expression) {
  return numbers.try_emplace(std::move(expression), numbers.size()).first->second;
}

FailureOr<unsigned> ArenaPlan::numberValue(Value value) {
  if (auto known = numberOf.find(value); known != numberOf.end())
    return known->second;
  std::vector<const void *> expression;
  Operation *op = value.getDefiningOp();
  if (!op) {
    auto argument = cast<BlockArgument>(value);
    if (argument.getOwner() != &function.front() || isa<MemRefType>(value.getType()) || argument.getArgNumber() == 1)
      return failure();
    expression = {value.getAsOpaquePointer()};
  } else {
    if (!isFixed(op))
      return failure();
    expression = {op->getName().getAsOpaquePointer(), op->getAttrDictionary().getAsOpaquePointer(),
                  op->getPropertiesAsAttribute().getAsOpaquePointer(),
                  reinterpret_cast<const void *>(uintptr_t(cast<OpResult>(value).getResultNumber()))};
    for (Value operand : op->getOperands()) {
      FailureOr<unsigned> number = numberValue(operand);
      if (failed(number))
        return failure();
      expression.push_back(reinterpret_cast<const void *>(uintptr_t(*number)));
    }
  }
  return numberOf[value] = numberExpression(std::move(expression));
}

FailureOr<unsigned> ArenaPlan::numberSize(memref::AllocOp alloc) {
  MemRefType type = alloc.getType();
  if (!type.getLayout().isIdentity() || !alloc.getSymbolOperands().empty())
    return alloc.emitOpError("has a layout, expected none"), failure();
  std::optional<int64_t> staticBytes = staticBytesOf(alloc);
  if (!staticBytes)
    return alloc.emitOpError("is larger than memory"), failure();
  std::vector<const void *> expression{reinterpret_cast<const void *>(*staticBytes)};
  for (Value size : alloc.getDynamicSizes()) {
    FailureOr<unsigned> number = numberValue(size);
    if (failed(number)) {
      InFlightDiagnostic diagnostic =
          alloc.emitOpError("has a size that the call's fields don't give, so scratch can't be known before the call");
      diagnostic.attachNote(size.getLoc()) << "this extent";
      return diagnostic;
    }
    expression.push_back(reinterpret_cast<const void *>(uintptr_t(*number)));
  }
  llvm::sort(expression.begin() + 1, expression.end());
  return numberExpression(std::move(expression));
}

LogicalResult ArenaPlan::planBlock(Block &block, int top) {
  SmallVector<std::pair<unsigned, Operation *>> held; // a place of this block, and its buffer's last use
  for (Operation &op : block) {
    for (Region &region : op.getRegions())
      for (Block &inner : region)
        if (failed(planBlock(inner, top)))
          return failure();
    auto alloc = dyn_cast<memref::AllocOp>(op);
    if (!alloc)
      continue;
    FailureOr<unsigned> sizeNumber = numberSize(alloc);
    bool escapes = false;
    Operation *lastUse = findLastUse(alloc, escapes);
    if (failed(sizeNumber))
      return failure();
    if (escapes)
      return alloc.emitOpError("leaves its block, but its memory is given back there; write to a buffer from outside");
    auto *reused = llvm::find_if(held, [&](auto &holder) {
      return holder.second && holder.second->isBeforeInBlock(&op) && places[holder.first].sizeNumber == *sizeNumber;
    });
    if (reused == held.end()) {
      places.push_back({top, alloc, *sizeNumber});
      top = places.size() - 1;
      held.emplace_back(top, lastUse);
      placeOf.emplace_back(alloc, top);
    } else {
      reused->second = lastUse;
      placeOf.emplace_back(alloc, reused->first);
    }
  }
  return success();
}

LogicalResult ArenaPlan::plan(func::FuncOp entry) {
  function = entry;
  for (Block &block : entry.getBody())
    if (failed(planBlock(block, kNone)))
      return failure();
  return success();
}

Value ArenaPlan::emitSize(OpBuilder &builder, Location loc, const Place &place, IRMapping &mapping,
                          Overflow overflow) const {
  memref::AllocOp alloc = place.first;
  const int64_t staticBytes = *staticBytesOf(alloc); // as numberSize has seen
  auto constant = [&](int64_t value) -> Value { return builder.create<arith::ConstantIndexOp>(loc, value); };
  if (alloc.getDynamicSizes().empty())
    return constant(llvm::alignTo(staticBytes, kAlignBytes));
  Value bytes = constant(staticBytes);
  if (overflow == Overflow::saturates) {
    for (Value size : alloc.getDynamicSizes())
      bytes = multiplySaturating(builder, loc, bytes, cloneFixed(builder, size, mapping));
    // All ones stay beyond what is ever added up.
    Value padded = addSaturating(builder, loc, bytes, constant(kAlignBytes - 1));
    return builder.create<arith::AndIOp>(loc, padded, constant(-kAlignBytes));
  }
  for (Value size : alloc.getDynamicSizes())
    bytes = builder.create<arith::MulIOp>(loc, bytes, cloneFixed(builder, size, mapping));
  Value padded = builder.create<arith::AddIOp>(loc, bytes, constant(kAlignBytes - 1));
  return builder.create<arith::AndIOp>(loc, padded, constant(-kAlignBytes));
}

SmallVector<Value> ArenaPlan::emitPlaces(OpBuilder &builder, Location loc, IRMapping &mapping,
                                         Overflow overflow) const {
  SmallVector<Value> offsets, ends;
  Value zero = builder.create<arith::ConstantIndexOp>(loc, 0);
  Value total = zero;
  std::map<unsigned, Value> sizes;
  for (const Place &place : places) {
    Value &size = sizes[place.sizeNumber];
    if (!size)
      size = emitSize(builder, loc, place, mapping, overflow);
    offsets.push_back(place.parent == kNone ? zero : ends[place.parent]);
    ends.push_back(overflow == Overflow::saturates
                       ? addSaturating(builder, loc, offsets.back(), size)
                       : builder.create<arith::AddIOp>(loc, offsets.back(), size).getResult());
    total = builder.createOrFold<arith::MaxUIOp>(loc, total, ends.back());
  }
  offsets.push_back(total);
  return offsets;
}

SmallVector<Value> ArenaPlan::emitOffsets(OpBuilder &builder, Location loc, IRMapping &mapping) const {
  return emitPlaces(builder, loc, mapping, Overflow::wraps);
}

Value ArenaPlan::emitBytes(OpBuilder &builder, Location loc, IRMapping &mapping, Value more) const {
  Value total = emitPlaces(builder, loc, mapping, Overflow::saturates).back();
  if (std::optional<int64_t> known = getConstantIntValue(total); known && *known >= 0)
    return builder.create<arith::AddIOp>(loc, total, more);
  return addSaturating(builder, loc, total, more);
}
