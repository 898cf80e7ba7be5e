// SPDX-License-Identifier: MIT
// The bytes of a .kvstate file, little-endian. README.md says what is held to what.
#ifndef KVASIR_RUNTIME_STATE_FILE_FORMAT_H
#define KVASIR_RUNTIME_STATE_FILE_FORMAT_H

#include "plugins/alignment.h"

#include <bit>
#include <cstdint>

namespace kvasir::runtime::state_format {

static_assert(std::endian::native == std::endian::little, "structs are written as they lie");

inline constexpr char kMagic[8] = {'K', 'V', 'S', 'T', 'A', 'T', 'E', '\n'};
inline constexpr uint32_t kVersion = 1;

/// Rows begin on this border.
inline constexpr uint64_t kRowsBorder = 4096;

/// Sections between the header and the rows begin on this border.
inline constexpr uint64_t kSectionBorder = 8;

/// Header and metadata of more bytes are refused before memory is asked for: it is room for 60 million ids.
inline constexpr uint64_t kMaxMetadataBytes = 256 << 20;

/// The file's first bytes.
struct Header {
  char magic[8];
  uint32_t version;
  uint32_t numSections;
  uint64_t fileBytes;
  uint64_t rowsOffset;       ///< metadata is bytes [sizeof(Header), rowsOffset): the section table, then the sections
  uint64_t metadataChecksum; ///< of all of these bytes
  uint64_t reserved[2];      ///< 0
  uint64_t checksum;         ///< of the header before this field
};
static_assert(sizeof(Header) == 64);

/// The sections of a file, in this order; rows once for each slot.
enum class SectionKind : uint32_t { conversation = 1, description, ids, checkpoints, checksums, rows };

/// Sections before the first slot's rows.
inline constexpr uint32_t kNumMetadataSections = 5;

/// One line of the section table.
struct Section {
  SectionKind kind;
  uint32_t slot; ///< of rows; else 0
  uint64_t offset, sizeBytes;
  uint64_t firstBlock; ///< of a cache's rows: blocks in front of it were let go by the window; else 0
};
static_assert(sizeof(Section) == 32);

/// Section conversation: whose state it is, and how long.
struct Conversation {
  uint8_t fingerprint[32]; ///< of the model; zero if its plugin has none
  uint8_t tokenizer[32];   ///< SHA-256 of the plugin's tokenizer section; zero if it has none
  uint8_t schema[32];      ///< schemaHash of the description's slots
  uint32_t abi;            ///< KV_ABI
  uint32_t pluginFormat;   ///< KV_FORMAT, of the description
  uint64_t blockTokens;    ///< KV_BLOCK_TOKENS
  uint64_t length, capacity;
};
static_assert(sizeof(Conversation) == 128);

/// Section checkpoints, by length: what registers held then follows their present values in their rows.
struct Checkpoint {
  uint64_t length;
  uint64_t isAutomatic; ///< 0 or 1
};

} // namespace kvasir::runtime::state_format

#endif
