// SPDX-License-Identifier: MIT
// How far numbers of two plugins may be apart by rounding alone.
#ifndef KVASIR_RUNTIME_DIFF_TOLERANCE_H
#define KVASIR_RUNTIME_DIFF_TOLERANCE_H

#include "plugins/description.h"

namespace kvasir::runtime::diff {

/// What rounding explains between two plugins, as a share of the largest number of a row.
///
/// A number that is stored or multiplied with `p` bits is off by up to u = 2^-p of itself: 2^-8 for bf16, 2^-11 for
/// f16; 2^-8 of its largest for codes of 8 bits. Activations in int8 are off by 1/254 of the largest of their 32, which
/// is about four times what bf16 costs a typical one: u = 2^-6. Sums of K products in f32 end within sqrt(K) 2^-24 of
/// the exact one where their roundings are independent; 2^-18 stands for K = 4096.
///
/// A row is rounded as it is stored, and so are the numbers that it is made of: at worst u each, in each of the two
/// plugins, 4 u. A layer rounds about 8 times what reaches the next: the inputs of its four matrices, queries, a key
/// row, a value row, and what is attended. Independent roundings add up as squares: u sqrt(8 d) below layer d, and
/// twice that bounds a row's worst number. Outputs have all layers below them. Layers are taken to hand on errors as
/// large as they get them; where a model enlarges them, `ofResponse` says by what it was seen to do.
///
/// Plugins of one backend with one numerics id promise equal bits (plugins/description.h): nothing is explained then.
class Tolerances {
public:
  Tolerances(const Description &a, const Description &b);

  /// Of the rows or the register of one layer of a slot.
  double ofState(const SlotDescription &slot, uint64_t layer) const;
  double ofOutputs() const;

  /// The same of any row, where A's own moves by `response` (the root mean square of some draws) when each number of
  /// its norms is off by `unit()`, up or down at random. Norms multiply the inputs of three of a layer's matrices and
  /// of another two: two roundings of its eight, of which all are sqrt(8 / 2) times as much; B is one more draw, which
  /// twice that bounds.
  double ofResponse(double response) const;

  /// Of one op with equal inputs, whose sums have `columns` terms, as a share of the largest number of all its rows.
  /// Its activations round once: errors of u of each term add up as the terms do, to about u of a typical result, and
  /// four times that bounds the worst of all rows. Exact ones leave sums in f32, whose order is the backend's: 2^-23 a
  /// term bounds these, whatever the numbers are; 16 terms stand for what ops with fewer round, an exponential say.
  double ofOp(uint64_t columns) const;

  double unit() const { return coarsest; }

  /// Are equal bits promised?
  bool areEqualBits() const { return isExact; }

private:
  double atDepth(uint64_t depth) const;

  bool isExact;
  double activations, coarsest; ///< u of the coarser activations; and with it of all that is stored
  uint64_t numLayers;
};

} // namespace kvasir::runtime::diff

#endif
