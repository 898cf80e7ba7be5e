// SPDX-License-Identifier: MIT
#include "runtime/tools/npy_tensor.h"

#include "runtime/tools/failed.h"

#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>

namespace kvasir::tools {
namespace {

constexpr size_t kMostDims = 8;
constexpr std::string_view kMagic = "\x93NUMPY";

/// The header's dictionary, as Python writes it: strings, True, False and tuples of whole numbers.
class HeaderParser {
public:
  explicit HeaderParser(std::string_view text) : rest(text) {}

  struct Header {
    std::string type;
    bool isFortran = false;
    std::vector<uint64_t> dims;
  };

  /// Nothing if the text is no such dictionary, or one of the three is missing.
  std::optional<Header> parse() {
    Header header;
    unsigned found = 0;
    if (!take('{'))
      return std::nullopt;
    while (!take('}')) {
      const auto key = takeString();
      if (!key || !take(':'))
        return std::nullopt;
      const bool isRead = *key == "descr"           ? readType(header)
                          : *key == "fortran_order" ? readOrder(header)
                                                    : *key == "shape" && readShape(header);
      if (!isRead || (!take(',') && !startsWith('}')))
        return std::nullopt;
      ++found;
    }
    return found == 3 && !header.type.empty() ? std::optional(header) : std::nullopt;
  }

private:
  void skipSpaces() { rest.remove_prefix(std::min(rest.find_first_not_of(" \t\n"), rest.size())); }

  bool startsWith(char letter) {
    skipSpaces();
    return rest.starts_with(letter);
  }

  bool take(char letter) {
    if (!startsWith(letter))
      return false;
    rest.remove_prefix(1);
    return true;
  }

  std::optional<std::string> takeString() {
    const char quote = startsWith('\'') ? '\'' : '"';
    if (!take(quote))
      return std::nullopt;
    const size_t end = rest.find(quote);
    if (end == std::string_view::npos)
      return std::nullopt;
    std::string text(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    return text;
  }

  /// Of a structured type, which is a list, no string is taken.
  bool readType(Header &header) {
    const auto text = takeString();
    header.type = text.value_or("");
    return text.has_value();
  }

  bool readOrder(Header &header) {
    skipSpaces();
    header.isFortran = rest.starts_with("True");
    if (!header.isFortran && !rest.starts_with("False"))
      return false;
    rest.remove_prefix(header.isFortran ? 4 : 5);
    return true;
  }

  bool readShape(Header &header) {
    if (!take('('))
      return false;
    while (!take(')')) {
      skipSpaces();
      uint64_t dim;
      const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), dim);
      if (error != std::errc() || header.dims.size() == kMostDims)
        return false;
      rest.remove_prefix(end - rest.data());
      header.dims.push_back(dim);
      if (!take(',') && !startsWith(')'))
        return false;
    }
    return true;
  }

  std::string_view rest;
};

/// Of a file whose name every message begins with.
class Reader {
public:
  explicit Reader(const std::string &path) : path(path) {
    std::ifstream file(path, std::ios::binary);
    if (!file)
      fail(std::strerror(errno));
    content.assign(std::istreambuf_iterator<char>(file), {});
    if (file.bad())
      fail("it can't be read");
  }

  NpyTensor read() {
    const std::string_view header = takeHeader();
    const auto parsed = HeaderParser(header).parse();
    if (!parsed)
      fail("its header is not one of an array of numbers of at most 8 dims");
    NpyTensor tensor;
    takeType(parsed->type, tensor);
    tensor.dims = parsed->dims;
    takeElements(tensor, parsed->isFortran);
    return tensor;
  }

private:
  [[noreturn]] void fail(const std::string &reason) const { throw Failed("'" + path + "': " + reason); }

  /// The header's text; `at` is behind it then.
  std::string_view takeHeader() {
    const std::string_view all = content;
    if (!all.starts_with(kMagic) || all.size() < 10)
      fail("is no .npy file");
    const unsigned version = static_cast<uint8_t>(all[6]);
    if (version < 1 || version > 3)
      fail("is version " + std::to_string(version) + " of .npy; 1, 2 and 3 are known");
    const size_t lengthBytes = version == 1 ? 2 : 4;
    size_t length = 0;
    if (all.size() < 8 + lengthBytes)
      fail("ends in its header");
    for (size_t i = 0; i < lengthBytes; ++i)
      length |= size_t{static_cast<uint8_t>(all[8 + i])} << 8 * i;
    if (length > all.size() - 8 - lengthBytes)
      fail("ends in its header");
    at = 8 + lengthBytes + length;
    return all.substr(8 + lengthBytes, length);
  }

  void takeType(const std::string &type, NpyTensor &tensor) const {
    static constexpr std::string_view kTypes = " <f2 <f4 <f8 |i1 <i2 <i4 <i8 |u1 <u2 <u4 <u8 |b1 <i1 <u1 ";
    if (type.starts_with('>'))
      fail("holds big-endian numbers ('" + type + "'); save it with .astype('<" + type.substr(1) + "')");
    if (type.size() != 3 || type.find(' ') != std::string::npos || kTypes.find(" " + type + " ") == std::string::npos)
      fail("holds '" + type + "'; numbers of f2, f4, f8, i1 to i8, u1 to u8 and bools are known");
    tensor.kind = type[1];
    tensor.sizeBytes = static_cast<unsigned>(type[2] - '0');
  }

  void takeElements(NpyTensor &tensor, bool isFortran) const {
    uint64_t needed = tensor.sizeBytes;
    bool tooMany = false;
    for (const uint64_t dim : tensor.dims)
      tooMany |= __builtin_mul_overflow(needed, dim, &needed);
    if (tooMany || needed != content.size() - at)
      fail("has " + std::to_string(content.size() - at) + " bytes of elements; its shape needs " +
           (tooMany ? "more than there can be" : std::to_string(needed)));
    tensor.bytes.assign(content.begin() + static_cast<std::ptrdiff_t>(at), content.end());
    if (isFortran && needed)
      tensor.bytes = rowsOfColumns(tensor);
  }

  /// Fortran order has the first index run fastest.
  static std::vector<uint8_t> rowsOfColumns(const NpyTensor &tensor) {
    std::vector<uint8_t> rows(tensor.bytes.size());
    std::vector<uint64_t> index(tensor.dims.size());
    for (uint64_t row = 0; row < tensor.numElements(); ++row) {
      uint64_t column = 0;
      for (size_t dim = index.size(); dim-- > 0;)
        column = column * tensor.dims[dim] + index[dim];
      std::memcpy(&rows[row * tensor.sizeBytes], &tensor.bytes[column * tensor.sizeBytes], tensor.sizeBytes);
      for (size_t dim = index.size(); dim-- > 0 && ++index[dim] == tensor.dims[dim];)
        index[dim] = 0;
    }
    return rows;
  }

  const std::string path;
  std::string content;
  size_t at = 0;
};

} // namespace

NpyTensor readNpy(const std::string &path) { return Reader(path).read(); }

} // namespace kvasir::tools
