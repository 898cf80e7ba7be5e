// SPDX-License-Identifier: MIT
// Each weight format of GGUF against gguf-py's values, which generate_dequantised.py wrote; and the joins of forms.
#include "compiler/frontends/gguf/block_formats.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

using namespace kvasir;

namespace {

/// One row of blocks and its values.
struct Golden {
  std::vector<uint8_t> blocks;
  std::vector<float> values;
};

Golden readGolden(const std::string &type) {
  std::ifstream file(KVASIR_TEST_DATA "/dequantised/" + type + ".bin", std::ios::binary);
  std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
  REQUIRE(bytes.size() > 8);
  uint32_t sizes[2];
  std::memcpy(sizes, bytes.data(), sizeof(sizes));
  REQUIRE(bytes.size() == 8 + sizes[1] + 4 * size_t(sizes[0]));
  Golden golden{{bytes.begin() + 8, bytes.begin() + 8 + sizes[1]}, std::vector<float>(sizes[0])};
  std::memcpy(golden.values.data(), bytes.data() + 8 + sizes[1], 4 * golden.values.size());
  return golden;
}

const gguf::TensorType &typeNamed(std::string_view name) {
  for (uint32_t number = 0; number < 64; ++number)
    if (const gguf::TensorType *type = gguf::findTensorType(number); type && type->name == name)
      return *type;
  FAIL("no type ", name);
  std::abort();
}

WeightRow unpack(const std::string &type, const Golden &golden) {
  const gguf::TensorType &tensorType = typeNamed(type);
  CHECK(golden.blocks.size() * tensorType.blockElements == golden.values.size() * tensorType.blockBytes);
  const gguf::BlockFormat *format = gguf::findBlockFormat(tensorType);
  REQUIRE(format);
  WeightRow row(format->form, golden.values.size());
  format->unpack(golden.blocks.data(), row);
  return row;
}

void checkBits(const WeightRow &row, const std::vector<float> &expected) {
  std::vector<float> values(expected.size());
  dequantise(row, values.data());
  CHECK(std::memcmp(values.data(), expected.data(), 4 * values.size()) == 0);
}

} // namespace

TEST_CASE("every format gives gguf-py's values bit for bit") {
  for (const gguf::BlockFormat &format : gguf::blockFormats()) {
    const char *type = format.type;
    CAPTURE(type);
    Golden golden = readGolden(type);
    checkBits(unpack(type, golden), golden.values);
  }
}

TEST_CASE("codes fit their type") {
  for (const gguf::BlockFormat &format : gguf::blockFormats()) {
    const char *type = format.type;
    CAPTURE(type);
    WeightRow row = unpack(type, readGolden(type));
    const WeightForm &form = row.form();
    if (elementBits(form.codes) >= 8 && !form.values)
      continue;
    for (uint64_t i = 0; i < row.columns(); ++i)
      if (form.values)
        REQUIRE(std::ranges::count(*form.values, int8_t(row.codes()[i])) > 0);
      else
        REQUIRE(row.codes()[i] < 1u << elementBits(form.codes));
  }
}

TEST_CASE("a join of two formats holds either without loss") {
  for (const gguf::BlockFormat &one : gguf::blockFormats())
    for (const gguf::BlockFormat &format : gguf::blockFormats()) {
      const char *first = one.type, *second = format.type;
      CAPTURE(first);
      CAPTURE(second);
      Golden golden = readGolden(first);
      WeightRow row = unpack(first, golden);
      WeightForm other = gguf::findBlockFormat(typeNamed(second))->form;
      WeightForm joined = joinForms(row.form(), other);
      CHECK(joined == joinForms(other, row.form()));
      CHECK(joinForms(joined, other) == joined);
      WeightRow converted(joined, row.columns());
      convertRow(row, converted);
      std::vector<float> values(golden.values.size());
      dequantise(converted, values.data());
      for (size_t i = 0; i < values.size(); ++i)
        REQUIRE(values[i] == golden.values[i]); // a min of 0 turns -0 into 0
    }
}

TEST_CASE("joins keep codes narrow") {
  auto join = [](const char *a, const char *b) {
    return describe(joinForms(gguf::findBlockFormat(typeNamed(a))->form, gguf::findBlockFormat(typeNamed(b))->form));
  };
  CHECK(join("Q2_K", "Q3_K") == "u3 in groups of 16, scale i8, min i8, zero 4");
  CHECK(join("Q3_K", "Q6_K") == "u6 in groups of 16, scale i8, zero 32");
  CHECK(join("IQ4_XS", "Q5_K") == "i8 in groups of 32, scale i8, min i8");
  CHECK(join("MXFP4", "Q5_0") == "u5 in groups of 32, scale f32, zero 16");
  CHECK(join("Q4_K", "Q6_K") == "u6 in groups of 16, scale i8, min i8, zero 32");
  CHECK(join("Q4_K", "Q5_1") == "u5 in groups of 32, scale f32, min f32");
  CHECK(join("Q4_K", "Q8_0") == "i8 in groups of 32, scale f32, min f32");
  CHECK(join("Q4_0", "Q5_0") == "u5 in groups of 32, scale f16, zero 16");
  CHECK(join("Q5_0", "Q8_0") == "i8 in groups of 32, scale f16");
  CHECK(join("MXFP4", "Q8_0") == "i8 in groups of 32, scale f32");
  CHECK(join("F16", "F16") == "f16");
  CHECK(join("F16", "BF16") == "f32");
  CHECK(join("Q4_1", "F16") == "f32");
}

TEST_CASE("a type that weights can't have is named") {
  gguf::Tensor tensor{};
  tensor.name = "blk.0.attn_q.weight";
  tensor.type = &typeNamed("IQ2_XXS");
  Result<const gguf::BlockFormat *> format = gguf::blockFormatOf(tensor);
  REQUIRE(!format);
  std::string names;
  for (const gguf::BlockFormat &known : gguf::blockFormats())
    names += (names.empty() ? "" : ", ") + std::string(known.type);
  CHECK(names.starts_with("BF16, F16, F32, "));
  CHECK(format.message() ==
        "tensor 'blk.0.attn_q.weight' has type IQ2_XXS (16), which is not read yet; weights may be " + names);
}
