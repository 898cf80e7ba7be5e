// SPDX-License-Identifier: MIT
#include "compiler/passes/call_frame.h"

#include "plugins/include/kvasir/plugin.h"

#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace kvasir;

namespace {
Type pointerType(OpBuilder &builder) { return LLVM::LLVMPointerType::get(builder.getContext()); }

Value toInteger(OpBuilder &builder, Location loc, Value index) {
  return builder.create<arith::IndexCastOp>(loc, builder.getI64Type(), index);
}

Value constantIndex(OpBuilder &builder, Location loc, int64_t value) {
  return builder.create<arith::ConstantIndexOp>(loc, value);
}
} // namespace

Value CallFrame::load(Type type, Value base, int64_t offsetBytes) {
  Value address = builder.create<LLVM::GEPOp>(loc, pointerType(builder), builder.getI8Type(), base,
                                              ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offsetBytes)});
  return builder.create<LLVM::LoadOp>(loc, type, address, /*alignment=*/0, /*isVolatile=*/false,
                                      /*isNonTemporal=*/false, /*isInvariant=*/true);
}

Value CallFrame::field(int64_t offsetBytes) { return load(pointerType(builder), call, offsetBytes); }

Value CallFrame::number(Value base, Value index, unsigned bits) {
  Type type = builder.getIntegerType(bits);
  Value address = builder.create<LLVM::GEPOp>(loc, pointerType(builder), type, base,
                                              ArrayRef<LLVM::GEPArg>{toInteger(builder, loc, index)});
  Value loaded = load(type, address, 0);
  return builder.create<arith::IndexCastUIOp>(loc, builder.getIndexType(), loaded);
}

Value CallFrame::sequences() {
  return builder.create<arith::IndexCastOp>(loc, builder.getIndexType(),
                                            load(builder.getI64Type(), call, offsetof(kv_call, num_sequences)));
}

Value CallFrame::ownExtent(int64_t number) {
  return this->number(field(offsetof(kv_call, extents)), constantIndex(builder, loc, number), 64);
}

Value CallFrame::tokens() {
  return builder.create<arith::IndexCastOp>(loc, builder.getIndexType(),
                                            load(builder.getI64Type(), call, offsetof(kv_call, num_tokens)));
}

Value CallFrame::wantedCount() {
  return builder.create<arith::IndexCastOp>(loc, builder.getIndexType(),
                                            load(builder.getI64Type(), call, offsetof(kv_call, num_wanted)));
}

Value CallFrame::start(Value b) { return number(field(offsetof(kv_call, starts)), b, 64); }
Value CallFrame::count(Value b) { return number(field(offsetof(kv_call, counts)), b, 64); }
Value CallFrame::first(Value b) { return number(field(offsetof(kv_call, firsts)), b, 64); }
Value CallFrame::tokenSequence(Value t) { return number(field(offsetof(kv_call, token_sequence)), t, 32); }
Value CallFrame::position(Value t) { return number(field(offsetof(kv_call, positions)), t, 64); }
Value CallFrame::wanted(Value w) { return number(field(offsetof(kv_call, wanted)), w, 32); }

Value CallFrame::weights() { return field(offsetof(kv_call, weights)); }
Value CallFrame::scratch() { return field(offsetof(kv_call, scratch)); }

Value CallFrame::input(unsigned index) {
  return load(pointerType(builder), field(offsetof(kv_call, inputs)),
              index * sizeof(kv_tensor) + offsetof(kv_tensor, bytes));
}

Value CallFrame::output(unsigned index) {
  return load(pointerType(builder), field(offsetof(kv_call, outputs)),
              index * sizeof(kv_tensor) + offsetof(kv_tensor, bytes));
}

Value CallFrame::view(unsigned slot, Value sequence, int64_t offsetBytes) {
  Value before = builder.create<arith::MulIOp>(loc, constantIndex(builder, loc, slot), sequences());
  Value number = builder.create<arith::AddIOp>(loc, before, sequence);
  Value bytes = builder.create<arith::MulIOp>(loc, number, constantIndex(builder, loc, sizeof(kv_view)));
  return load(pointerType(builder), emitAddress(builder, loc, field(offsetof(kv_call, views)), bytes), offsetBytes);
}

