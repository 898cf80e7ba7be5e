// SPDX-License-Identifier: MIT
// Is what a plan says what is then used: blocks of each slot and scratch of a compiled model, within 5 %.
// usage: plan MODEL.kvasir CONTEXT BATCH
#include "runtime/api/handles.h"

#include "kvasir/kvasir.hpp"

#include <cstdio>
#include <cstdlib>
#include <iostream>

namespace {

bool isNear(uint64_t planned, uint64_t used) { return planned * 100 >= used * 95 && planned * 100 <= used * 105; }

int compare(const char *what, uint64_t planned, uint64_t used) {
  std::printf("%-10s planned %llu used %llu\n", what, static_cast<unsigned long long>(planned),
              static_cast<unsigned long long>(used));
  return isNear(planned, used) ? 0 : 1;
}

/// Fills `batch` sequences to one token less than the context, and adds one to each.
void fill(const kvasir::Model &model, uint64_t context, uint32_t batch) {
  std::vector<kvasir::State> states;
  for (uint32_t i = 0; i < batch; ++i)
    states.push_back(model.makeState());
  const std::vector<int32_t> ids(context - 1, 1), id(1, 2);
  std::vector<kvasir::Sequence> filled, decoded;
  for (kvasir::State &state : states) {
    filled.push_back({state, ids});
    decoded.push_back({state, id});
  }
  model.predict(filled);
  model.predict(decoded);
}

} // namespace

int main(int argc, char **argv) try {
  if (argc != 4)
    return 2;
  const kvasir::Model model(argv[1]);
  const uint64_t context = std::strtoull(argv[2], nullptr, 10);
  const auto batch = static_cast<uint32_t>(std::strtoul(argv[3], nullptr, 10));
  const kvasir::MemoryPlan plan = model.plan(context, batch);
  fill(model, context, batch);

  auto &inner = *model.get()->model;
  const auto &slots = *inner.slots();
  const auto used = [&](size_t table) { return slots.pool(table).bytesFor(slots.pool(table).numBlocks()); };
  int numWrong = 0;
  uint64_t state = used(slots.idTable());
  for (size_t slot = 0; slot < slots.size(); ++slot) {
    numWrong += compare(slots[slot].name.c_str(), plan.slotBytes[slot], used(slot));
    state += used(slot);
  }
  numWrong += compare("state", plan.totals.state_bytes, state);
  numWrong += compare("scratch", std::max(plan.totals.prefill_scratch_bytes, plan.totals.decode_scratch_bytes),
                      kvasir::runtime::Model::Turn(inner).scratch().sizeBytes());
  return numWrong == 0 ? 0 : 1;
} catch (const std::exception &error) {
  std::cerr << "plan: " << error.what() << "\n";
  return 1;
}
