// SPDX-License-Identifier: MIT
// What differs between the variants of the cpu backend: the width of a register, and the steps of dot products.
#ifndef KVASIR_BACKENDS_CPU_ISA_H
#define KVASIR_BACKENDS_CPU_ISA_H

#include "backends/cpu/code.h"

#include <array>

namespace kvasir::cpu {

/// The instructions that kernels are made of. Everything an Isa computes is the same, bit by bit, on every Isa.
struct Isa {
  std::string name;        ///< of the variant
  int64_t lanes;           ///< f32 lanes of a register
  bool hasVnni = false;    ///< vpdpbusd
  bool hasBf16 = false;    ///< vcvtneps2bf16, vdpbf16ps
  bool isEmulated = false; ///< generic IR in place of instructions that AVX2 has not, for machines without them
  bool prefersFma = false; ///< vdpbf16ps takes more time than the two FMAs that do the same

  /// Whether products of bf16 are vdpbf16ps.
  bool multipliesPairs() const { return hasBf16 && !prefersFma; }

  /// Adds four products a lane, unsigned codes times signed activations, both four bytes in an i32 lane. A null sum
  /// is zero. Without VNNI codes have up to 6 bits, and sums are of 16 bits, two a lane, which wrap: what all steps add
  /// up to, the first sum included, must fit.
  Value dot(Code &code, Value sum, Value codes, Value activations) const;

  /// What `dot` has summed, as i32 lanes. Without VNNI it is multiplied by the i16 pairs of `multipliers`, where there
  /// are some, at no cost.
  Value dotTotal(Code &code, Value sum, Value multipliers = {}) const;

  /// Adds two products a lane, pairs of i16 in an i32 lane. A null sum is zero. Exact while the sum fits an i32.
  Value dotWords(Code &code, Value sum, Value codes, Value activations) const;

  /// Of bytes below 16 what the table has there.
  Value lookUp(Code &code, const std::array<uint8_t, 16> &table, Value bytes) const;

  /// sum + a.odd * b.odd, + a.even * b.even: pairs of bf16 in i32 lanes, each product added with one rounding.
  Value dotPairs(Code &code, Value sum, Value a, Value b) const;

  /// f32 lanes rounded to bf16 (nearest, halves to even), as i16 lanes.
  Value toBf16(Code &code, Value floats) const;
  /// The same of two vectors, as pairs of neighbours: i32 lanes of the first vector's pairs, then of the second's.
  Value toBf16Pairs(Code &code, Value first, Value second) const;
};

/// f32 lanes rounded to bf16 and back.
Value roundToBf16(Code &code, const Isa &isa, Value floats);

/// The even (low) and odd (high) bf16 of i32 lanes, as f32.
Value lowBf16(Code &code, Value pairs);
Value highBf16(Code &code, Value pairs);

} // namespace kvasir::cpu

#endif