Value CallFrame::block(unsigned slot, Value sequence, Value blockIndex) {
  Value blocks = view(slot, sequence, offsetof(kv_view, blocks));
  Value bytes = builder.create<arith::MulIOp>(loc, blockIndex, constantIndex(builder, loc, sizeof(void *)));
  return load(pointerType(builder), emitAddress(builder, loc, blocks, bytes), 0);
}

Value CallFrame::registerIn(unsigned slot, Value sequence) { return view(slot, sequence, offsetof(kv_view, in)); }
Value CallFrame::registerOut(unsigned slot, Value sequence) { return view(slot, sequence, offsetof(kv_view, out)); }

Value CallFrame::service(unsigned number) {
  return load(pointerType(builder), field(offsetof(kv_call, services)), number * sizeof(void *));
}

Value CallFrame::positionsArray() {
  return emitMemref(builder, loc, MemRefType::get({ShapedType::kDynamic}, builder.getI64Type()),
                    field(offsetof(kv_call, positions)), tokens());
}

Value CallFrame::wantedArray() {
  return emitMemref(builder, loc, MemRefType::get({ShapedType::kDynamic}, builder.getI32Type()),
                    field(offsetof(kv_call, wanted)), wantedCount());
}

Value kvasir::emitAddress(OpBuilder &builder, Location loc, Value base, Value offsetBytes) {
  return builder.create<LLVM::GEPOp>(loc, pointerType(builder), builder.getI8Type(), base,
                                     ArrayRef<LLVM::GEPArg>{toInteger(builder, loc, offsetBytes)});
}

Value kvasir::emitMemref(OpBuilder &builder, Location loc, MemRefType type, Value pointer, ValueRange sizes) {
  LLVMTypeConverter converter(builder.getContext());
  MemRefDescriptor descriptor = MemRefDescriptor::undef(builder, loc, converter.convertType(type));
  descriptor.setAllocatedPtr(builder, loc, pointer);
  descriptor.setAlignedPtr(builder, loc, pointer);
  descriptor.setConstantOffset(builder, loc, 0);
  SmallVector<Value> extents;
  for (int64_t dim = 0, dynamic = 0; dim < type.getRank(); ++dim)
    extents.push_back(toInteger(
        builder, loc, type.isDynamicDim(dim) ? sizes[dynamic++] : constantIndex(builder, loc, type.getDimSize(dim))));
  Value stride = toInteger(builder, loc, constantIndex(builder, loc, 1));
  for (int64_t dim = type.getRank() - 1; dim >= 0; --dim) {
    descriptor.setSize(builder, loc, dim, extents[dim]);
    descriptor.setStride(builder, loc, dim, stride);
    if (dim)
      stride = builder.create<arith::MulIOp>(loc, stride, extents[dim]);
  }
  Value whole = descriptor;
  return builder.create<UnrealizedConversionCastOp>(loc, type, whole).getResult(0);
}

Value kvasir::emitBarrier(OpBuilder &builder, Location loc, Value call, Value member) {
  auto loadPointer = [&](Value base, int64_t offsetBytes) -> Value {
    Value address = builder.create<LLVM::GEPOp>(loc, pointerType(builder), builder.getI8Type(), base,
                                                ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offsetBytes)});
    return builder.create<LLVM::LoadOp>(loc, pointerType(builder), address);
  };
  Value team = loadPointer(call, offsetof(kv_call, team));
  Value wait = loadPointer(team, offsetof(kv_team, barrier));
  Value number = builder.create<arith::IndexCastOp>(loc, builder.getI32Type(), member);
  auto type = LLVM::LLVMFunctionType::get(builder.getI32Type(), {pointerType(builder), builder.getI32Type()});
  return builder.create<LLVM::CallOp>(loc, type, ValueRange{wait, team, number}).getResult();
}
