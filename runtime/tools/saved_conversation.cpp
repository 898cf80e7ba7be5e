// SPDX-License-Identifier: MIT
#include "runtime/tools/saved_conversation.h"

#include "runtime/tools/failed.h"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace kvasir::tools {
namespace {

State loadOrMake(const Model &model, const std::string &path) {
  return path.empty() || access(path.c_str(), F_OK) != 0 ? model.makeState() : model.loadState(path);
}

/// Cuts the state to `length`, or to the longest possible length below it.
void cut(State &state, uint64_t length) {
  uint64_t nearest = length;
  try {
    state.truncate(length, &nearest);
  } catch (const Error &error) {
    if (error.status() != KV_UNSUPPORTED)
      throw;
    state.truncate(nearest);
  }
}

} // namespace

SavedConversation::SavedConversation(const Model &model, std::string given)
    : path(std::move(given)), held(loadOrMake(model, path)) {}

std::vector<int32_t> SavedConversation::begin(const std::vector<int32_t> &prompt) {
  if (!prompt.empty())
    return prompt;
  const auto ids = held.ids();
  if (ids.empty())
    throw Failed("'" + path + "' holds no tokens to go on from; give a prompt");
  if (std::ranges::find(ids, -1) != ids.end())
    throw Failed("'" + path + "' holds tokens without ids; give a prompt");
  return ids;
}

std::vector<int32_t> SavedConversation::goOn(const std::vector<int32_t> &ids) {
  const auto before = held.ids();
  const auto common = std::ranges::mismatch(before, ids).in1 - before.begin();
  cut(held, std::min<uint64_t>(common, ids.size() - 1));
  if (!before.empty())
    std::fprintf(stderr, "'%s' holds %zu tokens: %llu of them begin this text of %zu, %llu are used as they are\n",
                 path.c_str(), before.size(), static_cast<unsigned long long>(common), ids.size(),
                 static_cast<unsigned long long>(held.length()));
  return {ids.begin() + static_cast<std::ptrdiff_t>(held.length()), ids.end()};
}

void SavedConversation::save() const {
  if (isKept())
    held.save(path);
}

} // namespace kvasir::tools
