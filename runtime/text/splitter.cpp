// SPDX-License-Identifier: MIT
#define PCRE2_CODE_UNIT_WIDTH 8
#include "runtime/text/splitter.h"

#include "runtime/text/utf8.h"

#include <pcre2.h>

namespace kvasir {

namespace {

struct ReleaseMatch {
  void operator()(pcre2_match_data *match) const { pcre2_match_data_free(match); }
};

std::string pcreMessage(int code) {
  char line[120] = "";
  pcre2_get_error_message(code, reinterpret_cast<PCRE2_UCHAR *>(line), sizeof(line));
  return line;
}

/// Machine code has a stack of its own, and a small one; the interpreter finishes what that is too small for.
int matchAt(const pcre2_code *pattern, std::string_view text, size_t begin, uint32_t options, pcre2_match_data *match) {
  auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  int code = pcre2_match(pattern, subject, text.size(), begin, options | PCRE2_NO_UTF_CHECK, match, nullptr);
  if (code == PCRE2_ERROR_JIT_STACKLIMIT)
    code =
        pcre2_match(pattern, subject, text.size(), begin, options | PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match, nullptr);
  return code;
}

/// Appends the pieces of `text`, which is UTF-8. A match may be empty: it then only cuts.
Status cut(const pcre2_code *pattern, std::string_view text, pcre2_match_data *match,
           std::vector<std::string_view> &pieces) {
  const PCRE2_SIZE *place = pcre2_get_ovector_pointer(match);
  size_t begin = 0, at = 0;
  uint32_t options = 0;
  auto append = [&](size_t end) {
    if (end > begin)
      pieces.push_back(text.substr(begin, end - begin));
    begin = end;
  };
  while (at <= text.size()) {
    int code = matchAt(pattern, text, at, options, match);
    if (code == PCRE2_ERROR_NOMATCH)
      break;
    if (code < 0)
      return Failure{"the pre-tokenizer failed on this text: " + pcreMessage(code)};
    if (place[0] < at || place[1] < place[0]) // \K in what is looked at or called can do that
      return Failure{
          "the pre-tokenizer failed on this text: a match ends before it begins, or begins in the one before"};
    append(place[0]);
    append(place[1]);
    at = place[1];
    options = place[0] == place[1] ? PCRE2_NOTEMPTY_ATSTART : 0;
  }
  append(text.size());
  return Done{};
}

/// The length of what `text` begins with: well-formed characters, or bytes that are not.
size_t lengthOf(Utf8 kind, std::string_view text) {
  size_t length = 0;
  while (length < text.size()) {
    Utf8Step step = firstOfUtf8(text.substr(length));
    if ((step.kind == Utf8::character) != (kind == Utf8::character))
      break;
    length += step.sizeBytes;
  }
  return length;
}

} // namespace

void Splitter::Release::operator()(pcre2_real_code_8 *pattern) const { pcre2_code_free(pattern); }

Result<Splitter> Splitter::make(std::span<const std::string_view> patterns) {
  Splitter splitter;
  for (std::string_view pattern : patterns) {
    int code = 0;
    PCRE2_SIZE place = 0;
    pcre2_code *compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                         PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &place, nullptr);
    if (!compiled)
      return Failure{"bad pattern of the pre-tokenizer: " + pcreMessage(code) + " at byte " + std::to_string(place)};
    splitter.patterns.emplace_back(compiled);
    // Fails where memory can't be made executable; matching then interprets the pattern.
    pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
  }
  return splitter;
}

Result<std::vector<std::string_view>> Splitter::split(std::string_view text) const {
  std::unique_ptr<pcre2_match_data, ReleaseMatch> match(pcre2_match_data_create(1, nullptr));
  if (!match)
    return Failure{"out of memory"};
  std::vector<std::string_view> words, pieces, cuts;
  while (!text.empty()) {
    size_t valid = lengthOf(Utf8::character, text);
    pieces.assign(valid > 0, text.substr(0, valid));
    for (const auto &pattern : patterns) {
      cuts.clear();
      for (std::string_view piece : pieces)
        if (Status done = cut(pattern.get(), piece, match.get(), cuts); !done)
          return Failure{done.message()};
      pieces.swap(cuts);
    }
    words.insert(words.end(), pieces.begin(), pieces.end());
    text.remove_prefix(valid);
    size_t invalid = lengthOf(Utf8::invalid, text);
    if (invalid > 0)
      words.push_back(text.substr(0, invalid));
    text.remove_prefix(invalid);
  }
  return words;
}

} // namespace kvasir
