// SPDX-License-Identifier: MIT
#include "runtime/state_file/state_file.h"

#include "kvasir/plugin.h"
#include "runtime/state_file/checksum.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>

namespace kvasir::runtime {

using namespace state_format;

namespace {

[[noreturn]] void refuse(const std::string &reason) { throw Error(KV_BAD_FILE, reason); }

/// A file that was written whole and is not read: the version's turn comes before all checksums.
[[noreturn]] void refuseVersion(uint32_t version) {
  throw Error(KV_UNSUPPORTED, "has version " + std::to_string(version) + " of the format, this runtime reads " +
                                  std::to_string(kVersion));
}

std::span<const uint8_t> bytesBefore(const Header &header, const uint64_t &field) {
  const auto *first = reinterpret_cast<const uint8_t *>(&header);
  return {first, reinterpret_cast<const uint8_t *>(&field)};
}

std::string number(uint64_t value) { return std::to_string(value); }

/// "block 3 of slot k (rows 384 to 511)", "checkpoint 1 of register sum": block `index` of the slot's in the file.
std::string blockText(const SlotDescription &slot, const SavedRows &rows, uint64_t index) {
  if (slot.kind == SlotKind::reg)
    return (index == 0 ? "the value" : "checkpoint " + number(index)) + " of register " + slot.name;
  const uint64_t block = rows.firstBlock + index;
  return "block " + number(block) + " of slot " + slot.name + " (rows " + number(block * KV_BLOCK_TOKENS) + " to " +
         number((block + 1) * KV_BLOCK_TOKENS - 1) + ")";
}

} // namespace

StateFile StateFile::open(const std::string &path) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)); // a FIFO must not hang us
  if (!file)
    refuse(std::strerror(errno));
  return open(std::move(file));
}

StateFile StateFile::open(FileDescriptor given) {
  StateFile made;
  made.file = std::move(given);
  made.readHeader();
  made.readMetadata();
  made.readConversation();
  made.readCheckpoints();
  made.placeRows();
  return made;
}

void StateFile::readHeader() {
  struct stat facts;
  if (fstat(file.get(), &facts) != 0)
    refuse(std::strerror(errno));
  if (!S_ISREG(facts.st_mode))
    refuse("is no regular file");
  const uint64_t size = static_cast<uint64_t>(facts.st_size);
  if (size < sizeof header || !readFully(file.get(), 0, {reinterpret_cast<uint8_t *>(&header), sizeof header}))
    refuse("is " + number(size) + " bytes long: it is cut short, or no .kvstate file");
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0)
    refuse("is no .kvstate file");
  if (header.version != kVersion)
    refuseVersion(header.version);
  if (header.checksum != checksumOf(bytesBefore(header, header.checksum)))
    refuse("is damaged: its header is not what its checksum says");
  if (header.fileBytes != size)
    refuse("is " + number(size) + " bytes long, its header says " + number(header.fileBytes) +
           ": it is cut short, grown or not finished");
  if (header.rowsOffset > std::min(size, kMaxMetadataBytes) || header.rowsOffset < sizeof header ||
      header.numSections < kNumMetadataSections ||
      header.numSections > (header.rowsOffset - sizeof header) / sizeof(Section))
    refuse("has a header that contradicts itself");
}

void StateFile::readMetadata() {
  metadata.resize(header.rowsOffset - sizeof header);
  if (!readFully(file.get(), sizeof header, metadata))
    refuse("was cut short while it was read");
  if (header.metadataChecksum != checksumOf(metadata))
    refuse("is damaged: its metadata is not what its checksum says");
  sections.resize(header.numSections);
  std::memcpy(sections.data(), metadata.data(), sections.size() * sizeof(Section));
  uint64_t end = sizeof header + sections.size() * sizeof(Section);
  for (uint32_t i = 0; i < kNumMetadataSections; ++i) {
    const Section &section = sections[i];
    if (section.kind != SectionKind(i + 1) || section.slot != 0 || section.firstBlock != 0 ||
        section.offset != alignTo(end, kSectionBorder) || section.offset > header.rowsOffset ||
        section.sizeBytes > header.rowsOffset - section.offset)
      refuse("has a section table that contradicts itself in section " + number(i));
    end = section.offset + section.sizeBytes;
  }
  if (header.rowsOffset != alignTo(end, kRowsBorder))
    refuse("has rows that do not begin behind its metadata");
}

std::span<const uint8_t> StateFile::section(SectionKind kind) const {
  const Section &found = sections[static_cast<uint32_t>(kind) - 1];
  return {metadata.data() + (found.offset - sizeof header), found.sizeBytes};
}

/// The section's elements, which must be as many.
template <typename T> std::vector<T> StateFile::arrayOf(SectionKind kind, uint64_t count) const {
  const auto bytes = section(kind);
  if (bytes.size() % sizeof(T) != 0 || bytes.size() / sizeof(T) != count)
    refuse("has " + number(bytes.size()) + " bytes in section " + number(static_cast<uint32_t>(kind)) + ", " +
           number(count) + " times " + number(sizeof(T)) + " were expected");
  std::vector<T> elements(count);
  std::ranges::copy(bytes, reinterpret_cast<uint8_t *>(elements.data()));
  return elements;
}

