// SPDX-License-Identifier: MIT
// Linears of which each row takes some experts' rows. Where rows are many they are computed expert by expert, so that a
// weight is read once for all of its rows.
#ifndef KVASIR_BACKENDS_CPU_EXPERTS_H
#define KVASIR_BACKENDS_CPU_EXPERTS_H

#include "backends/cpu/epilogues.h"

namespace kvasir::cpu {

/// The rows of a kernel, and the experts of each, in ascending order.
struct ExpertInput {
  LinearInput rows;        ///< of T tokens, [T][K], or [T][C][K]
  Value numbers;           ///< [T][C] i32
  int64_t experts, chosen; ///< X, C
  bool hasParts;           ///< whether there is a row for each of a token's experts
};

// Linears are of one expert: its N rows, a multiple of 32, and its bias lie behind those of the expert before it.

/// Emits result[t, c] = gate * share(gate) * up of the token's c-th expert, [T][C][N] f32.
void emitExpertGate(const Kernel &kernel, const ActivationFormat &format, const ExpertInput &input, const Linear &gated,
                    const Linear &up, const Gate &gate, Value result);

/// Emits result[t] = addend[t] + the sum over c of factor * shares[t, c] * the token's c-th expert's rows, [T][N] f32;
/// experts have parts. The addend may be null, or the result; shares are [T][C] f32.
void emitExpertMix(const Kernel &kernel, const ActivationFormat &format, const ExpertInput &input, const Linear &down,
                   Value shares, float factor, Value addend, Value result);

/// Bytes of scratch that these need, of linears that are computed `tiles` at a time.
LinearScratch expertScratch(const ActivationFormat &format, int64_t columns, int64_t experts, int64_t chosen,
                            int64_t tiles);

} // namespace kvasir::cpu

#endif
