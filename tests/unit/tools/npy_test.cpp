// SPDX-License-Identifier: MIT
// Reading and writing NumPy's files, byte by byte.
#include "runtime/tools/failed.h"
#include "runtime/tools/npy_tensor.h"

#include <cmath>
#include <cstring>
#include <doctest/doctest.h>
#include <fstream>
#include <unistd.h>

using namespace kvasir;
using namespace kvasir::tools;

namespace {

struct File {
  explicit File(const std::string &bytes = "") : path("/tmp/kvasir-npy-" + std::to_string(getpid()) + ".npy") {
    std::ofstream(path, std::ios::binary) << bytes;
  }
  ~File() { unlink(path.c_str()); }
  const std::string path;
};

template <typename T> std::string bytesOf(const std::vector<T> &values) {
  return {reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T)};
}

/// Version 1 has a length of 2 bytes, later ones of 4.
std::string npy(const std::string &header, const std::string &elements, int version = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += static_cast<char>(version);
  bytes += '\0';
  for (size_t i = 0; i < (version == 1 ? 2u : 4u); ++i)
    bytes += static_cast<char>(header.size() >> 8 * i & 255);
  return bytes + header + elements;
}

std::string header(const std::string &type, const std::string &shape, const std::string &isFortran = "False") {
  return "{'descr': '" + type + "', 'fortran_order': " + isFortran + ", 'shape': " + shape + ", }   \n";
}

NpyTensor read(const std::string &bytes) { return readNpy(File(bytes).path); }

std::string refusal(const std::string &bytes) {
  const File file(bytes);
  try {
    readNpy(file.path);
    return "";
  } catch (const Failed &failed) {
    const std::string line = failed.what();
    CHECK(line.starts_with("'" + file.path + "': "));
    return line.substr(file.path.size() + 4);
  }
}

template <typename T> std::vector<T> as(const NpyTensor &tensor, ElementType type) {
  const std::vector<uint8_t> bytes = convertElements("x", tensor, type);
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

} // namespace

TEST_CASE("versions, shapes and types") {
  const std::vector<int32_t> values = {33, 7, 0, -12, 5, 60};
  for (const int version : {1, 2, 3}) {
    const NpyTensor tensor = read(npy(header("<i4", "(2, 3)"), bytesOf(values), version));
    CHECK(tensor.dims == std::vector<uint64_t>{2, 3});
    CHECK(as<int32_t>(tensor, ElementType::i32) == values);
    CHECK(as<int64_t>(tensor, ElementType::i64) == std::vector<int64_t>(values.begin(), values.end()));
    CHECK(as<float>(tensor, ElementType::f32) == std::vector<float>(values.begin(), values.end()));
  }
  CHECK(read(npy(header("<f8", "()"), bytesOf<double>({1.5}))).dims.empty());
  CHECK(read(npy(header("<f2", "(0, 3)"), "")).numElements() == 0);
  CHECK(read(npy("{\"shape\":(1,),\"descr\":\"|b1\",\"fortran_order\":False}", "\1")).dims.size() == 1);
  CHECK(as<uint16_t>(read(npy(header("<f8", "(2,)"), bytesOf<double>({1.0, -0.1}))), ElementType::f16) ==
        std::vector<uint16_t>{0x3c00, 0xae66});
}

TEST_CASE("columns become rows") {
  const std::vector<int32_t> columns = {0, 10, 1, 11, 2, 12}, rows = {0, 1, 2, 10, 11, 12};
  CHECK(as<int32_t>(read(npy(header("<i4", "(2, 3)", "True"), bytesOf(columns))), ElementType::i32) == rows);
  // [2, 2, 2]: element (i, j, k) is 4 i + 2 j + k and lies at i + 2 j + 4 k.
  const std::vector<int8_t> deep = {0, 4, 2, 6, 1, 5, 3, 7};
  CHECK(as<int8_t>(read(npy(header("|i1", "(2, 2, 2)", "True"), bytesOf(deep))), ElementType::i8) ==
        std::vector<int8_t>{0, 1, 2, 3, 4, 5, 6, 7});
}

