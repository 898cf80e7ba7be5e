// SPDX-License-Identifier: MIT
// The toy model with a window over its values: its states have all that a state can have.
#ifndef KVASIR_TESTS_FUZZ_SLIDING_TOY_H
#define KVASIR_TESTS_FUZZ_SLIDING_TOY_H

#include "tests/unit/toy/toy_model.h"

namespace kvasir::test {

inline std::shared_ptr<runtime::Model> makeSlidingToy() {
  return runtime::makeToyModel(1, [](runtime::Program &program) { program.description.slots[1].windowTokens = 40; });
}

} // namespace kvasir::test

#endif
