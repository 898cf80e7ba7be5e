// SPDX-License-Identifier: MIT
#include "runtime/api/border.h"
#include "runtime/api/handles.h"
#include "runtime/model/plan.h"

using namespace kvasir;
using namespace kvasir::runtime;

kv_status kvasir_plan(kvasir_model *handle, const kvasir_plan_options *options, kvasir_plan_result *result,
                      uint64_t *slot_bytes, uint64_t num_slots, char *message, size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(handle, "model");
    requireGiven(result, "result");
    const Model &model = *handle->model;
    if (slot_bytes && num_slots != model.slots()->size())
      throw Error(KV_BAD_INPUT, "there is room for " + std::to_string(num_slots) + " slots, the model has " +
                                    std::to_string(model.slots()->size()));
    const auto known = readOptions(options);
    const uint64_t context = known.context ? known.context : model.context(), batch = known.batch ? known.batch : 1;
    const MemoryPlan plan = planMemory(model, context, batch);
    kvasir_plan_result found{};
    found.size = result->size;
    found.batch = static_cast<uint32_t>(batch);
    found.context = context;
    found.weights_bytes = handle->weightsBytes;
    found.state_bytes = plan.stateBytes();
    found.prefill_scratch_bytes = plan.prefillScratchBytes;
    found.decode_scratch_bytes = plan.decodeScratchBytes;
    found.total_bytes =
        found.weights_bytes + found.state_bytes + std::max(found.prefill_scratch_bytes, found.decode_scratch_bytes);
    std::memcpy(result, &found, std::min<size_t>(result->size, sizeof found));
    if (slot_bytes)
      std::ranges::copy(plan.slotBytes, slot_bytes);
  });
}
