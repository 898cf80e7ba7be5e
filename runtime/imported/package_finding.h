// SPDX-License-Identifier: MIT
// What is wrong with a package's states, found in its programs or by running them.
#ifndef KVASIR_RUNTIME_IMPORTED_PACKAGE_FINDING_H
#define KVASIR_RUNTIME_IMPORTED_PACKAGE_FINDING_H

#include <string>
#include <vector>

namespace kvasir::imported {

enum class Severity { info, warning, error };

const char *name(Severity severity);

/// The kinds of bugs that only a run shows; the numbers are those of the front end's.
enum class BugClass {
  neverWritten = 1,
  frozenOffset = 4,
  fewerRows = 5,
  wrongOffset = 6,
  wrongSlab = 7,
  reordered = 8,
  staleAttention = 9,
  layoutsDiffer = 11,
  wrongMask = 12,
  notCausal = 13,
  staleTail = 17,
  overflow = 18,
  wrongRing = 19,
  phase = 20,
  precision = 21,
  nondeterministic = 24,
  otherSequence = 26
};

struct PackageFinding {
  int bugClass;
  Severity severity;
  std::string function, state;           ///< empty where it is about none or several
  std::string rowsWritten, rowsExpected; ///< "[pos, pos + 8)"; empty where they are not known
  std::string operation;                 ///< that is at fault; of a run nobody knows
  std::string text;                      ///< one sentence
};

} // namespace kvasir::imported

#endif
