// SPDX-License-Identifier: MIT
// The GGUF reader on right files, on each way of being wrong, and on 5000 damaged ones.
#include "compiler/frontends/gguf/reader.h"
#include "tests/unit/damage.h"
#include "tests/unit/gguf_bytes.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

using namespace kvasir;

namespace {

constexpr uint32_t kString = 8, kArray = 9;

/// Two tensors and one value of each kind.
GgufBytes smallFile() {
  GgufBytes file;
  file.header(2, 7);
  file.text("general.architecture").number(kString).text("llama");
  file.u32("llama.block_count", 2);
  file.text("answer").number(uint32_t(5)).number(int32_t(-42));
  file.text("epsilon").number(uint32_t(6)).number(1e-5f);
  file.text("flag").number(uint32_t(7)).number(uint8_t(1));
  file.text("tokens").number(kArray).number(kString).number(uint64_t(3)).text("a").text("").text("c\n");
  file.text("factors").number(kArray).number(uint32_t(6)).number(uint64_t(2)).number(1.5f).number(2.5f);
  file.tensor("token_embd.weight", {32, 4}, 8, 0).tensor("output_norm.weight", {32}, 0, 160);
  return file.align().zeros(160 + 128);
}

void writeFile(const std::string &path, const std::vector<uint8_t> &bytes) {
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char *>(bytes.data()), ptrdiff_t(bytes.size()));
}

std::string messageOf(const GgufBytes &file) {
  Result<gguf::File> parsed = gguf::File::parse(file.bytes);
  return parsed ? "" : parsed.message();
}

} // namespace

TEST_CASE("metadata and tensors are read as they are") {
  GgufBytes bytes = smallFile();
  Result<gguf::File> file = gguf::File::parse(bytes.bytes);
  REQUIRE_MESSAGE(file, file.message());
  CHECK(file->find("general.architecture")->asString() == "llama");
  CHECK(file->find("llama.block_count")->asUnsigned() == 2);
  CHECK(file->find("answer")->asSigned() == -42);
  CHECK(!file->find("answer")->asUnsigned());
  CHECK(file->find("epsilon")->asReal() == double(1e-5f));
  CHECK(file->find("flag")->asBool() == true);
  CHECK(file->find("tokens")->asStrings() == std::vector<std::string_view>{"a", "", "c\n"});
  CHECK(file->find("tokens")->summary() == "3 x string ['a', '', 'c\\x0a']");
  CHECK(file->find("factors")->asReals() == std::vector<float>{1.5f, 2.5f});
  CHECK(!file->find("factors")->asIntegers());
  CHECK(!file->find("nothing"));

  const gguf::Tensor *embedding = file->findTensor("token_embd.weight");
  REQUIRE(embedding);
  CHECK(embedding->type->name == std::string("Q8_0"));
  CHECK(embedding->bytes.size() == 4 * 34);
  CHECK(embedding->dims[0] == 32);
  CHECK(embedding->dims[1] == 4);
  CHECK(file->findTensor("output_norm.weight")->offsetBytes == embedding->offsetBytes + 160);
}

TEST_CASE("versions that are not read are named") {
  CHECK(messageOf(GgufBytes().header(0, 0, 2)) == "");
  CHECK(messageOf(GgufBytes().header(0, 0, 1)).find("version 1") != std::string::npos);
  CHECK(messageOf(GgufBytes().header(0, 0, 4)).find("version 4") != std::string::npos);
  CHECK(messageOf(GgufBytes().header(0, 0, 0x03000000)).find("big-endian") != std::string::npos);
  CHECK(messageOf(GgufBytes().text("PK")).find("is no GGUF file") == 0);
  CHECK(messageOf(GgufBytes()).find("is no GGUF file") == 0);
}

TEST_CASE("huge counts and lengths are refused before anything is made of them") {
  constexpr uint64_t kHuge = uint64_t(1) << 62;
  CHECK(messageOf(GgufBytes().header(kHuge, 0)) == "claims 4611686018427387904 tensors, more than it has bytes for");
  CHECK(messageOf(GgufBytes().header(0, kHuge)) ==
        "claims 4611686018427387904 metadata values, more than it has bytes for");
  CHECK(messageOf(GgufBytes().header(0, 1).number(kHuge).zeros(100)) == "is cut short in metadata key 0");
  CHECK(messageOf(GgufBytes().header(0, 1).text("a").number(kArray).number(uint32_t(10)).number(kHuge).zeros(9)) ==
        "metadata 'a' can't be read: its value is cut short");
  CHECK(messageOf(GgufBytes().header(0, 1).text("a").number(kArray).number(kString).number(kHuge).zeros(9)) ==
        "metadata 'a' can't be read: its value is cut short");
  CHECK(messageOf(GgufBytes().header(0, 1).text("a").number(kArray).number(kArray).number(uint64_t(1)).zeros(9)) ==
        "metadata 'a' can't be read: it is an array of type 9; numbers, booleans or strings are expected");
  CHECK(messageOf(GgufBytes().header(1, 0).tensor("t", {kHuge, kHuge}, 0, 0)) ==
        "tensor 't' lies beyond the end of the file: the file is cut short or damaged");
  CHECK(messageOf(GgufBytes().header(1, 0).tensor("t", {8}, 0, kHuge).align().zeros(32)) ==
        "tensor 't' lies beyond the end of the file: the file is cut short or damaged");
}

