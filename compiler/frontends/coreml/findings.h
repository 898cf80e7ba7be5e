// SPDX-License-Identifier: MIT
// What is wrong with how a package's functions keep their states, as far as the programs alone say it.
#ifndef KVASIR_FRONTENDS_COREML_FINDINGS_H
#define KVASIR_FRONTENDS_COREML_FINDINGS_H

#include "compiler/frontends/coreml/state_flow.h"

namespace kvasir::coreml {

/// A bug is certain to give wrong results in the way that the functions are called; a warning may be meant so.
enum class Severity { warning, error };

/// The kinds of bugs; README.md says what each is.
enum class BugClass {
  neverWritten = 1,
  droppedUpdate = 2,
  unusedInput = 3,
  frozenOffset = 4,
  fewerRows = 5,
  wrongOffset = 6,
  revertedRows = 8,
  staleAttention = 9,
  disagreement = 10,
  conditionalWrite = 23
};

struct Finding {
  BugClass bugClass;
  Severity severity;
  std::string function;                  ///< empty where it is about several
  std::string state;                     ///< empty where it is about none
  std::string rowsWritten, rowsExpected; ///< "[pos, pos + 8)"; empty where they are not known
  std::string operation;                 ///< that is at fault
  std::string text;                      ///< one sentence: what, where, what to do
};

/// In the order of functions and classes.
std::vector<Finding> findBugs(const Program &program);

} // namespace kvasir::coreml

#endif
