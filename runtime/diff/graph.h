// SPDX-License-Identifier: MIT
// What the compiler wrote down of a function: its ops in the order in which they run.
#ifndef KVASIR_RUNTIME_DIFF_GRAPH_H
#define KVASIR_RUNTIME_DIFF_GRAPH_H

#include "plugins/result.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace kvasir::runtime::diff {

/// One layer of a slot.
struct SlotLayer {
  std::string slot;
  uint64_t layer = 0;

  bool operator==(const SlotLayer &) const = default;
};

/// One op for one layer. Tensors are numbers: each is the result of one step, or an input of the function.
struct Step {
  std::string op;                ///< "lm.linear"
  std::string place;             ///< the name that a person gave it: "blk.{layer}.attn_q"
  std::string at;                ///< and with its layer: "blk.3.attn_q"
  std::string probe;             ///< the plugin's function that is this op alone, or empty
  std::optional<uint64_t> layer; ///< of its weights
  std::vector<size_t> inputs, outputs;
  std::optional<SlotLayer> appends;      ///< kv.append
  std::optional<SlotLayer> keys, values; ///< kv.attend
  double scale = 0, softcap = 0;         ///< kv.attend; 0: no cap
  uint64_t windowTokens = 0;             ///< kv.attend; 0: all rows
  bool isCausal = true;                  ///< kv.attend
  bool hasSinks = false;                 ///< kv.attend
};

/// Loops are unrolled: each layer's ops are steps of their own.
struct FunctionGraph {
  std::string name;
  size_t numTensors = 0;
  std::vector<size_t> inputs, outputs; ///< in the description's order
  std::vector<Step> steps;
};

/// Reads the section "graph" of a plugin; its bytes are hostile. Fails with where it is wrong.
Result<std::vector<FunctionGraph>> readGraphs(std::span<const uint8_t> section);

/// The first op in which two programs differ, and how: "blk.0.append_k takes what … makes in A, …"; empty if they are
/// alike. Numbers (weights, epsilons, frequencies) are not in a graph.
std::string firstDifference(const FunctionGraph &a, const FunctionGraph &b);

} // namespace kvasir::runtime::diff

#endif