TEST_CASE("numbers that do not fit are refused by name and place") {
  const auto longs = [](int64_t value) { return *tensorOfNumbers("1," + std::to_string(value)); };
  CHECK_THROWS_WITH_AS(convertElements("input ids", longs(int64_t{1} << 31), ElementType::i32),
                       "input ids holds a number at place 1 that i32 has no room for", Failed);
  CHECK_THROWS_AS(convertElements("x", longs(-1), ElementType::u8), Failed);
  CHECK(as<int32_t>(longs(-(int64_t{1} << 31)), ElementType::i32)[1] == std::numeric_limits<int32_t>::min());
  const NpyTensor huge = read(npy(header("<u8", "(1,)"), bytesOf<uint64_t>({~uint64_t{0}})));
  CHECK_THROWS_AS(convertElements("x", huge, ElementType::i64), Failed);
  CHECK_THROWS_WITH_AS(convertElements("input ids", *tensorOfNumbers("1.5"), ElementType::i32),
                       "input ids holds f8; the function takes i32", Failed);
}

TEST_CASE("numbers of a command line") {
  CHECK(tensorOfNumbers("33,7,-1")->dims == std::vector<uint64_t>{3});
  CHECK(as<float>(*tensorOfNumbers("1,-0.5"), ElementType::f32) == std::vector<float>{1, -0.5f});
  CHECK(std::isinf(as<float>(*tensorOfNumbers("-inf"), ElementType::f32)[0]));
  for (const char *text : {"", "1,", ",1", "a.npy", "1;2", "1 "})
    CHECK(!tensorOfNumbers(text));
}

TEST_CASE("what is written is read again") {
  const std::vector<int64_t> values = {1, -2, 3};
  const File file;
  for (const std::vector<uint64_t> &dims : {std::vector<uint64_t>{3}, {1, 3}, {3, 1, 1}}) {
    writeNpy(file.path, ElementType::i64, dims, values.data());
    CHECK(readNpy(file.path).dims == dims);
    CHECK(as<int64_t>(readNpy(file.path), ElementType::i64) == values);
  }
  const std::vector<uint16_t> one = {0x3f80};
  writeNpy(file.path, ElementType::bf16, {}, one.data());
  CHECK(as<float>(readNpy(file.path), ElementType::f32) == std::vector<float>{1});
}

TEST_CASE("a file appears whole, and nothing beside it is touched") {
  const std::vector<int64_t> values = {1, -2, 3};
  const File file;
  const std::string part = file.path + ".part";
  REQUIRE(symlink("/nowhere/at/all", part.c_str()) == 0);
  writeNpy(file.path, ElementType::i64, {3}, values.data());
  CHECK(as<int64_t>(readNpy(file.path), ElementType::i64) == values);
  CHECK(unlink(part.c_str()) == 0);
}

TEST_CASE("files that are none are refused in a line") {
  CHECK(refusal("") == "is no .npy file");
  CHECK(refusal(npy(header("<i4", "(1,)"), "1234", 4)) == "is version 4 of .npy; 1, 2 and 3 are known");
  CHECK(refusal(npy(header(">i4", "(1,)"), "1234")) == "holds big-endian numbers ('>i4'); save it with .astype('<i4')");
  CHECK(refusal(npy(header("<U4", "(1,)"), "1234")).starts_with("holds '<U4'; numbers of"));
  CHECK(refusal(npy(header("<i4", "(2,)"), "1234")) == "has 4 bytes of elements; its shape needs 8");
  CHECK(refusal(npy(header("<i4", "(4294967296, 4294967296)"), "")) ==
        "has 0 bytes of elements; its shape needs more than there can be");
  const std::string odd = "its header is not one of an array of numbers of at most 8 dims";
  for (const char *text :
       {"", "{}", "{'descr': '<i4'}", "{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': ()}",
        "{'descr': '<i4', 'fortran_order': Maybe, 'shape': ()}", "{'descr': '<i4",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}"})
    CHECK_MESSAGE(refusal(npy(text, "1234")) == odd, text);
}

TEST_CASE("no damage does more than be refused") {
  const std::string whole = npy(header("<i4", "(2, 3)", "True"), std::string(24, 'x'), 2);
  for (size_t length = 0; length < whole.size(); ++length)
    CHECK(refusal(whole.substr(0, length)) != "");
  for (size_t at = 0; at < whole.size() - 24; ++at)
    for (const char letter : {'\0', '\xff', '9', ')', '\''}) {
      std::string damaged = whole;
      damaged[at] = letter;
      refusal(damaged);
    }
}
