// SPDX-License-Identifier: MIT
#include "plugins/pretokenizers.h"
#include "plugins/vocabulary.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>

namespace kvasir {

using namespace vocabulary_format;

namespace {

constexpr std::string_view kSpaceMark = "\u2581";

/// Ends of generation that files often only show by a token's text.
/// Source: the published chat models' generation_config.json.
constexpr std::string_view kEndTexts[] = {
    "<|eot_id|>",      "<|im_end|>",         "<|end|>", "<|return|>",           "<|call|>",
    "<end_of_turn>",   "<|endoftext|>",      "</s>",    "<|eom_id|>",           "<EOT>",
    "<|end_of_text|>", "<end_of_utterance>", "<turn|>", "<｜end▁of▁sentence｜>"};

/// GPT-2's alphabet: printable Latin-1 characters are their own bytes, the other bytes are U+0100, U+0101, … in order.
std::array<int16_t, 0x144> byteOfLetter() {
  std::array<int16_t, 0x144> bytes;
  bytes.fill(-1);
  uint32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    bool isPrintable = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    bytes[isPrintable ? byte : next++] = static_cast<int16_t>(byte);
  }
  return bytes;
}

/// The bytes that a string in GPT-2's alphabet stands for, or nothing if it has other characters.
std::optional<std::string> bytesFromLetters(std::string_view letters) {
  static const std::array<int16_t, 0x144> kByteOfLetter = byteOfLetter();
  std::string bytes;
  for (size_t i = 0; i < letters.size(); ++i) {
    uint32_t letter = static_cast<uint8_t>(letters[i]);
    if (letter >= 0x80) {
      bool isPair = (letter & 0xe0) == 0xc0 && i + 1 < letters.size() && (letters[i + 1] & 0xc0) == 0x80;
      if (!isPair)
        return std::nullopt;
      letter = (letter & 0x1f) << 6 | (letters[++i] & 0x3f);
    }
    if (letter >= 0x144 || kByteOfLetter[letter] < 0)
      return std::nullopt;
    bytes += static_cast<char>(kByteOfLetter[letter]);
  }
  return bytes;
}

std::string withSpaces(std::string_view text) {
  std::string spaced;
  for (size_t mark; (mark = text.find(kSpaceMark)) != text.npos; text.remove_prefix(mark + kSpaceMark.size()))
    (spaced += text.substr(0, mark)) += ' ';
  return spaced += text;
}

/// The byte that "<0xE2>" stands for.
std::optional<uint8_t> byteFromName(std::string_view name) {
  if (name.size() != 6 || !name.starts_with("<0x") || name[5] != '>')
    return std::nullopt;
  unsigned byte = 0;
  for (char digit : name.substr(3, 2)) {
    unsigned value = digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : 16;
    if (value == 16)
      return std::nullopt;
    byte = byte * 16 + value;
  }
  return static_cast<uint8_t>(byte);
}

bool isMarked(TokenType type) {
  return type == TokenType::control || type == TokenType::unknown || type == TokenType::userDefined;
}

template <typename T> void appendTo(std::vector<uint8_t> &bytes, const T *elements, size_t count) {
  const uint8_t *begin = reinterpret_cast<const uint8_t *>(elements);
  bytes.insert(bytes.end(), begin, begin + count * sizeof(T));
}

/// A hash table of indices + 1 of which `present` holds, enlarged until its probes are short enough for every reader.
/// Only hashes made to collide could still leave longer ones; a reader then misses these entries.
std::vector<uint32_t> makeSlots(const std::vector<uint64_t> &hashes, const std::vector<bool> &present, uint32_t &bits) {
  const uint32_t leastBits = std::bit_width(hashes.size() * 2);
  for (bits = leastBits;; ++bits) {
    std::vector<uint32_t> slots(size_t{1} << bits);
    uint32_t longest = 0;
    for (size_t index = 0; index < hashes.size(); ++index) {
      if (!present[index])
        continue;
      uint64_t slot = hashes[index] & (slots.size() - 1);
      uint32_t probes = 1;
      for (; slots[slot] != 0; slot = (slot + 1) & (slots.size() - 1))
        ++probes;
      slots[slot] = static_cast<uint32_t>(index + 1);
      longest = std::max(longest, probes);
    }
    if (longest < kMaxProbes || bits == leastBits + 3)
      return slots;
  }
}

} // namespace

/// Gathers the tables of one vocabulary.
class VocabularyWriter {
public:
  explicit VocabularyWriter(const Vocabulary &vocabulary) : source(vocabulary) {}

