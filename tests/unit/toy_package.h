// SPDX-License-Identifier: MIT
// A language model of two layers with the states of a Core ML package, in plain C++, and ways to get them wrong.
#ifndef KVASIR_TESTS_UNIT_TOY_PACKAGE_H
#define KVASIR_TESTS_UNIT_TOY_PACKAGE_H

#include "runtime/imported/program.h"

namespace kvasir::test {

enum class ToyForm { linear, ring, shift, counter, recurrent };

enum class ToyBug {
  none,
  neverWritesValues,
  lastOnly,       ///< only the last token's rows are written
  oneMore,        ///< a row behind the last token's, too
  nextRow,        ///< rows begin one behind the position
  swapped,        ///< keys in the values' place
  rawKeys,        ///< positions are not put into keys
  laterPhase,     ///< another position than the row's
  scaled,         ///< keys times two
  ignoresMask,    ///< sees tokens after its own
  showsUnwritten, ///< sees one row behind its own
  firstLayerTwice,
  clamped, ///< the last row instead of the one that comes around
  shiftsByOne,
  advancesByOne,
  lastTokenOnly, ///< the recurrence takes the last token alone
  otherSequence, ///< rows of the first sequence are the last one's
  firstRows,     ///< sees the first 8 rows only
  notTheFirst,   ///< sees all rows but the first
  notItself,     ///< sees what is before a token, and not the token
  seesAll,       ///< sees all rows, written or not
  readsFirst,    ///< sees the caches as they were before the call
  firstOfLayer,  ///< the second layer sees the first 8 rows only
  seesItself,    ///< and nothing else
  keysAsValues,  ///< attends to keys, and never to values
  clampedPhase,  ///< no position above 9 is put into keys
  codesCounter,  ///< the length is kept in a number of 8 bits, and stays 127
  infinite
};

/// Functions `prefill` of four tokens and `decode` of one, or, with `isAnyLength`, `main` of any number, whose mask's
/// width is the position. States k_cache and v_cache [layers, batch, rows, 4]; of a counter also `length`; of a
/// recurrence `sum`, and `last` [1, 4, 3], alone.
class ToyPackage : public imported::Program {
public:
  struct Options {
    ToyForm form = ToyForm::linear;
    ToyBug bug = ToyBug::none;
    std::string wrongFunction = "prefill"; ///< the one that has the bug, or "all"
    bool isAnyLength = false;
    uint64_t window = UINT64_MAX; ///< tokens that a token sees, itself among them
    uint64_t context = 16;        ///< rows of a linear cache
    uint64_t batch = 1;
    ElementType element = ElementType::f16;
    double scale = 1; ///< of what is stored
  };

  explicit ToyPackage(const Options &options);

  const Description &description() const override { return content; }
  imported::Tensors zeroState() const override;
  imported::Tensors call(const std::string &function, imported::Tensors &state,
                         const imported::Tensors &inputs) const override;

private:
  const Options options;
  Description content;
};

} // namespace kvasir::test

#endif