TEST_CASE("a table that can't be right is refused") {
  auto withTensor = [](const std::vector<uint64_t> &dims, uint32_t type, uint64_t offset) {
    return messageOf(GgufBytes().header(1, 0).tensor("a\nb", dims, type, offset).align().zeros(256));
  };
  CHECK(withTensor({8}, 0, 0) == "");
  CHECK(withTensor({8}, 77, 0) == "tensor 'a\\x0ab' has type 77, which is not known");
  CHECK(withTensor({}, 0, 0) == "tensor 'a\\x0ab' has 0 dimensions; 1 to 4 are expected");
  CHECK(withTensor({0}, 0, 0) == "tensor 'a\\x0ab' has a dimension of 0");
  CHECK(withTensor({40}, 2, 0) == "tensor 'a\\x0ab' has rows of 40 elements; type Q4_0 has blocks of 32");
  CHECK(withTensor({8}, 0, 4) == "tensor 'a\\x0ab' begins at 4, not at a multiple of 32");
  CHECK(messageOf(GgufBytes().header(2, 0).tensor("a", {9}, 0, 0).tensor("b", {8}, 0, 32).align().zeros(64)) ==
        "tensor 'b' overlaps tensor 'a'");
  CHECK(messageOf(GgufBytes().header(2, 0).tensor("a", {8}, 0, 0).tensor("a", {8}, 0, 32).align().zeros(64)) ==
        "has tensor 'a' twice");
  CHECK(messageOf(GgufBytes().header(0, 2).u32("k", 1).u32("k", 2)) == "has metadata 'k' twice");
  CHECK(messageOf(GgufBytes().header(0, 1).u32("general.alignment", 0)) ==
        "has alignment 0; a power of two is expected");
  CHECK(messageOf(GgufBytes().header(0, 1).text("k").number(uint32_t(13))) ==
        "metadata 'k' can't be read: its value has type 13, which there is not");
}

TEST_CASE("every file cut short is refused") {
  std::vector<uint8_t> whole = smallFile().bytes;
  for (size_t size = 0; size < whole.size(); ++size) {
    std::vector<uint8_t> part(whole.begin(), whole.begin() + ptrdiff_t(size)); // a copy: ASan sees its end
    CAPTURE(size);
    Result<gguf::File> file = gguf::File::parse(part);
    REQUIRE(!file);
    REQUIRE(file.message().find('\n') == std::string::npos);
  }
}

TEST_CASE("damaged files are read or refused in one line") {
  std::mt19937 random(1);
  for (int i = 0; i < 5000; ++i) {
    std::vector<uint8_t> bytes = damaged(smallFile().bytes, random);
    Result<gguf::File> file = gguf::File::parse(bytes);
    if (!file) {
      REQUIRE(file.message().find('\n') == std::string::npos);
      continue;
    }
    for (const auto &[key, value] : file->metadata()) {
      value.summary();
      value.asStrings();
      value.asIntegers();
      value.asReals();
    }
    for (const gguf::Tensor &tensor : file->tensors())
      REQUIRE(tensor.bytes.data() + tensor.bytes.size() <= bytes.data() + bytes.size());
  }
}

TEST_CASE("files that can't be opened are refused") {
  CHECK(gguf::File::open("/nonexistent.gguf").message() == "No such file or directory");
  CHECK(gguf::File::open("/").message() == "not a regular file");
  CHECK(gguf::File::open("/dev/null").message() == "not a regular file");
}

namespace {
/// Files of one tensor each, `name` and its number, of a model in `count` parts.
struct Parts {
  std::string stem;
  uint64_t count;