  Result<std::vector<uint8_t>> write();

private:
  struct Merge {
    uint32_t left, right, result;
  };

  std::string checkModel();
  std::string checkTokens() const;
  void addTexts();
  void indexTexts();
  void addBytes();
  void addMerges();
  void addMarked();
  void addSpecial();
  void addEnds(const SpecialTokens &special);
  std::optional<std::string> rawText(std::string_view text) const;
  uint32_t symbolOf(const std::string &text);
  TokenType typeOf(size_t token) const;
  TokenId tokenSpelled(std::string_view text) const;
  void setTable(Table table, const void *bytes, size_t sizeBytes);
  template <typename T> void setTable(Table table, const std::vector<T> &elements) {
    setTable(table, elements.data(), elements.size() * sizeof(T));
  }
  std::vector<uint8_t> assemble();

  const Vocabulary &source;
  TokenizerKind kind{};
  const Pretokenizer *pretokenizer = nullptr;
  Header header{};
  std::vector<uint8_t> tables[kNumTables];
  std::vector<TokenId> ends;                         // sorted
  std::vector<std::string> texts;                    // [symbols], raw bytes
  std::unordered_map<std::string, uint32_t> symbols; // what ordinary text may become
};

Result<std::vector<uint8_t>> serialise(const Vocabulary &vocabulary) { return VocabularyWriter(vocabulary).write(); }

Result<std::vector<uint8_t>> VocabularyWriter::write() {
  if (std::string fault = checkModel(); !fault.empty())
    return Failure{std::move(fault)};
  if (std::string fault = checkTokens(); !fault.empty())
    return Failure{std::move(fault)};
  header.numTokens = static_cast<uint32_t>(source.tokens.size());
  addSpecial();
  addTexts();
  indexTexts();
  addBytes();
  addMerges();
  addMarked();
  return assemble();
}

std::string VocabularyWriter::checkModel() {
  if (source.model == "gpt2")
    kind = TokenizerKind::byteLevel;
  else if (source.model == "llama")
    kind = TokenizerKind::sentencePiece;
  else if (source.model == "gemma4")
    kind = TokenizerKind::characterLevel;
  else
    return "tokenizer model '" + source.model + "' is not known; known are gemma4, gpt2, llama";
  if (kind == TokenizerKind::sentencePiece)
    return {};
  bool isUnnamed = kind == TokenizerKind::characterLevel && source.pre.empty();
  pretokenizer = findPretokenizer(isUnnamed ? source.model : source.pre);
  return pretokenizer ? std::string() : "pre-tokenizer '" + source.pre + "' is not known";
}

std::string VocabularyWriter::checkTokens() const {
  size_t numTokens = source.tokens.size();
  if (numTokens == 0 || numTokens > INT32_MAX / 4 || source.merges.size() > INT32_MAX / 4)
    return "a vocabulary of " + std::to_string(numTokens) + " tokens and " + std::to_string(source.merges.size()) +
           " merges";
  for (size_t length : {source.scores.size(), source.types.size(), source.strips.size()})
    if (length != 0 && length != numTokens)
      return "the vocabulary has " + std::to_string(numTokens) + " tokens but " + std::to_string(length) +
             " scores or types";
  for (size_t i = 0; i < source.types.size(); ++i)
    if (source.types[i] < 1 || source.types[i] > 6)
      return "token " + std::to_string(i) + " has type " + std::to_string(source.types[i]) + ", expected 1 to 6";
  const SpecialTokens &special = source.special;
  for (TokenId token :
       {special.bos, special.eos, special.eot, special.eom, special.unk, special.sep, special.pad, special.mask})
    if (token < kNoToken || token >= static_cast<int64_t>(numTokens))
      return "special token " + std::to_string(token) + " is outside of the vocabulary's " + std::to_string(numTokens) +
             " tokens";
  size_t totalBytes = 0;
  for (const auto *strings : {&source.tokens, &source.merges})
    for (const std::string &text : *strings)
      totalBytes += text.size();
  return totalBytes > INT32_MAX ? "the vocabulary's texts are larger than 2 GiB" : std::string();
}

/// What ends a generation is never made from plain text, whatever type its file gives it.
TokenType VocabularyWriter::typeOf(size_t token) const {
  if (std::ranges::binary_search(ends, static_cast<TokenId>(token)))
    return TokenType::control;
  return source.types.empty() ? TokenType::normal : static_cast<TokenType>(source.types[token]);
}

/// The raw bytes of a token or half a merge; nothing if it can't come from text.
std::optional<std::string> VocabularyWriter::rawText(std::string_view text) const {
  return kind == TokenizerKind::byteLevel ? bytesFromLetters(text) : withSpaces(text);
}

