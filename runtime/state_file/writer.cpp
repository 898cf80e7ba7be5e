// SPDX-License-Identifier: MIT
#include "kvasir/manifest.h"
#include "runtime/state_file/checksum.h"
#include "runtime/state_file/saved_state.h"
#include "runtime/state_file/used_rows.h"

#include <algorithm>
#include <cstring>

namespace kvasir::runtime {

using namespace state_format;

namespace {

template <typename T> std::vector<uint8_t> bytesOf(const std::vector<T> &elements) {
  const auto *first = reinterpret_cast<const uint8_t *>(elements.data());
  return {first, first + elements.size() * sizeof(T)};
}

/// The plugin's description without its code.
std::vector<uint8_t> describe(const Model &model) {
  Description description = model.description();
  description.variants.clear();
  description.functions.clear();
  description.waivers.clear();
  const std::string text = descriptionToJson(description);
  return {text.begin(), text.end()};
}

/// A block on its way to the file: where it is, and how many of its tokens are used.
struct SavedBlock {
  const uint8_t *bytes;
  uint64_t numTokens; ///< KV_BLOCK_TOKENS: all of it
};

/// The used blocks of one slot, in the file's order.
std::vector<SavedBlock> blocksOf(const State &state, size_t slot) {
  std::vector<SavedBlock> blocks;
  const BlockTable &table = state.table(slot);
  for (size_t i = table.firstHeld(); i < table.size(); ++i)
    blocks.push_back({table[i].bytes(), KV_BLOCK_TOKENS});
  if (state.slots().isRegister(slot))
    for (const auto &checkpoint : state.contents().checkpoints)
      blocks.push_back({checkpoint.values[slot].bytes(), KV_BLOCK_TOKENS});
  else if (const uint64_t rest = state.length() % KV_BLOCK_TOKENS; rest != 0 && !blocks.empty())
    blocks.back().numTokens = rest;
  return blocks;
}

/// Writes one file: rows first, whose checksums are part of the metadata.
class StateWriter {
public:
  StateWriter(const Model &model, const State &state, NewFile &file) : model(model), state(state), file(file) {}

  void write();

private:
  std::vector<std::vector<uint8_t>> metadataSections() const;
  Conversation conversation() const;
  void writeRows(size_t slot, uint64_t offset);
  void writeHead(const std::vector<std::vector<uint8_t>> &sections);
  void put(uint64_t offset, std::span<const uint8_t> bytes);

  const Model &model;
  const State &state;
  NewFile &file;
  std::vector<Section> table;
  std::vector<uint64_t> checksums;
  Header header = {};
};

void StateWriter::put(uint64_t offset, std::span<const uint8_t> bytes) {
  if (const Status status = file.put(offset, bytes); !status)
    throw Error(KV_FAILED, status.message());
}

void StateWriter::write() {
  uint64_t numBlocks = 0;
  for (size_t slot = 0; slot < state.slots().size(); ++slot)
    numBlocks += blocksOf(state, slot).size();
  checksums.assign(numBlocks, 0); // the section's size is needed before the sums
  auto sections = metadataSections();
  header.numSections = static_cast<uint32_t>(kNumMetadataSections + state.slots().size());
  uint64_t end = sizeof header + header.numSections * sizeof(Section);
  for (const auto &bytes : sections) {
    end = alignTo(end, kSectionBorder);
    table.push_back({SectionKind(table.size() + 1), 0, end, bytes.size(), 0});
    end += bytes.size();
  }
  end = header.rowsOffset = alignTo(end, kRowsBorder);
  for (uint32_t slot = 0; slot < state.slots().size(); ++slot) {
    const uint64_t sizeBytes = blocksOf(state, slot).size() * state.slots()[slot].layout.sizeBytes;
    table.push_back({SectionKind::rows, slot, end, sizeBytes, state.table(slot).firstHeld()});
    end += sizeBytes;
  }
  header.fileBytes = end;
  file.announce(end);
  checksums.clear();
  for (size_t slot = 0; slot < state.slots().size(); ++slot)
    writeRows(slot, table[kNumMetadataSections + slot].offset);
  sections.back() = bytesOf(checksums);
  writeHead(sections);
}

void StateWriter::writeRows(size_t slot, uint64_t offset) {
  const SlotDescription &described = state.slots()[slot];
  const uint64_t sizeBytes = described.layout.sizeBytes;
  std::vector<uint8_t> cleaned;
  for (const SavedBlock &block : blocksOf(state, slot)) {
    std::span<const uint8_t> bytes{block.bytes, sizeBytes};
    if (block.numTokens != KV_BLOCK_TOKENS) {
      cleaned.resize(sizeBytes);
      copyUsedRows(described, block.numTokens, block.bytes, cleaned);
      bytes = cleaned;
    }
    checksums.push_back(checksumOf(bytes));
    put(offset, bytes);
    offset += sizeBytes;
  }
}

/// By kind.
std::vector<std::vector<uint8_t>> StateWriter::metadataSections() const {
  std::vector<int32_t> ids(state.length());
  state.readIds(0, ids.size(), ids.data());
  std::vector<state_format::Checkpoint> checkpoints;
  for (const auto &checkpoint : state.contents().checkpoints)
    checkpoints.push_back({checkpoint.length, checkpoint.isAutomatic});
  return {bytesOf(std::vector{conversation()}), describe(model), bytesOf(ids), bytesOf(checkpoints),
          bytesOf(checksums)};
}

Conversation StateWriter::conversation() const {
  Conversation facts = {};
  std::ranges::copy(model.identity().fingerprint, facts.fingerprint);
  std::ranges::copy(model.identity().tokenizer, facts.tokenizer);
  std::ranges::copy(schemaHash(model.description().slots), facts.schema);
  facts.abi = KV_ABI;
  facts.pluginFormat = KV_FORMAT;
  facts.blockTokens = KV_BLOCK_TOKENS;
  facts.length = state.length();
  facts.capacity = state.capacity();
  return facts;
}

void StateWriter::writeHead(const std::vector<std::vector<uint8_t>> &sections) {
  std::vector<uint8_t> head(header.rowsOffset);
  std::memcpy(head.data() + sizeof header, table.data(), table.size() * sizeof(Section));
  for (size_t i = 0; i < sections.size(); ++i)
    std::ranges::copy(sections[i], head.begin() + static_cast<std::ptrdiff_t>(table[i].offset));
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kVersion;
  header.metadataChecksum = checksumOf(std::span(head).subspan(sizeof header));
  std::memcpy(head.data(), &header, sizeof header);
  header.checksum = checksumOf(std::span(head).first(offsetof(Header, checksum)));
  std::memcpy(head.data(), &header, sizeof header);
  put(0, head);
}

} // namespace

void writeState(const Model &model, const State &state, NewFile &file) { StateWriter(model, state, file).write(); }

void saveState(const Model &model, const State &state, const std::string &path) {
  const auto file = NewFile::begin(path);
  if (!file)
    throw Error(KV_FAILED, file.message());
  writeState(model, state, **file);
  if (const Status status = (*file)->publish(); !status)
    throw Error(KV_FAILED, status.message());
}

} // namespace kvasir::runtime
