// SPDX-License-Identifier: MIT
// Calls of a function whose inputs can be made from token ids alone.
#ifndef KVASIR_RUNTIME_AUDIT_CALLER_H
#define KVASIR_RUNTIME_AUDIT_CALLER_H

#include "runtime/model/call.h"

#include <span>

namespace kvasir::runtime::audit {

using Ids = std::vector<int32_t>;

/// One sequence's share of a call.
struct Feed {
  State *state;
  std::span<const int32_t> ids;
};

/// The outputs after the last token of one sequence, all that have one row a wanted token, as f32.
using OutputRow = std::vector<float>;

/// Can the audit call it? Its inputs are made of ids: ids, positions, and embeddings that differ from id to id.
bool isCallable(const FunctionDescription &function);

/// Does it add tokens, as far as its inputs tell?
bool takesTokens(const FunctionDescription &function);

/// The inputs of a callable function for tokens of one sequence that holds `start`, in the description's order.
std::vector<std::vector<uint8_t>> inputsOf(const FunctionDescription &function, std::span<const int32_t> ids,
                                           uint64_t start);

/// What calls a function on batches.
class Caller {
public:
  Caller(Model &model, size_t function, const CancelFlag *cancel) : model(model), function(function), cancel(cancel) {}

  /// Throws what runCall throws. Returns [B].
  std::vector<OutputRow> call(const std::vector<Feed> &feeds, Observer *observer = nullptr,
                              const CancelFlag *ownCancel = nullptr);
  OutputRow call(State &state, std::span<const int32_t> ids, Observer *observer = nullptr);

  const FunctionDescription &description() const { return model.description().functions[function]; }

private:
  std::vector<OutputRow> takeRows(const std::vector<std::vector<uint8_t>> &outputs, size_t numSequences) const;

  Model &model;
  const size_t function;
  const CancelFlag *const cancel;
};

} // namespace kvasir::runtime::audit

#endif