  std::string path(uint64_t part) const {
    return stem + "-0000" + std::to_string(part + 1) + "-of-0000" + std::to_string(count) + ".gguf";
  }
  void write(uint64_t part, uint16_t number, const std::string &tensor, int32_t numTensors) const {
    GgufBytes file;
    file.header(1, 4);
    file.u32("part", uint32_t(part));
    file.text("split.no").number(uint32_t(2)).number(number);
    file.text("split.count").number(uint32_t(2)).number(uint16_t(count));
    file.text("split.tensors.count").number(uint32_t(5)).number(numTensors);
    file.tensor(tensor, {32}, 0, 0).align();
    for (int i = 0; i < 32; ++i)
      file.number(float(part));
    writeFile(path(part), file.bytes);
  }
  ~Parts() {
    for (uint64_t part = 0; part < count; ++part)
      std::remove(path(part).c_str());
  }
};
} // namespace

TEST_CASE("a model in several files is one, whichever of them is named") {
  const Parts parts{"gguf_test_parts", 3};
  for (uint64_t part = 0; part < 3; ++part)
    parts.write(part, uint16_t(part), "tensor." + std::to_string(part), 3);
  for (uint64_t named = 0; named < 3; ++named) {
    Result<gguf::File> file = gguf::File::open(parts.path(named));
    REQUIRE_MESSAGE(file, file.message());
    CHECK(file->find("part")->asUnsigned() == 0);
    REQUIRE(file->tensors().size() == 3);
    for (uint64_t part = 0; part < 3; ++part) {
      float first;
      std::memcpy(&first, file->findTensor("tensor." + std::to_string(part))->bytes.data(), sizeof(first));
      CHECK(first == float(part));
    }
  }
}

TEST_CASE("parts that make no model are refused, by the part") {
  const Parts parts{"gguf_test_parts", 3};
  auto message = [&](uint64_t part) { return gguf::File::open(parts.path(part)).message(); };
  for (uint64_t part : {0, 2})
    parts.write(part, uint16_t(part), "tensor." + std::to_string(part), 3);
  CHECK(message(0) == "part 2 of 3, 'gguf_test_parts-00002-of-00003.gguf': No such file or directory");
  parts.write(1, 2, "tensor.1", 3);
  CHECK(message(0) == "part 2 of 3, 'gguf_test_parts-00002-of-00003.gguf': is another part, or of another model");
  CHECK(message(1) == "is part 3 of 3 of a model; the others are found by its name, which must end in "
                      "'-00003-of-00003.gguf'");
  parts.write(1, 1, "tensor.0", 3);
  CHECK(message(0) == "part 2 of 3 has tensor 'tensor.0', which an earlier part has, too");
  parts.write(1, 1, "tensor.1", 3);
  parts.write(0, 0, "tensor.0", 4);
  CHECK(message(0) == "says that its parts have 4 tensors; they have 3");
  parts.write(0, 3, "tensor.0", 3);
  CHECK(message(0) == "says that it is a part of a model in several files, but not which of how many");
}

TEST_CASE("what a file says of parts may be anything") {
  const std::string folder = "gguf_test_folder";
  std::filesystem::create_directory(folder);
  auto opened = [&](const std::string &name, const auto &write) {
    GgufBytes file;
    file.header(0, 1).text("split.count");
    write(file);
    const std::string path = folder + "/" + name;
    writeFile(path, file.align().bytes);
    Result<gguf::File> result = gguf::File::open(path);
    return result ? "" : result.message();
  };
  const std::string strange = "says that it is a part of a model in several files, but not which of how many";
  for (uint16_t count : {0, 1}) // one that was put together
    CHECK(opened("whole.gguf", [&](GgufBytes &file) { file.number(uint32_t(2)).number(count); }) == "");
  CHECK(opened("text.gguf", [](GgufBytes &file) { file.number(kString).text("2"); }) == strange);
  CHECK(opened("negative.gguf", [](GgufBytes &file) { file.number(uint32_t(5)).number(int32_t(-2)); }) == strange);
  CHECK(opened("many.gguf", [](GgufBytes &file) { file.number(uint32_t(4)).number(uint32_t(65536)); }) == strange);
  auto two = [](GgufBytes &file) { file.number(uint32_t(2)).number(uint16_t(2)); };
  CHECK(opened("m-00001-of-00002.gguf", two) == "part 2 of 2, 'm-00002-of-00002.gguf': No such file or directory");
  CHECK(opened("-00001-of-00002.gguf", two) == "part 2 of 2, '-00002-of-00002.gguf': No such file or directory");
  std::filesystem::remove_all(folder);
}

TEST_CASE("a file on disk outlives its descriptor") {
  std::string path = "gguf_test.gguf";
  writeFile(path, smallFile().bytes);
  Result<gguf::File> file = gguf::File::open(path);
  std::remove(path.c_str());
  REQUIRE_MESSAGE(file, file.message());
  gguf::File moved = std::move(*file);
  CHECK(moved.find("llama.block_count")->asUnsigned() == 2);
}
