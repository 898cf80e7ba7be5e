// SPDX-License-Identifier: MIT
// A saved conversation, read without a model.
#ifndef KVASIR_RUNTIME_STATE_FILE_STATE_FILE_H
#define KVASIR_RUNTIME_STATE_FILE_STATE_FILE_H

#include "plugins/description.h"
#include "plugins/file_io.h"
#include "runtime/state/error.h"
#include "runtime/state_file/format.h"

#include <span>
#include <string>
#include <vector>

namespace kvasir::runtime {

/// The rows of one slot in a file: blocks side by side. A cache: blocks [firstBlock, firstBlock + numBlocks) of the
/// conversation. A register: its value, then what it held at each checkpoint.
struct SavedRows {
  uint64_t offset, blockBytes, firstBlock, numBlocks;
  uint64_t firstChecksum; ///< index of the first block's
};

/// What a .kvstate file says; bytes are hostile. Everything but the rows has been read and checked when it is there:
/// all places lie inside the file, and no number contradicts another. All functions throw `bad file` with a reason that
/// goes on from the file's name, and `unsupported` for another version.
class StateFile {
public:
  /// Reads the file's metadata. Cost: proportional to it, whatever the rows.
  static StateFile open(const std::string &path);

  /// The same of a descriptor.
  static StateFile open(FileDescriptor file);

  const state_format::Conversation &conversation() const { return facts; }
  const Description &description() const { return content; } ///< the plugin's, but for its functions and variants
  uint64_t sizeBytes() const { return header.fileBytes; }
  uint64_t length() const { return facts.length; }
  const std::vector<int32_t> &ids() const { return tokenIds; } ///< [length], -1 where none is known
  const std::vector<state_format::Checkpoint> &checkpoints() const { return kept; }
  const SavedRows &rows(size_t slot) const { return slotRows[slot]; }

  /// Reads block `index` of those that the file has of the slot, and compares it with its checksum.
  void readBlock(size_t slot, uint64_t index, std::span<uint8_t> bytes) const;

  /// Reads all blocks.
  void verify() const;

private:
  StateFile() = default;
  void readHeader();
  void readMetadata();
  void readConversation();
  void readCheckpoints();
  void placeRows();
  std::span<const uint8_t> section(state_format::SectionKind kind) const;
  template <typename T> std::vector<T> arrayOf(state_format::SectionKind kind, uint64_t count) const;
  void requireBlocks(size_t slot, const state_format::Section &section, uint64_t numBlocks) const;

  FileDescriptor file;
  state_format::Header header = {};
  std::vector<uint8_t> metadata; ///< the file's bytes from the header's end to the rows
  std::vector<state_format::Section> sections;
  state_format::Conversation facts = {};
  Description content;
  std::vector<int32_t> tokenIds;
  std::vector<state_format::Checkpoint> kept;
  std::vector<uint64_t> checksums;
  std::vector<SavedRows> slotRows;
};

} // namespace kvasir::runtime

#endif
