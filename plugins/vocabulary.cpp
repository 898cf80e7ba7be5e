// SPDX-License-Identifier: MIT
#include "plugins/vocabulary.h"

#include <array>
#include <cstring>

namespace kvasir {

using namespace vocabulary_format;

namespace {

/// The bytes that each table must have at least, given the header's counts.
std::array<uint64_t, kNumTables> leastSizes(const Header &header) {
  std::array<uint64_t, kNumTables> sizes{};
  sizes[kTextOffsets] = (uint64_t{header.numSymbols} + 1) * sizeof(uint32_t);
  sizes[kTypes] = header.numTokens;
  sizes[kTextSlots] = sizeof(uint32_t) << header.textSlotBits;
  sizes[kMerges] = uint64_t{header.numMerges} * 3 * sizeof(uint32_t);
  sizes[kMergeSlots] = sizeof(uint32_t) << header.mergeSlotBits;
  sizes[kMarked] = uint64_t{header.numMarked} * sizeof(uint32_t);
  sizes[kEnds] = uint64_t{header.numEnds} * sizeof(uint32_t);
  return sizes;
}

bool isKnownKind(uint32_t kind) {
  return kind >= static_cast<uint32_t>(TokenizerKind::byteLevel) &&
         kind <= static_cast<uint32_t>(TokenizerKind::characterLevel);
}

/// Empty if the header and the places of the tables are sound.
std::string headerFault(const Header &header, uint64_t sizeBytes) {
  if (header.magic != kMagic)
    return "not a tokenizer section";
  if (header.version != kVersion)
    return "tokenizer section of version " + std::to_string(header.version) + ", expected " + std::to_string(kVersion);
  if (header.sizeBytes > sizeBytes)
    return "tokenizer section cut short: " + std::to_string(sizeBytes) + " bytes of " +
           std::to_string(header.sizeBytes);
  if (!isKnownKind(header.kind))
    return "unknown kind of tokenizer: " + std::to_string(header.kind);
  if (header.numTokens > INT32_MAX || header.numSymbols > INT32_MAX || header.numSymbols < header.numTokens ||
      header.textSlotBits > 31 || header.mergeSlotBits > 31)
    return "impossible counts in the tokenizer section";
  std::array<uint64_t, kNumTables> least = leastSizes(header);
  for (uint32_t table = 0; table < kNumTables; ++table) {
    const Extent &extent = header.tables[table];
    if (extent.offset > sizeBytes || extent.sizeBytes > sizeBytes - extent.offset || extent.sizeBytes < least[table])
      return "table " + std::to_string(table) + " of the tokenizer section lies outside of it or is too small";
  }
  return {};
}

} // namespace

Result<VocabularyView> VocabularyView::parse(std::span<const uint8_t> bytes) {
  VocabularyView view;
  if (bytes.size() < sizeof(Header))
    return Failure{"tokenizer section cut short: " + std::to_string(bytes.size()) + " bytes"};
  std::memcpy(&view.header, bytes.data(), sizeof(Header));
  if (std::string fault = headerFault(view.header, bytes.size()); !fault.empty())
    return Failure{std::move(fault)};
  view.bytes = bytes;
  return view;
}

/// Element `index` of a table, or zero where there is none.
template <typename T> T VocabularyView::at(Table table, uint64_t index) const {
  const Extent &extent = header.tables[table];
  T element{};
  if (index < extent.sizeBytes / sizeof(T))
    std::memcpy(&element, bytes.data() + extent.offset + index * sizeof(T), sizeof(T));
  return element;
}

std::string_view VocabularyView::stringOf(Table table) const {
  const Extent &extent = header.tables[table];
  return {reinterpret_cast<const char *>(bytes.data()) + extent.offset, extent.sizeBytes};
}

SpecialTokens VocabularyView::special() const {
  SpecialTokens tokens;
  TokenId *fields[] = {&tokens.bos, &tokens.eos, &tokens.eot, &tokens.eom,
                       &tokens.unk, &tokens.sep, &tokens.pad, &tokens.mask};
  for (size_t i = 0; i < std::size(fields); ++i) {
    bool exists = header.special[i] >= 0 && static_cast<uint32_t>(header.special[i]) < header.numTokens;
    *fields[i] = exists ? header.special[i] : kNoToken;
  }
  return tokens;
}

std::string_view VocabularyView::text(TokenId symbol) const {
  if (symbol < 0 || static_cast<uint32_t>(symbol) >= header.numSymbols)
    return {};
  uint32_t begin = at<uint32_t>(kTextOffsets, symbol), end = at<uint32_t>(kTextOffsets, uint64_t(symbol) + 1);
  std::string_view texts = stringOf(kTexts);
  return begin <= end && end <= texts.size() ? texts.substr(begin, end - begin) : std::string_view{};
}

TokenType VocabularyView::type(TokenId token) const {
  if (token < 0 || static_cast<uint32_t>(token) >= header.numTokens)
    return TokenType::unknown;
  return static_cast<TokenType>(at<uint8_t>(kTypes, token) & ((1u << kStripShift) - 1));
}

bool VocabularyView::strips(TokenId token, Strip side) const {
  return token >= 0 && (at<uint8_t>(kTypes, token) >> kStripShift & static_cast<uint32_t>(side)) != 0;
}

float VocabularyView::score(TokenId token) const { return token < 0 ? 0 : at<float>(kScores, token); }

TokenId VocabularyView::find(std::string_view wanted) const {
  uint64_t mask = (uint64_t{1} << header.textSlotBits) - 1, slot = hashText(wanted) & mask;
  for (uint32_t probe = 0; probe < kMaxProbes; ++probe, slot = (slot + 1) & mask) {
    uint32_t entry = at<uint32_t>(kTextSlots, slot);
    if (entry == 0 || entry > header.numTokens)
      return kNoToken;
    TokenId token = static_cast<TokenId>(entry - 1);
    if (text(token) == wanted)
      return token;
  }
  return kNoToken;
}

TokenId VocabularyView::byteSymbol(uint8_t byte) const {
  if (header.tables[kByteSymbols].sizeBytes < 256 * sizeof(TokenId))
    return kNoToken;
  TokenId symbol = at<TokenId>(kByteSymbols, byte);
  return symbol >= 0 && static_cast<uint32_t>(symbol) < header.numSymbols ? symbol : kNoToken;
}

std::optional<VocabularyView::Merge> VocabularyView::findMerge(TokenId left, TokenId right) const {
  uint32_t wantedLeft = static_cast<uint32_t>(left), wantedRight = static_cast<uint32_t>(right);
  uint64_t mask = (uint64_t{1} << header.mergeSlotBits) - 1, slot = hashPair(wantedLeft, wantedRight) & mask;
  for (uint32_t probe = 0; probe < kMaxProbes; ++probe, slot = (slot + 1) & mask) {
    uint32_t entry = at<uint32_t>(kMergeSlots, slot);
    if (entry == 0 || entry > header.numMerges)
      return std::nullopt;
    struct Entry {
      uint32_t left, right, result;
    } merge = at<Entry>(kMerges, entry - 1);
    if (merge.left == wantedLeft && merge.right == wantedRight && merge.result < header.numSymbols)
      return Merge{entry - 1, static_cast<TokenId>(merge.result)};
  }
  return std::nullopt;
}

TokenId VocabularyView::marked(uint32_t index) const {
  uint32_t token = at<uint32_t>(kMarked, index);
  return token < header.numTokens ? static_cast<TokenId>(token) : kNoToken;
}

bool VocabularyView::isEnd(TokenId token) const {
  for (uint32_t i = 0; i < header.numEnds; ++i)
    if (at<int32_t>(kEnds, i) == token)
      return token != kNoToken;
  return false;
}

std::vector<std::string_view> VocabularyView::patterns() const {
  std::vector<std::string_view> list;
  std::string_view rest = stringOf(kPatterns);
  for (size_t end; (end = rest.find('\0')) != std::string_view::npos; rest.remove_prefix(end + 1))
    list.push_back(rest.substr(0, end));
  return list;
}

} // namespace kvasir
