// SPDX-License-Identifier: MIT
// What a plugin says of its ops, in JSON: every tensor that a step takes was made, and is one of those that are
// counted.
#include "runtime/diff/graph.h"

#include <cstdlib>

using namespace kvasir::runtime::diff;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  const auto graphs = readGraphs({bytes, size});
  if (!graphs)
    return 0;
  for (const FunctionGraph &graph : *graphs) {
    std::vector<bool> isMade(graph.numTensors);
    for (const size_t input : graph.inputs)
      isMade.at(input) = true;
    for (const Step &step : graph.steps) {
      for (const size_t input : step.inputs)
        if (!isMade.at(input))
          std::abort();
      for (const size_t output : step.outputs)
        isMade.at(output) = true;
    }
    (void)firstDifference(graph, graphs->front());
  }
  return 0;
}