void VocabularyWriter::addTexts() {
  std::vector<uint8_t> types;
  for (size_t token = 0; token < source.tokens.size(); ++token) {
    TokenType type = typeOf(token);
    Strip strip = source.strips.empty() ? Strip::none : source.strips[token];
    types.push_back(static_cast<uint8_t>(static_cast<uint32_t>(type) | static_cast<uint32_t>(strip) << kStripShift));
    const std::string &text = source.tokens[token];
    std::optional<uint8_t> byte = type == TokenType::byte ? byteFromName(text) : std::nullopt;
    bool isLiteral = type == TokenType::control || type == TokenType::unknown ||
                     (type == TokenType::userDefined && kind == TokenizerKind::byteLevel);
    if (byte)
      texts.emplace_back(1, static_cast<char>(*byte));
    else
      texts.push_back(isLiteral ? text : rawText(text).value_or(text));
  }
  setTable(kTypes, types);
  setTable(kScores, source.scores);
}

/// Of two tokens with one text, ordinary ones win over user-defined ones, later ones over earlier ones.
void VocabularyWriter::indexTexts() {
  std::vector<bool> isIndexed(texts.size());
  std::vector<uint64_t> hashes(texts.size());
  for (bool isOrdinary : {false, true})
    for (size_t token = 0; token < texts.size(); ++token) {
      TokenType type = typeOf(token);
      bool isReachable =
          isOrdinary ? type == TokenType::normal || type == TokenType::unused : type == TokenType::userDefined;
      if (isReachable && rawText(source.tokens[token]) == texts[token])
        symbols[texts[token]] = static_cast<uint32_t>(token);
    }
  for (const auto &[text, token] : symbols) {
    isIndexed[token] = true;
    hashes[token] = hashText(text);
  }
  setTable(kTextSlots, makeSlots(hashes, isIndexed, header.textSlotBits));
}

/// Must follow indexTexts: bytes that have no token become symbols of their own.
void VocabularyWriter::addBytes() {
  std::vector<TokenId> ofByte(256, kNoToken);
  if (kind == TokenizerKind::byteLevel) {
    for (int byte = 0; byte < 256; ++byte)
      ofByte[byte] = static_cast<TokenId>(symbolOf(std::string(1, static_cast<char>(byte))));
  } else {
    for (int byte = 0; byte < 256; ++byte)
      if (auto found = symbols.find(std::string(1, static_cast<char>(byte))); found != symbols.end())
        ofByte[byte] = static_cast<TokenId>(found->second);
    for (size_t token = 0; token < source.tokens.size(); ++token)
      if (std::optional<uint8_t> byte = byteFromName(source.tokens[token]); byte && typeOf(token) == TokenType::byte)
        ofByte[*byte] = static_cast<TokenId>(token);
  }
  setTable(kByteSymbols, ofByte);
}

uint32_t VocabularyWriter::symbolOf(const std::string &text) {
  auto [entry, isNew] = symbols.try_emplace(text, static_cast<uint32_t>(texts.size()));
  if (isNew)
    texts.push_back(text);
  return entry->second;
}

/// A merge's rank is its place in the list, so that merges which can't happen keep their places.
void VocabularyWriter::addMerges() {
  std::vector<Merge> merges;
  std::vector<uint64_t> hashes;
  std::vector<bool> isPossible;
  std::unordered_map<uint64_t, size_t> firstOfPair;
  std::span<const std::string> lines = source.merges;
  if (kind == TokenizerKind::sentencePiece)
    lines = {};
  for (const std::string &line : lines) {
    size_t space = line.find(' ', 1);
    std::string_view text = line;
    auto left = space == line.npos ? std::nullopt : rawText(text.substr(0, space));
    auto right = space == line.npos ? std::nullopt : rawText(text.substr(space + 1));
    Merge merge{};
    bool isFirst = false;
    if (left && right && !left->empty() && !right->empty()) {
      merge = {symbolOf(*left), symbolOf(*right), symbolOf(*left + *right)};
      isFirst = firstOfPair.try_emplace(uint64_t{merge.left} << 32 | merge.right, merges.size()).second;
    }
    merges.push_back(merge);
    hashes.push_back(hashPair(merge.left, merge.right));
    isPossible.push_back(isFirst);
  }
  header.numMerges = static_cast<uint32_t>(merges.size());
  setTable(kMerges, merges);
  setTable(kMergeSlots, makeSlots(hashes, isPossible, header.mergeSlotBits));
}

