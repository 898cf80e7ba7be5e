// SPDX-License-Identifier: MIT
#include "runtime/state_file/saved_state.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <sys/mman.h>

namespace kvasir::runtime {
namespace {

constexpr uintptr_t kPageBytes = 4096;

/// Brings memory to a block all at once: faults of single pages took a quarter of a load's time.
void populate(std::span<uint8_t> bytes) {
  const auto begin = reinterpret_cast<uintptr_t>(bytes.data()) & ~(kPageBytes - 1);
  const auto end = reinterpret_cast<uintptr_t>(bytes.data() + bytes.size());
  madvise(reinterpret_cast<void *>(begin), end - begin, MADV_POPULATE_WRITE); // Linux 5.14; else pages come one by one
}

/// Blocks of the model's pools with what the file has.
class StateLoader {
public:
  StateLoader(const Model &model, const StateFile &file) : slots(*model.slots()), file(file) {}

  Contents load();

private:
  BlockRef read(size_t slot, uint64_t index) const;
  BlockTable readCache(size_t slot) const;
  BlockTable placeIds() const;

  const Slots &slots;
  const StateFile &file;
};

Contents StateLoader::load() {
  Contents contents = emptyContents(slots);
  for (size_t slot = 0; slot < slots.size(); ++slot)
    if (slots.isRegister(slot))
      contents.tables[slot].replace(0, read(slot, 0));
    else
      contents.tables[slot] = readCache(slot);
  contents.tables[slots.idTable()] = placeIds();
  for (size_t i = 0; i < file.checkpoints().size(); ++i) {
    const auto &saved = file.checkpoints()[i];
    Checkpoint made{saved.length, saved.isAutomatic != 0, std::vector<BlockRef>(slots.size())};
    for (size_t slot = 0; slot < slots.size(); ++slot)
      if (slots.isRegister(slot))
        made.values[slot] = read(slot, 1 + i);
    contents.checkpoints.push_back(std::move(made));
  }
  return contents;
}

BlockRef StateLoader::read(size_t slot, uint64_t index) const {
  BlockRef block = slots.pool(slot).acquire();
  populate({block.bytes(), slots.pool(slot).blockBytes()});
  file.readBlock(slot, index, {block.bytes(), slots.pool(slot).blockBytes()});
  return block;
}

BlockTable StateLoader::readCache(size_t slot) const {
  const SavedRows &rows = file.rows(slot);
  if (rows.firstBlock * KV_BLOCK_TOKENS > slots.firstNeededRow(slot, file.length()))
    throw Error(KV_BAD_FILE, "lacks rows of slot " + slots[slot].name +
                                 " that the next token needs: its first is row " +
                                 std::to_string(rows.firstBlock * KV_BLOCK_TOKENS));
  BlockTable table;
  for (uint64_t block = 0; block < rows.firstBlock; ++block)
    table.push({});
  for (uint64_t index = 0; index < rows.numBlocks; ++index)
    table.push(read(slot, index));
  return table;
}

BlockTable StateLoader::placeIds() const {
  BlockTable table;
  const auto &ids = file.ids();
  for (size_t first = 0; first < ids.size(); first += KV_BLOCK_TOKENS) {
    BlockRef block = slots.pool(slots.idTable()).acquire();
    const size_t count = std::min<size_t>(KV_BLOCK_TOKENS, ids.size() - first);
    std::memcpy(block.bytes(), ids.data() + first, count * sizeof(int32_t));
    table.push(std::move(block));
  }
  return table;
}

void dropOldCheckpoints(std::vector<Checkpoint> &checkpoints, uint32_t mostAutomatic) {
  while (std::ranges::count_if(checkpoints, &Checkpoint::isAutomatic) > int64_t{mostAutomatic})
    checkpoints.erase(std::ranges::find_if(checkpoints, &Checkpoint::isAutomatic));
}

} // namespace

std::unique_ptr<State> loadState(const Model &model, const StateFile &file, const StateOptions &options) {
  requireSameModel(file, model);
  if (options.capacity != 0 && options.capacity < file.length())
    throw Error(KV_BAD_INPUT, "holds " + std::to_string(file.length()) + " tokens, the state was to take at most " +
                                  std::to_string(options.capacity));
  auto state =
      model.makeState(options.capacity ? options.capacity : file.conversation().capacity, options.numCheckpoints);
  Contents contents = StateLoader(model, file).load();
  dropOldCheckpoints(contents.checkpoints, options.numCheckpoints);
  state->adopt(file.length(), std::move(contents));
  return state;
}

std::unique_ptr<State> loadState(const Model &model, const std::string &path, const StateOptions &options) {
  try {
    return loadState(model, StateFile::open(path), options);
  } catch (const Error &error) {
    throw Error(error.status(), "cannot load '" + path + "': " + error.what());
  }
}

} // namespace kvasir::runtime
