// SPDX-License-Identifier: MIT
// The toy model with a window over its values: its states have all that a state can have.
#ifndef KVASIR_TESTS_FUZZ_SLIDING_TOY_H
#define KVASIR_TESTS_FUZZ_SLIDING_TOY_H

#include "tests/unit/toy/toy_model.h"

namespace kvasir::test {

inline std::shared_ptr<runtime::Model> makeSlidingToy() {
  auto description = *descriptionFromJson(TOY_DESCRIPTION);
  description.slots[1].windowTokens = 40;
  static constexpr kv_host kHost = {sizeof(kv_host), KV_ABI, 0, 0};
  return std::make_shared<runtime::Model>(
      runtime::Program{kvasir_plugin(&kHost), description, nullptr, nullptr, nullptr, {}},
      runtime::ModelOptions{1, runtime::Pinning::off});
}

} // namespace kvasir::test

#endif