void StateFile::readConversation() {
  facts = arrayOf<Conversation>(SectionKind::conversation, 1)[0];
  if (facts.blockTokens != KV_BLOCK_TOKENS)
    throw Error(KV_UNSUPPORTED, "has blocks of " + number(facts.blockTokens) + " tokens, this runtime's have " +
                                    number(KV_BLOCK_TOKENS));
  if (facts.length > facts.capacity)
    refuse("holds " + number(facts.length) + " tokens and has a capacity of " + number(facts.capacity));
  const auto text = section(SectionKind::description);
  auto parsed = descriptionFromJson({reinterpret_cast<const char *>(text.data()), text.size()});
  if (!parsed)
    refuse("has a bad description: " + parsed.message());
  content = std::move(*parsed);
  const Digest schema = schemaHash(content.slots);
  if (!std::ranges::equal(schema, facts.schema))
    refuse("has a schema hash that is not that of its slots");
  tokenIds = arrayOf<int32_t>(SectionKind::ids, facts.length);
  for (size_t i = 0; i < tokenIds.size(); ++i)
    if (tokenIds[i] < -1 || (tokenIds[i] >= 0 && uint64_t(tokenIds[i]) >= content.model.vocabularySize))
      refuse("has token " + std::to_string(tokenIds[i]) + " at place " + number(i) + ", outside its vocabulary of " +
             number(content.model.vocabularySize));
}

void StateFile::readCheckpoints() {
  const uint64_t count = section(SectionKind::checkpoints).size() / sizeof(state_format::Checkpoint);
  kept = arrayOf<state_format::Checkpoint>(SectionKind::checkpoints, count);
  for (size_t i = 0; i < kept.size(); ++i)
    if (kept[i].length > facts.length || kept[i].isAutomatic > 1 || kept[i].length <= (i ? kept[i - 1].length : 0))
      refuse("has checkpoint " + number(i) + " at " + number(kept[i].length) + " tokens, out of order or beyond the " +
             number(facts.length) + " that it holds");
  if (!kept.empty() && std::ranges::find(content.slots, SlotKind::reg, &SlotDescription::kind) == content.slots.end())
    refuse("has checkpoints and no register");
}

void StateFile::placeRows() {
  if (sections.size() != kNumMetadataSections + content.slots.size())
    refuse("has " + number(sections.size() - kNumMetadataSections) + " sections of rows and " +
           number(content.slots.size()) + " slots");
  uint64_t end = header.rowsOffset, numChecksums = 0;
  for (size_t slot = 0; slot < content.slots.size(); ++slot) {
    const Section &section = sections[kNumMetadataSections + slot];
    const uint64_t blockBytes = content.slots[slot].layout.sizeBytes;
    const uint64_t numBlocks = section.sizeBytes / blockBytes;
    if (section.kind != SectionKind::rows || section.slot != slot || section.offset != end ||
        section.sizeBytes > header.fileBytes - end || section.sizeBytes % blockBytes != 0)
      refuse("has a section table that contradicts itself in the rows of slot " + content.slots[slot].name);
    requireBlocks(slot, section, numBlocks);
    slotRows.push_back({end, blockBytes, section.firstBlock, numBlocks, numChecksums});
    end += section.sizeBytes;
    numChecksums += numBlocks;
  }
  if (end != header.fileBytes)
    refuse("has bytes behind its rows");
  checksums = arrayOf<uint64_t>(SectionKind::checksums, numChecksums);
}

/// A register's value and those of its checkpoints; a cache's blocks up to its length, without holes.
void StateFile::requireBlocks(size_t slot, const Section &section, uint64_t numBlocks) const {
  const SlotDescription &described = content.slots[slot];
  const uint64_t all = facts.length / KV_BLOCK_TOKENS + (facts.length % KV_BLOCK_TOKENS != 0);
  const uint64_t due = described.kind == SlotKind::reg ? 1 + kept.size() : all - std::min(section.firstBlock, all);
  const uint64_t mostReleased = described.kind == SlotKind::reg || described.windowTokens == 0 ? 0 : all;
  if (section.firstBlock > mostReleased || numBlocks != due)
    refuse("has " + number(numBlocks) + " blocks of slot " + described.name + " from block " +
           number(section.firstBlock) + " on, " + number(due) + " belong to " + number(facts.length) + " tokens");
}

void StateFile::readBlock(size_t slot, uint64_t index, std::span<uint8_t> bytes) const {
  const SavedRows &rows = slotRows[slot];
  if (!readFully(file.get(), rows.offset + index * rows.blockBytes, bytes))
    refuse("was cut short while it was read");
  if (checksumOf(bytes) != checksums[rows.firstChecksum + index])
    refuse("is damaged: " + blockText(content.slots[slot], rows, index) + " is not what its checksum says");
}

void StateFile::verify() const {
  std::vector<uint8_t> bytes;
  for (size_t slot = 0; slot < slotRows.size(); ++slot) {
    bytes.resize(slotRows[slot].blockBytes);
    for (uint64_t index = 0; index < slotRows[slot].numBlocks; ++index)
      readBlock(slot, index, bytes);
  }
}

} // namespace kvasir::runtime
