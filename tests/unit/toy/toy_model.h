// SPDX-License-Identifier: MIT
// The toy plugin as a model of the runtime's.
#ifndef KVASIR_TESTS_UNIT_TOY_MODEL_H
#define KVASIR_TESTS_UNIT_TOY_MODEL_H

#include "runtime/model/call.h"
#include "tests/unit/toy/toy_plugin.h"

namespace kvasir::runtime {

/// A model of the toy plugin, changed before it is made; `threads` members. The plugin obeys any description with the
/// same slots and layouts.
std::shared_ptr<Model> makeToyModel(uint32_t threads, const std::function<void(Program &)> &change = {},
                                    TeamUse teamUse = TeamUse::fixed);

/// The row of logits that the toy plugin computes after all of `ids`.
std::vector<float> toyLogits(const std::vector<int32_t> &ids);

/// `count` ids that make the plugin do nothing special.
std::vector<int32_t> toyIds(size_t count, uint32_t seed);

/// predict on one state; the logits of the wanted rows.
std::vector<float> predictOne(Model &model, State &state, const std::vector<int32_t> &ids, Wanted wanted = Wanted::last,
                              const CancelFlag *cancel = nullptr);

} // namespace kvasir::runtime

#endif
