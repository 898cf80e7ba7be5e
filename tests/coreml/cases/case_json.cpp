// SPDX-License-Identifier: MIT
#include "tests/coreml/cases/case_json.h"

#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>

namespace kvasir::coreml_cases {
namespace {

using imported::Tensor;

constexpr uint64_t kMostElements = uint64_t{1} << 28;
constexpr size_t kMostDims = 8;

[[noreturn]] void fail(const std::string &line) { throw std::runtime_error(line); }

struct ElementName {
  const char *name;
  ElementType element;
};

constexpr ElementName kElements[] = {
    {"fp16", ElementType::f16}, {"fp32", ElementType::f32}, {"fp64", ElementType::f64},  {"int8", ElementType::i8},
    {"uint8", ElementType::u8}, {"bool", ElementType::u8},  {"int32", ElementType::i32}, {"int64", ElementType::i64}};

/// The last two dims are a mask's rows and columns; the rest of the dims repeat it.
struct MaskShape {
  uint64_t rows, columns;

  explicit MaskShape(const Tensor &tensor) {
    if (tensor.dims.empty())
      fail("a mask has no dims");
    columns = tensor.dims.back();
    rows = tensor.dims.size() > 1 ? tensor.dims[tensor.dims.size() - 2] : 1;
  }
};

/// Each element of a mask is 0 where `isVisible(row, column)`, else `hidden`.
template <typename Visible> void fillMask(Tensor &tensor, double hidden, Visible isVisible) {
  const MaskShape shape(tensor);
  for (uint64_t i = 0; i < tensor.numElements(); ++i)
    tensor.set(i, isVisible(i / shape.columns % shape.rows, i % shape.columns) ? 0 : hidden);
}

void fillValues(Tensor &tensor, const Json &input) {
  const Json &values = member(input, "values");
  if (!values.is_array() || values.size() != tensor.numElements())
    fail("an input of shape " + text(tensor) + " has " + std::to_string(values.size()) + " values");
  for (uint64_t i = 0; i < tensor.numElements(); ++i)
    tensor.set(i, numberOf(values[i]));
}

void fillCausal(Tensor &tensor, const Json &input) {
  const double past = numberOf(member(input, "past"));
  fillMask(tensor, numberOf(member(input, "neg")), [&](uint64_t row, uint64_t column) {
    return static_cast<double>(column) <= past + static_cast<double>(row);
  });
}

void fillVisible(Tensor &tensor, const Json &input) {
  const Json &rows = member(input, "rows");
  if (!rows.is_array() || rows.size() != MaskShape(tensor).rows)
    fail("'visible' has no list for each row of " + text(tensor));
  const auto isVisible = [&](uint64_t row, uint64_t column) {
    for (const Json &each : rows[row])
      if (countOf(each) == column)
        return true;
    return false;
  };
  fillMask(tensor, numberOf(member(input, "neg")), isVisible);
}

void fillConstant(Tensor &tensor, const Json &input) {
  const double value = numberOf(member(input, "value"));
  for (uint64_t i = 0; i < tensor.numElements(); ++i)
    tensor.set(i, value);
}

void fillRandom(Tensor &tensor, const Json &input) {
  const int64_t low = member(input, "lo").get<int64_t>(), high = member(input, "hi").get<int64_t>();
  const double scale = numberOf(member(input, "scale"));
  uint32_t state = member(input, "seed").get<uint32_t>();
  if (high < low || high - low >= (int64_t{1} << 24))
    fail("'lcg' from " + std::to_string(low) + " to " + std::to_string(high) + " is no range");
  for (uint64_t i = 0; i < tensor.numElements(); ++i) {
    state = state * 1664525 + 1013904223;
    tensor.set(i, static_cast<double>(low + int64_t{state >> 8} % (high - low + 1)) * scale);
  }
}

struct Generator {
  const char *name;
  void (*fill)(Tensor &, const Json &);
};

constexpr Generator kGenerators[] = {
    {"causal", fillCausal}, {"visible", fillVisible}, {"const", fillConstant}, {"lcg", fillRandom}};

} // namespace

std::vector<uint8_t> readBytes(const std::filesystem::path &path) {
  std::error_code error;
  std::ifstream file(path, std::ios::binary);
  if (!file || !std::filesystem::is_regular_file(path, error))
    fail("cannot read '" + path.string() + "'");
  return {std::istreambuf_iterator<char>(file), {}};
}

Json readJson(const std::filesystem::path &path) {
  const std::vector<uint8_t> bytes = readBytes(path);
  try {
    return Json::parse(bytes);
  } catch (const Json::exception &error) {
    fail("'" + path.string() + "' is no JSON: " + error.what());
  }
}

const Json &member(const Json &object, const char *name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  if (!object.is_object() || found == object.end())
    fail("'" + std::string(name) + "' is missing");
  return *found;
}

std::string textOf(const Json &object, const char *name) {
  const Json &value = member(object, name);
  if (!value.is_string())
    fail("'" + std::string(name) + "' is no string");
  return value.get<std::string>();
}

double numberOf(const Json &value) {
  if (value.is_number())
    return value.get<double>();
  if (value.is_boolean())
    return value.get<bool>();
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  if (text == "inf" || text == "-inf")
    return (text == "inf" ? 1 : -1) * std::numeric_limits<double>::infinity();
  if (text == "nan")
    return std::numeric_limits<double>::quiet_NaN();
  fail(value.dump() + " is no number");
}

uint64_t countOf(const Json &value) {
  if (!value.is_number_unsigned())
    fail(value.dump() + " is no count");
  return value.get<uint64_t>();
}

std::vector<uint64_t> dimsOf(const Json &shape) {
  std::vector<uint64_t> dims;
  uint64_t elements = 1;
  if (!shape.is_array() || shape.size() > kMostDims)
    fail(shape.dump() + " is no shape");
  for (const Json &dim : shape) {
    dims.push_back(countOf(dim));
    if (__builtin_mul_overflow(elements, dims.back(), &elements) || elements > kMostElements)
      fail(shape.dump() + " is too large");
  }
  return dims;
}

ElementType elementOf(const Json &dtype) {
  for (const ElementName &each : kElements)
    if (dtype == each.name)
      return each.element;
  fail("dtype " + dtype.dump() + " is not known");
}

imported::Tensor makeInput(const Json &input) {
  Tensor tensor = Tensor::make(elementOf(member(input, "dtype")), dimsOf(member(input, "shape")));
  if (!input.contains("gen")) {
    fillValues(tensor, input);
    return tensor;
  }
  for (const Generator &generator : kGenerators)
    if (input["gen"] == generator.name) {
      generator.fill(tensor, input);
      return tensor;
    }
  fail("generator " + input["gen"].dump() + " is not known");
}

} // namespace kvasir::coreml_cases
