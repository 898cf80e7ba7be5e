// SPDX-License-Identifier: MIT
// One execute of a plugin: the border's arrays, filled and checked.
#ifndef KVASIR_RUNTIME_MODEL_EXECUTION_H
#define KVASIR_RUNTIME_MODEL_EXECUTION_H

#include "runtime/model/call.h"
#include "runtime/model/numbering.h"
#include "runtime/state/transaction.h"

#include <array>

namespace kvasir::runtime {

/// Lives for one chunk. The transactions have room for the chunk's rows.
class Execution {
public:
  Execution(Model &model, const CallRequest &request, const Chunk &chunk, std::vector<Transaction> &transactions,
            const std::vector<const uint8_t *> &inputs, const std::vector<uint8_t *> &outputs);

  /// prepare, check of what will be written, execute, advance. Throws what the plugin fails with and `cancelled`.
  void run(Model::Turn &turn);

private:
  void fillViews();
  void fillTensors(const std::vector<const uint8_t *> &inputs, const std::vector<uint8_t *> &outputs);
  void linkArrays();
  void prepare();
  void checkWrites();
  ObservedExecute observed(Team &team) const;
  void execute(Team &team, uint32_t numMembers);
  void executeTimed(Team &team, TeamSize &size);
  void advance();
  const int32_t *idsOf(size_t run) const;
  void requireNotCancelled() const;
  void requireOk(kv_status status) const;

  Model &model;
  const CallRequest &request;
  const Chunk &chunk;
  std::vector<Transaction> &transactions;
  const FunctionDescription &function;
  const Numbering tokens;
  std::vector<kv_view> views;
  std::vector<kv_tensor> inputTensors, outputTensors;
  std::vector<kv_rows> writes; ///< [slots * B]
  std::array<char, 512> message{};
  kv_call call{};
  kv_plan plan{};
  bool addsTokens = true; ///< false for a function that writes no row
};

} // namespace kvasir::runtime

#endif
