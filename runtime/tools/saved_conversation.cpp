// SPDX-License-Identifier: MIT
#include "runtime/tools/saved_conversation.h"

#include "plugins/new_file.h"
#include "runtime/tools/failed.h"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace kvasir::tools {
namespace {

/// Finds out now, not when all work is done, that the file can't be written.
void requireWritable(const std::string &path) {
  if (const auto file = NewFile::begin(path); !file)
    throw Failed(file.message());
}

State loadOrMake(const Model &model, const std::string &path) {
  if (!path.empty())
    requireWritable(path);
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

std::string textOf(const Model &model, const std::vector<int32_t> &ids) {
  Detokenizer detokenizer(model, KVASIR_SHOW_SPECIAL);
  std::string text;
  for (const int32_t id : ids)
    text += detokenizer.push(id);
  return text += detokenizer.finish();
}

bool hasIds(const std::vector<int32_t> &ids) { return std::ranges::find(ids, -1) == ids.end(); }

} // namespace

SavedConversation::SavedConversation(const Model &model, std::string given)
    : model(model), path(std::move(given)), held(loadOrMake(model, path)) {}

std::vector<int32_t> SavedConversation::begin(const std::vector<int32_t> &prompt, PromptUse use) {
  if (prompt.empty() || use == PromptUse::appends)
    return appended(prompt);
  if (use == PromptUse::goesOn && !isBeginOf(prompt))
    throw Failed("'" + path + "' holds " + std::to_string(held.length()) +
                 " tokens that this text does not begin with; --append adds the text to them, --restart replaces them");
  return prompt;
}

std::vector<int32_t> SavedConversation::appended(const std::vector<int32_t> &prompt) {
  auto ids = held.ids();
  if (ids.empty() && prompt.empty())
    throw Failed("'" + path + "' holds no tokens to go on from; give a prompt");
  if (!hasIds(ids))
    throw Failed("'" + path + "' holds tokens without ids, which no text goes on from; --restart replaces them");
  ids.insert(ids.end(), prompt.begin(), prompt.end());
  return ids;
}

/// A longer text may be cut into other tokens where the held one ends: then the letters decide.
bool SavedConversation::isBeginOf(const std::vector<int32_t> &ids) {
  const auto before = held.ids();
  if (std::ranges::mismatch(before, ids).in1 == before.end())
    return true;
  try {
    return hasIds(before) && textOf(model, ids).starts_with(textOf(model, before));
  } catch (const Error &) {
    return false; // a model without a vocabulary
  }
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
