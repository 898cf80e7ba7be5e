// SPDX-License-Identifier: MIT
// Which experts a row takes, and rows in the order of their experts.
#ifndef KVASIR_BACKENDS_CPU_ROUTING_H
#define KVASIR_BACKENDS_CPU_ROUTING_H

#include "backends/cpu/code.h"

namespace kvasir::cpu {

/// More experts have no kernel: their logits lie on the stack.
constexpr int64_t kMostExperts = 1024;

/// What a row chooses from.
struct Choice {
  int64_t experts, chosen; ///< X, C
  bool isOfAll;            ///< shares are of the sum of all experts, not of the chosen
};

/// Emits a call of the shared function that does what lm.route says for a row: logits [X] f32 to numbers [C] i32,
/// ascending, and shares [C] f32.
void emitRoute(Code &code, mlir::ModuleOp module, const Choice &choice, Value logits, Value numbers, Value shares);

/// Rows by expert: of X experts, and of numbers [count] i32 which expert each of `count` rows takes.
class ExpertOrder {
public:
  /// `memory`: bytes(experts) and 4 * count bytes behind them, 64-byte aligned.
  ExpertOrder(Code &code, Value memory, int64_t experts) : code(code), memory(memory), experts(experts) {}

  static int64_t bytes(int64_t experts) { return int64_t(llvm::alignTo((3 * experts + 2) * 4, 64)); }

  /// Emits a call of the shared function that fills it. Rows of an expert are in their order; a number that there is no
  /// expert for counts as the last one.
  void emitSort(mlir::ModuleOp module, Value numbers, Value count) const;

  /// How many experts have rows, and the `index`-th of them.
  Value numActive() const { return code.fromWord(code.load(code.i32, memory)); }
  Value active(Value index) const { return code.fromWord(code.load(code.i32, lineAt(1, index))); }
  /// Where in the order the rows of an expert begin, and where they end.
  std::pair<Value, Value> placesOf(Value expert) const;
  /// The row at a place.
  Value row(Value place) const;

private:
  Value lineAt(int64_t first, Value index) const { return code.at(code.at(memory, first * 4), code.mul(index, 4)); }
  int64_t endsAt() const { return 1 + experts; } ///< behind the number of active ones and these
  int64_t cursorsAt() const { return endsAt() + experts; }

  Code &code;
  Value memory;
  int64_t experts;
};

/// The number of an expert that lies at `address`, at most the last one's.
Value loadExpert(Code &code, Value address, int64_t experts);

} // namespace kvasir::cpu

#endif
