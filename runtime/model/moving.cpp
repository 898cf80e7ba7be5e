// SPDX-License-Identifier: MIT
#include "runtime/model/moving.h"

#include "runtime/state/move.h"

#include <algorithm>

namespace kvasir::runtime {
namespace {

void requireSameModel(const Model &from, const Model &to) {
  const Digest &source = from.identity().fingerprint, &target = to.identity().fingerprint;
  const std::string &sourceName = from.description().model.name, &targetName = to.description().model.name;
  if (!isSameModel(source, sourceName, target, targetName))
    throw Error(KV_UNSUPPORTED, "the state belongs to the model '" + sourceName + "' (fingerprint " + shortHex(source) +
                                    "), the other is '" + targetName + "' (" + shortHex(target) + ")");
  const Digest sourceSchema = schemaHash(from.description().slots), targetSchema = schemaHash(to.description().slots);
  if (sourceSchema != targetSchema)
    throw Error(KV_UNSUPPORTED, "the state has the schema " + shortHex(sourceSchema) + ", the other model has " +
                                    shortHex(targetSchema) + ": their slots do not mean the same");
}

} // namespace

std::unique_ptr<State> moveState(const Model &from, const State &state, const Model &to, const StateOptions &options,
                                 uint64_t &numRounded) {
  requireSameModel(from, to);
  const uint64_t capacity = options.capacity ? options.capacity : std::min(state.capacity(), to.context());
  auto moved = to.makeState(capacity, options.numCheckpoints);
  if (capacity < state.length())
    throw Error(KV_BAD_INPUT, "a state of " + std::to_string(capacity) + " tokens can't hold the " +
                                  std::to_string(state.length()) + " that there are");
  moved->adopt(state.length(), convertContents(state, to.slots()));
  const Slots &slots = state.slots();
  numRounded = 0;
  for (size_t slot = 0; slot < slots.size(); ++slot)
    numRounded += !holdsExactly((*to.slots())[slot], slots[slot]);
  return moved;
}

} // namespace kvasir::runtime
