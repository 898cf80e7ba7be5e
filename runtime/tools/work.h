// SPDX-License-Identifier: MIT
// What a model has to read and to compute for each token, whoever does it.
#ifndef KVASIR_RUNTIME_TOOLS_WORK_H
#define KVASIR_RUNTIME_TOOLS_WORK_H

#include "plugins/plugin_file.h"
#include "plugins/steps.h"
#include "runtime/tools/limits.h"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace kvasir::tools {

/// Multiplies and adds, by the arithmetic that they are done in: codes as activations are rounded, plain weights of
/// bf16 in bf16, others in f32.
using Ops = std::array<uint64_t, kNumArithmetics>;

/// One layer of a tensor, for one row that meets all of it.
struct TensorWork {
  uint64_t bytes = 0, ops = 0;
  Arithmetic arithmetic = Arithmetic::f32;
};

/// Tensors of experts of which each row reads as many of as many, in all of their layers together.
struct ExpertWork {
  uint64_t bytes = 0, chosen = 0, experts = 0;
};

/// An attention of the program, in all of its layers together.
struct AttentionWork {
  uint64_t opsPerPair = 0;   ///< of a token and a row that it sees
  uint64_t bytesPerRow = 0;  ///< keys and values
  uint64_t windowTokens = 0; ///< 0: a token sees all rows up to its own
};

struct Work {
  Description description;                      ///< the file's
  uint64_t weightsOffset = 0, weightsBytes = 0; ///< in the file
  uint64_t sharedBytes = 0;                     ///< of weights that a call reads, whatever the number of its tokens
  std::vector<ExpertWork> experts;              ///< none where the file has no table of steps: all is shared then
  Ops tokenOps = {};                            ///< of one token of a prompt: the matrices but the head
  Ops headOps = {};                             ///< of one wanted token more
  uint64_t stateBytesPerRow = 0;                ///< of all caches and layers
  std::vector<AttentionWork> attentions;        ///< none where the file has no table of steps
  Arithmetic attentionArithmetic = Arithmetic::f32;
  std::map<std::string, TensorWork> tensors; ///< by name, families once

  /// Of the weights, what a call of `tokens` tokens in all reads, in expectation (readShare).
  uint64_t weightBytes(uint64_t tokens) const;

  /// What a token behind `depth` others reads of a conversation's caches: no attention sees more than its window.
  uint64_t stateBytes(uint64_t depth) const;
};

/// Throws Failed if the file can't be read.
Work readWork(const std::string &path);

/// The part of its weights that `rows` rows of an op with `chosen` of `experts` experts read in expectation, were their
/// choices independent and all experts as likely: 1 - (1 - chosen / experts)^rows. 1 where experts is 0.
double readShare(uint64_t chosen, uint64_t experts, uint64_t rows);

/// Rows that `tokens` tokens see, of which the first is at `position`.
uint64_t rowsSeen(uint64_t position, uint64_t tokens, uint64_t windowTokens);

/// Multiplies and adds of one layer of an attention for a token and a row that it sees; 0 unless its keys and values
/// are in caches.
uint64_t attentionOpsPerPair(const Description &description, const StepOp &op);

/// The slot of this name if it is a cache, or null.
const SlotDescription *findCache(const Description &description, const std::string &name);

/// The table of a plugin's steps; nothing where it has none. Throws Failed if it can't be read.
std::optional<StepTable> readSteps(const std::string &path, const PluginFile &file);

} // namespace kvasir::tools

#endif
