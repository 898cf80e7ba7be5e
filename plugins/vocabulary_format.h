// SPDX-License-Identifier: MIT
// The layout of a file's tokenizer section. All numbers are little-endian; nothing needs to be aligned.
#ifndef KVASIR_PLUGINS_VOCABULARY_FORMAT_H
#define KVASIR_PLUGINS_VOCABULARY_FORMAT_H

#include <bit>
#include <cstdint>
#include <string_view>

namespace kvasir::vocabulary_format {

static_assert(std::endian::native == std::endian::little, "files are read where they lie");

inline constexpr uint32_t kMagic = 0x434f564b; // "KVOC"
inline constexpr uint32_t kVersion = 1;

enum Flag : uint32_t { kAddsBos = 1, kAddsEos = 2, kAddsSpacePrefix = 4, kTakesWholeWords = 8 };

/// A symbol is a token or, from numTokens on, a string that only merges know.
enum Table : uint32_t {
  kModel,        // UTF-8
  kPre,          // UTF-8
  kPatterns,     // UTF-8, each pattern ended by a zero byte
  kChatTemplate, // UTF-8
  kTextOffsets,  // u32 [numSymbols + 1] into kTexts
  kTexts,        // raw bytes
  kTypes,        // u8 [numTokens]: TokenType | Strip << kStripShift
  kScores,       // f32 [numTokens], or empty: all zero
  kTextSlots,    // u32 [2^textSlotBits]: token + 1, or 0; linear probing from hashText
  kMerges,       // {u32 left, right, result} [numMerges], best first
  kMergeSlots,   // u32 [2^mergeSlotBits]: merge + 1, or 0; linear probing from hashPair
  kByteSymbols,  // i32 [256], or empty
  kMarked,       // u32 [numMarked]: tokens looked for in a text first, sorted by their bytes
  kEnds,         // u32 [numEnds]
  kNumTables
};

inline constexpr uint32_t kStripShift = 4;

/// A reader looks at this many slots at most, whatever the bytes are; a writer enlarges its table until that is enough.
inline constexpr uint32_t kMaxProbes = 64;

struct Extent {
  uint64_t offset, sizeBytes;
};

struct Header {
  uint32_t magic, version;
  uint64_t sizeBytes; // of the whole section
  uint32_t kind;      // TokenizerKind
  uint32_t flags;
  uint32_t numTokens, numSymbols, numMerges, numMarked, numEnds;
  uint32_t textSlotBits, mergeSlotBits;
  int32_t special[8]; // in the order of SpecialTokens
  uint32_t reserved;  // 0
  Extent tables[kNumTables];
};
static_assert(sizeof(Header) == 88 + sizeof(Extent) * kNumTables);

/// FNV-1a, then the finaliser of MurmurHash3 so that the high bits are good.
inline uint64_t mix(uint64_t hash) {
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccdull;
  hash ^= hash >> 33;
  hash *= 0xc4ceb9fe1a85ec53ull;
  return hash ^ (hash >> 33);
}

inline uint64_t hashText(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (char c : text)
    hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3ull;
  return mix(hash);
}

inline uint64_t hashPair(uint32_t left, uint32_t right) { return mix(uint64_t{left} << 32 | right); }

} // namespace kvasir::vocabulary_format

#endif
