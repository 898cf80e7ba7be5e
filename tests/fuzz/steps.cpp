// SPDX-License-Identifier: MIT
// What a plugin says of its steps, in JSON: what is read is written and read again as the same, and has names.
#include "plugins/steps.h"
#include "runtime/profile/step_name.h"

#include <cstdlib>

using namespace kvasir;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  const auto table = stepsFromJson({reinterpret_cast<const char *>(bytes), size});
  if (!table)
    return 0;
  const auto again = stepsFromJson(stepsToJson(*table));
  if (!again || *again != *table)
    std::abort();
  for (const VariantSteps &variant : table->variants)
    for (const CodeStep &step : variant.steps)
      if (runtime::profile::stepName(*table, step).empty() && step.ops.empty())
        std::abort();
  return 0;
}
