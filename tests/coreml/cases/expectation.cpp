// SPDX-License-Identifier: MIT
#include "tests/coreml/cases/expectation.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace kvasir::coreml_cases {
namespace {

using imported::Rows;
using imported::SlabRows;
using imported::Tensor;

constexpr uint64_t kMostRows = uint64_t{1} << 24;

std::string shortText(double value) {
  char line[32];
  std::snprintf(line, sizeof line, "%.9g", value);
  return line;
}

bool isNear(double actual, double expected, double tolerance) {
  if (std::isnan(expected) || std::isinf(expected))
    return std::isnan(expected) ? std::isnan(actual) : actual == expected;
  return std::fabs(actual - expected) <= tolerance;
}

/// Compares elements of one tensor, and keeps the worst of those that are too far away.
class Comparison {
public:
  Comparison(const Tensor &actual, double tolerance)
      : actual(actual), tolerance(tolerance), rounded(Tensor::make(actual.element, {1})) {}

  /// `expected` is as text has it: the nearest number of the type is meant.
  void element(uint64_t index, double expected) {
    if (index >= actual.numElements())
      throw std::runtime_error("element " + std::to_string(index) + " is expected of " + text(actual));
    rounded.set(0, expected);
    const double due = rounded.at(0), found = actual.at(index);
    if (isNear(found, due, tolerance))
      return;
    const double distance = std::isfinite(found - due) ? std::fabs(found - due) : INFINITY;
    if (numWrong++ == 0 || distance > worst) {
      worst = distance;
      line = "element " + std::to_string(index) + " is " + shortText(found) + ", expected " + shortText(due) +
             (tolerance > 0 ? " ± " + shortText(tolerance) : "");
    }
  }

  std::string result() const { return numWrong > 1 ? line + " (the worst of " + std::to_string(numWrong) + ")" : line; }

private:
  const Tensor &actual;
  const double tolerance;
  Tensor rounded;
  uint64_t numWrong = 0;
  double worst = 0;
  std::string line;
};

void compareList(Comparison &comparison, const Json &values, const Tensor &actual) {
  if (!values.is_array() || values.size() != actual.numElements())
    throw std::runtime_error(text(actual) + " is expected to have " + std::to_string(values.size()) + " values");
  for (uint64_t i = 0; i < values.size(); ++i)
    comparison.element(i, numberOf(values[i]));
}

void compareBlob(Comparison &comparison, const Json &place, const Tensor &actual, const std::vector<uint8_t> &blobs) {
  const uint64_t offset = countOf(place.at(0)), size = countOf(place.at(1));
  if (size != actual.bytes.size() || offset > blobs.size() || size > blobs.size() - offset)
    throw std::runtime_error("blob " + place.dump() + " is not the bytes of " + text(actual));
  const Tensor expected{actual.element, actual.dims, {blobs.begin() + offset, blobs.begin() + offset + size}};
  for (uint64_t i = 0; i < actual.numElements(); ++i)
    comparison.element(i, expected.at(i));
}

void compareRows(Comparison &comparison, const Json &given, const Tensor &actual, const imported::RowAxes &axes) {
  const Rows rows(actual.dims, axes);
  for (const Json &each : given) {
    const auto slab = rows.slabOf(member(each, "slab").get<std::vector<uint64_t>>());
    const uint64_t row = countOf(member(each, "row"));
    const Json &values = member(each, "values");
    if (!slab || row >= rows.numRows() || values.size() != rows.rowElements())
      throw std::runtime_error("row " + std::to_string(row) + " of slab " + each["slab"].dump() + " is expected of " +
                               text(actual));
    for (uint64_t i = 0; i < values.size(); ++i)
      comparison.element(rows.offset(*slab, row, i), numberOf(values[i]));
  }
}

/// Sums are written with seven digits.
std::string differenceOfSums(const Json &expected, const Tensor &actual, double tolerance) {
  double sum = 0, absolute = 0;
  for (uint64_t i = 0; i < actual.numElements(); ++i) {
    sum += actual.at(i);
    absolute += std::fabs(actual.at(i));
  }
  const double room = tolerance * static_cast<double>(actual.numElements()) + 1e-6 * absolute + 1e-6;
  for (const auto &[name, found] : {std::pair("sum", sum), std::pair("abs_sum", absolute)})
    if (expected.contains(name) && !isNear(found, numberOf(expected[name]), room))
      return std::string(name) + " is " + shortText(found) + ", expected " + expected[name].dump();
  return "";
}

std::vector<uint64_t> rowsOf(const Json &slab, const char *name) {
  std::vector<uint64_t> rows;
  if (!slab.contains(name))
    return rows;
  for (const Json &range : slab[name]) {
    const uint64_t first = countOf(range.at(0)), last = countOf(range.at(1));
    if (last > kMostRows)
      throw std::runtime_error("rows " + range.dump() + " are too many");
    for (uint64_t row = first; row < last; ++row)
      rows.push_back(row);
  }
  return rows;
}

std::string compareSlab(const Json &expected, const SlabRows &actual) {
  if (const auto due = rowsOf(expected, "rows"); due != actual.written)
    return "rows " + imported::rangesText(actual.written) + " were written, expected " + imported::rangesText(due);
  if (const auto due = rowsOf(expected, "partial_rows"); due != actual.partial)
    return "rows " + imported::rangesText(actual.partial) + " were written in part, expected " +
           imported::rangesText(due);
  if (const auto due = rowsOf(expected, "moved_rows"); due != actual.moved)
    return "rows " + imported::rangesText(actual.moved) + " were moved, expected " + imported::rangesText(due);
  if (!actual.moved.empty() && expected.contains("moved_from_delta") &&
      numberOf(expected["moved_from_delta"]) != static_cast<double>(actual.movedFrom))
    return "rows were moved by " + std::to_string(actual.movedFrom) + ", expected " +
           expected["moved_from_delta"].dump();
  return "";
}

} // namespace

