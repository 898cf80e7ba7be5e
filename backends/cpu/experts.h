// SPDX-License-Identifier: MIT
// Linears of which each row takes some experts' rows. Where rows are many they are computed expert by expert, so that a
// weight is read once for all of its rows.
#ifndef KVASIR_BACKENDS_CPU_EXPERTS_H
#define KVASIR_BACKENDS_CPU_EXPERTS_H

#include "backends/cpu/epilogues.h"

namespace kvasir::cpu {

/// The rows of a kernel, and the experts of each, in ascending order.
struct ExpertInput {
  Value source;            ///< [T][K] f32, or [T][C][K]: a row for each of a token's experts
  Value numbers;           ///< [T][C] i32
  Value tokens;            ///< T
  int64_t columns;         ///< K
  int64_t experts, chosen; ///< X, C
  bool hasParts;           ///< whether there is a row for each of a token's experts
  Value norm;              ///< K f32, or null: rows are scaled to unit root mean square first
  double epsilon = 0;
};

/// Of an expert: the experts' rows and biases lie one behind the other, and N is a multiple of 32.
using ExpertLinear = Linear;

/// Emits result[t, c] = gate * share(gate) * up of the token's c-th expert, [T][C][N] f32.
void emitExpertGate(const Kernel &kernel, const ActivationFormat &format, const ExpertInput &input,
                    const ExpertLinear &gated, const ExpertLinear &up, const Gate &gate, Value result);

/// Emits result[t] = addend[t] + the sum over c of factor * shares[t, c] * the token's c-th expert's rows, [T][N] f32;
/// experts have parts. The addend may be null, or the result; shares are [T][C] f32.
void emitExpertMix(const Kernel &kernel, const ActivationFormat &format, const ExpertInput &input,
                   const ExpertLinear &down, Value shares, float factor, Value addend, Value result);

/// Bytes of scratch that these need, of linears that are computed `tiles` at a time.
LinearScratch expertScratch(const ActivationFormat &format, int64_t columns, int64_t experts, int64_t chosen,
                            int64_t tiles);

} // namespace kvasir::cpu

#endif
