// SPDX-License-Identifier: MIT
// Section "steps": what the code of a plugin does between two barriers, for whoever measures it.
#ifndef KVASIR_PLUGINS_STEPS_H
#define KVASIR_PLUGINS_STEPS_H

#include "plugins/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvasir {

/// Where a member says what it is about to do. Scratch begins with one for each member; a host that wants to know sets
/// them to 0 before the call and reads a member's own at its barriers.
struct StepCell {
  uint32_t step;   ///< the number of the variant's step, from 1; 0: none yet
  uint32_t passes; ///< steps that were begun
};

/// From one member's cell to the next. Processors fetch pairs of lines: on 64 bytes members took each other's.
inline constexpr uint64_t kStepCellBytes = 128;

/// Which number of the call an op has as many rows as.
enum class StepRows : uint8_t { tokens, wanted, sequences };

/// An op of the program, as a person knows it.
struct StepOp {
  std::string op;    ///< "lm.linear"
  std::string place; ///< "blk.{layer}.attn_q"
  StepRows rows = StepRows::tokens;
  std::vector<std::string> weights = {}; ///< names of the tensors of which it reads a layer, whole
  std::string keys = {}, values = {};    ///< of attention: slots of which it reads a layer's rows; else empty
  uint64_t heads = 0;                    ///< of attention: query heads
  uint64_t windowTokens = 0;             ///< of attention; 0: all rows
  uint64_t chosen = 0, experts = 0;      ///< each row reads `chosen` of `experts` parts of the weights; 0: all of them

  bool operator==(const StepOp &) const = default;
};

/// What members do between two barriers, or a kernel with its own barriers.
struct CodeStep {
  std::string kernel;        ///< "cpu.qkv"; empty: no kernel, member 0 does it alone
  std::vector<uint32_t> ops; ///< numbers of the table's ops, in the program's order

  bool operator==(const CodeStep &) const = default;
};

struct VariantSteps {
  std::string variant;
  std::vector<CodeStep> steps; ///< step 1 is the first

  bool operator==(const VariantSteps &) const = default;
};

struct StepTable {
  std::vector<StepOp> ops;
  std::vector<VariantSteps> variants;

  bool operator==(const StepTable &) const = default;
};

std::string stepsToJson(const StepTable &table);

/// Reads what stepsToJson writes; bytes are hostile. Every op of every step is one of the table's, and of an op with
/// experts 1 <= chosen <= experts.
Result<StepTable> stepsFromJson(std::string_view text);

} // namespace kvasir

#endif