uint32_t checksumOf(const Tensor &tensor) {
  Tensor plain = tensor;
  const bool isOfFloats = isFloat(tensor.element);
  for (uint64_t i = 0; isOfFloats && i < plain.numElements(); ++i)
    if (plain.at(i) == 0)
      plain.set(i, 0);
  uint32_t checksum = ~0u;
  for (const uint8_t byte : plain.bytes) {
    checksum ^= byte;
    for (int bit = 0; bit < 8; ++bit)
      checksum = checksum >> 1 ^ (checksum & 1 ? 0xedb88320 : 0);
  }
  return ~checksum;
}

std::string differenceFrom(const Json &expected, const Tensor &actual, const std::vector<uint8_t> &blobs,
                           const std::optional<imported::RowAxes> &axes) {
  const ElementType element = elementOf(member(expected, "dtype"));
  if (const auto dims = dimsOf(member(expected, "shape")); element != actual.element || dims != actual.dims)
    return "is " + text(actual) + ", expected " + text(Tensor{element, dims, {}});
  const bool isExact = expected.value("exact", false);
  const double tolerance = isExact ? 0 : numberOf(member(expected, "atol"));
  Comparison comparison(actual, tolerance);
  if (expected.contains("values"))
    compareList(comparison, expected["values"], actual);
  if (expected.contains("sample"))
    for (const Json &each : expected["sample"])
      comparison.element(countOf(each.at(0)), numberOf(each.at(1)));
  if (expected.contains("blob"))
    compareBlob(comparison, expected["blob"], actual, blobs);
  if (axes && expected.contains("rows"))
    compareRows(comparison, expected["rows"], actual, *axes);
  if (const std::string line = comparison.result(); !line.empty())
    return line;
  if (const std::string line = differenceOfSums(expected, actual, tolerance); !line.empty())
    return line;
  char checksum[16];
  std::snprintf(checksum, sizeof checksum, "%08x", checksumOf(actual));
  if (isExact && expected.contains("crc32") && expected["crc32"] != checksum)
    return "has the checksum " + std::string(checksum) + ", expected " + expected["crc32"].dump();
  return "";
}

std::string differenceOfRows(const Json &written, const std::vector<SlabRows> &actual, const Rows &rows) {
  if (!written.is_array())
    return "";
  std::vector<bool> isExpected(actual.size());
  const auto compare = [&](const Json &expected, uint64_t slab) -> std::string {
    isExpected[slab] = true;
    const std::string line = compareSlab(expected, actual[slab]);
    return line.empty() || actual.size() == 1 ? line : "slab " + Json(rows.indexOf(slab)).dump() + ": " + line;
  };
  for (const Json &expected : written) {
    const Json &index = member(expected, "slab");
    const auto slab = index.is_array() ? rows.slabOf(index.get<std::vector<uint64_t>>()) : std::nullopt;
    if (!slab && index != "all")
      throw std::runtime_error("slab " + index.dump() + " is not there");
    for (uint64_t i = slab.value_or(0); i < (slab ? *slab + 1 : actual.size()); ++i)
      if (const std::string line = compare(expected, i); !line.empty())
        return line;
  }
  for (uint64_t slab = 0; slab < actual.size(); ++slab)
    if (!isExpected[slab])
      if (const std::string line = compare(Json::object(), slab); !line.empty())
        return line;
  return "";
}

} // namespace kvasir::coreml_cases
