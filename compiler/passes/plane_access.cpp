// SPDX-License-Identifier: MIT
#include "compiler/passes/plane_access.h"

#include "compiler/dialects/lm/emit.h"
#include "compiler/passes/call_frame.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include <numeric>

using namespace mlir;
using namespace kvasir;
using kvasir::lm::emitIndex;

namespace {
Value emitI32(ImplicitLocOpBuilder &builder, uint32_t value) {
  return builder.create<arith::ConstantIntOp>(int64_t(value), 32);
}

/// Every element of the plane begins at a multiple of this.
uint64_t granuleBits(const Plane &plane) {
  uint64_t granule = plane.offsetBits;
  for (const Digit &digit : plane.digits)
    granule = std::gcd(granule, digit.strideBits);
  return granule;
}

Type floatType(Builder &builder, ElementType element) {
  switch (element) {
  case ElementType::f16:
    return builder.getF16Type();
  case ElementType::bf16:
    return builder.getBF16Type();
  default:
    return builder.getF32Type();
  }
}

/// The upper half of the f32's bits, rounded to nearest even; NaNs stay NaNs. By hand: before AVX-512 BF16 the
/// conversion is a library call.
Value emitRoundToBf16(ImplicitLocOpBuilder &builder, Value value) {
  Value bits = builder.create<arith::BitcastOp>(builder.getI32Type(), value);
  Value upper = builder.create<arith::ShRUIOp>(bits, emitI32(builder, 16));
  Value odd = builder.create<arith::AndIOp>(upper, emitI32(builder, 1));
  Value half = builder.create<arith::AddIOp>(odd, emitI32(builder, 0x7fff));
  Value rounded = builder.create<arith::ShRUIOp>(builder.create<arith::AddIOp>(bits, half), emitI32(builder, 16));
  Value quiet = builder.create<arith::OrIOp>(upper, emitI32(builder, 0x40));
  Value isNan = builder.create<arith::CmpFOp>(arith::CmpFPredicate::UNO, value, value);
  Value chosen = builder.create<arith::SelectOp>(isNan, quiet, rounded);
  return builder.create<arith::TruncIOp>(builder.getI16Type(), chosen);
}
} // namespace

const Plane *kvasir::findPlane(const Layout &layout, PlaneRole role) {
  auto found = llvm::find_if(layout.planes, [&](const Plane &plane) { return plane.role == role; });
  return found == layout.planes.end() ? nullptr : &*found;
}

bool PlaneAccess::canLoad(const Plane &plane) {
  if (isFloat(plane.element))
    return plane.element != ElementType::f64 && granuleBits(plane) % 8 == 0;
  return elementBits(plane.element) <= 8;
}

Value PlaneAccess::emitOffset(ImplicitLocOpBuilder &builder, const AxisIndices &indices, unsigned unitBits) const {
  Value offset = emitIndex(builder, plane.offsetBits / unitBits);
  AxisIndices rest = indices;
  for (auto [i, digit] : llvm::enumerate(plane.digits)) {
    Value &value = rest[size_t(digit.axis)];
    if (!value)
      continue;
    bool last = llvm::none_of(ArrayRef(plane.digits).drop_front(i + 1),
                              [axis = digit.axis](const Digit &higher) { return higher.axis == axis; });
    Value extent = emitIndex(builder, digit.extent);
    Value here = last ? value : builder.create<arith::RemUIOp>(value, extent).getResult();
    value = last ? value : builder.create<arith::DivUIOp>(value, extent).getResult();
    if (digit.strideBits == 0)
      continue;
    Value step = builder.create<arith::MulIOp>(here, emitIndex(builder, digit.strideBits / unitBits));
    offset = builder.create<arith::AddIOp>(offset, step);
  }
  return offset;
}

Value PlaneAccess::emitAddressOf(ImplicitLocOpBuilder &builder, const AxisIndices &indices) const {
  return emitAddress(builder, builder.getLoc(), base, emitOffset(builder, indices, 8));
}

/// The bits of an integer element in the low end of an i32; above them is garbage.
Value PlaneAccess::emitBits(ImplicitLocOpBuilder &builder, const AxisIndices &indices) const {
  auto loadByte = [&](Value offset) -> Value {
    Value address = emitAddress(builder, builder.getLoc(), base, offset);
    Value byte = builder.create<LLVM::LoadOp>(builder.getI8Type(), address);
    return builder.create<arith::ExtUIOp>(builder.getI32Type(), byte);
  };
  if (granuleBits(plane) % 8 == 0)
    return loadByte(emitOffset(builder, indices, 8));
  Value offset = emitOffset(builder, indices, 1);
  Value eight = emitIndex(builder, 8);
  Value low = loadByte(builder.create<arith::DivUIOp>(offset, eight));
  Value within = builder.create<arith::RemUIOp>(offset, eight);
  if (granuleBits(plane) % bits != 0 || 8 % bits != 0) { // it may begin in one byte and end in the next
    Value last = builder.create<arith::AddIOp>(offset, emitIndex(builder, bits - 1));
    Value high = loadByte(builder.create<arith::DivUIOp>(last, eight));
    low = builder.create<arith::OrIOp>(low, builder.create<arith::ShLIOp>(high, emitI32(builder, 8)));
  }
  return builder.create<arith::ShRUIOp>(low, builder.create<arith::IndexCastOp>(builder.getI32Type(), within));
}

Value PlaneAccess::emitLoad(ImplicitLocOpBuilder &builder, const AxisIndices &indices) const {
  Type f32 = builder.getF32Type();
  if (isFloat(plane.element)) {
    Type type = floatType(builder, plane.element);
    Value loaded = builder.create<LLVM::LoadOp>(type, emitAddressOf(builder, indices), /*alignment=*/1);
    return type == f32 ? loaded : builder.create<arith::ExtFOp>(f32, loaded).getResult();
  }
  Value raw = emitBits(builder, indices);
  if (plane.element == ElementType::i8) {
    Value byte = builder.create<arith::TruncIOp>(builder.getI8Type(), raw);
    return builder.create<arith::SIToFPOp>(f32, byte);
  }
  Value code = builder.create<arith::AndIOp>(raw, emitI32(builder, (1u << bits) - 1));
  return builder.create<arith::SIToFPOp>(f32, code); // below 2^8: signed conversion is one instruction
}

void PlaneAccess::emitStore(ImplicitLocOpBuilder &builder, const AxisIndices &indices, Value value) const {
  Value stored = value;
  if (plane.element == ElementType::bf16)
    stored = emitRoundToBf16(builder, value);
  else if (plane.element == ElementType::f16)
    stored = builder.create<arith::TruncFOp>(builder.getF16Type(), value);
  builder.create<LLVM::StoreOp>(stored, emitAddressOf(builder, indices), /*alignment=*/1);
}
