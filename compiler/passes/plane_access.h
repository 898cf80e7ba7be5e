// SPDX-License-Identifier: MIT
// Code that reads and writes single elements of a plane, as its digits say.
#ifndef KVASIR_PASSES_PLANE_ACCESS_H
#define KVASIR_PASSES_PLANE_ACCESS_H

#include "plugins/layout.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <algorithm>
#include <array>

namespace kvasir {

/// Index values by axis; null stands for 0.
using AxisIndices = std::array<mlir::Value, kNumAxes>;

class PlaneAccess {
public:
  /// `base` is a !llvm.ptr to the layout's first byte. Of integers no more than `bits` are read.
  PlaneAccess(const Plane &plane, mlir::Value base, unsigned bits = 8)
      : plane(plane), base(base), bits(std::min(bits, elementBits(plane.element))) {}

  /// The element as f32: exact for floats of at most 32 bits and for integer codes.
  mlir::Value emitLoad(mlir::ImplicitLocOpBuilder &builder, const AxisIndices &indices) const;

  /// Stores an f32, rounded to nearest even. Only for planes of f32, f16, bf16.
  void emitStore(mlir::ImplicitLocOpBuilder &builder, const AxisIndices &indices, mlir::Value value) const;

  /// Of an element that begins at a whole byte.
  mlir::Value emitAddressOf(mlir::ImplicitLocOpBuilder &builder, const AxisIndices &indices) const;

  /// Whether emitLoad can read the plane: integers, or floats that begin at whole bytes.
  static bool canLoad(const Plane &plane);

private:
  mlir::Value emitOffset(mlir::ImplicitLocOpBuilder &builder, const AxisIndices &indices, unsigned unitBits) const;
  mlir::Value emitBits(mlir::ImplicitLocOpBuilder &builder, const AxisIndices &indices) const;

  Plane plane;
  mlir::Value base;
  unsigned bits;
};

/// The plane of that role; null if the layout has none.
const Plane *findPlane(const Layout &layout, PlaneRole role);

} // namespace kvasir

#endif