void VocabularyWriter::addMarked() {
  std::vector<uint32_t> marked;
  for (uint32_t token = 0; token < header.numTokens; ++token)
    if (isMarked(typeOf(token)) && !texts[token].empty())
      marked.push_back(token);
  std::ranges::sort(marked, {},
                    [&](uint32_t token) { return std::pair<std::string_view, uint32_t>(texts[token], token); });
  header.numMarked = static_cast<uint32_t>(marked.size());
  setTable(kMarked, marked);
}

TokenId VocabularyWriter::tokenSpelled(std::string_view text) const {
  auto found = std::ranges::find(source.tokens, text);
  return found == source.tokens.end() ? kNoToken : static_cast<TokenId>(found - source.tokens.begin());
}

void VocabularyWriter::addSpecial() {
  SpecialTokens special = source.special;
  bool isSentencePiece = kind == TokenizerKind::sentencePiece;
  if (isSentencePiece && header.numTokens > 2) { // SentencePiece's own defaults
    special.unk = special.unk == kNoToken ? 0 : special.unk;
    special.bos = special.bos == kNoToken ? 1 : special.bos;
    special.eos = special.eos == kNoToken ? 2 : special.eos;
  }
  bool addsBos = source.addBos.value_or(isSentencePiece || pretokenizer->addsBos) && special.bos != kNoToken;
  bool addsEos = source.addEos.value_or(false) && special.eos != kNoToken;
  header.flags = (addsBos ? kAddsBos : 0) | (addsEos ? kAddsEos : 0) |
                 (isSentencePiece && source.addSpacePrefix.value_or(true) ? kAddsSpacePrefix : 0) |
                 (!isSentencePiece && pretokenizer->takesWholeWords ? kTakesWholeWords : 0);
  TokenId ids[8] = {special.bos, special.eos, special.eot, special.eom,
                    special.unk, special.sep, special.pad, special.mask};
  std::memcpy(header.special, ids, sizeof(ids));
  addEnds(special);
}

void VocabularyWriter::addEnds(const SpecialTokens &special) {
  std::vector<TokenId> found = {special.eos, special.eot, special.eom};
  for (std::string_view text : kEndTexts)
    if (TokenId token = tokenSpelled(text);
        token != kNoToken && typeOf(static_cast<size_t>(token)) != TokenType::normal)
      found.push_back(token); // as a normal token, "</s>" is HTML
  std::erase(found, kNoToken);
  // Harmony's models end a message, not their answer, with "<|end|>".
  if (tokenSpelled("<|return|>") != kNoToken && tokenSpelled("<|call|>") != kNoToken)
    std::erase(found, tokenSpelled("<|end|>"));
  std::ranges::sort(found);
  found.erase(std::unique(found.begin(), found.end()), found.end());
  ends = std::move(found);
  header.numEnds = static_cast<uint32_t>(ends.size());
  setTable(kEnds, ends);
}

void VocabularyWriter::setTable(Table table, const void *bytes, size_t sizeBytes) {
  appendTo(tables[table], static_cast<const uint8_t *>(bytes), sizeBytes);
}

std::vector<uint8_t> VocabularyWriter::assemble() {
  std::vector<uint32_t> offsets = {0};
  for (const std::string &text : texts) {
    setTable(kTexts, text.data(), text.size());
    offsets.push_back(static_cast<uint32_t>(tables[kTexts].size()));
  }
  setTable(kTextOffsets, offsets);
  setTable(kModel, source.model.data(), source.model.size());
  setTable(kPre, source.pre.data(), source.pre.size());
  setTable(kChatTemplate, source.chatTemplate.data(), source.chatTemplate.size());
  if (pretokenizer)
    for (std::string_view pattern : pretokenizer->patterns) {
      setTable(kPatterns, pattern.data(), pattern.size());
      setTable(kPatterns, "", 1);
    }

  header.magic = kMagic;
  header.version = kVersion;
  header.kind = static_cast<uint32_t>(kind);
  header.numSymbols = static_cast<uint32_t>(texts.size());
  std::vector<uint8_t> bytes(sizeof(Header));
  for (uint32_t table = 0; table < kNumTables; ++table) {
    bytes.resize((bytes.size() + 7) / 8 * 8);
    header.tables[table] = {bytes.size(), tables[table].size()};
    bytes.insert(bytes.end(), tables[table].begin(), tables[table].end());
  }
  header.sizeBytes = bytes.size();
  std::memcpy(bytes.data(), &header, sizeof(Header));
  return bytes;
}

} // namespace kvasir
