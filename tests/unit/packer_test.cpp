// SPDX-License-Identifier: MIT
// Packing in panels, in planes and scattered, read back element by element through the layout itself.
#include "compiler/frontends/gguf/block_formats.h"
#include "compiler/packing/packer.h"
#include "compiler/packing/weight_planes.h"
#include "plugins/member_name.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <map>
#include <mutex>
#include <random>

using namespace kvasir;

namespace {

constexpr WeightForm kQ4_1{.codes = ElementType::u4, .group = 32, .scale = ElementType::f16, .min = ElementType::f16};
constexpr WeightForm kQ5_0{.codes = ElementType::u5, .group = 32, .scale = ElementType::f16, .zero = 16};
constexpr WeightForm kQ8_0{.codes = ElementType::i8, .group = 32, .scale = ElementType::f16};
constexpr WeightForm kF32{};

const gguf::BlockFormat &formatNamed(std::string_view type) {
  for (const gguf::BlockFormat &format : gguf::blockFormats())
    if (format.type == type)
      return format;
  FAIL("no format ", type);
  std::abort();
}

auto unpackerOf(std::string_view type) { return formatNamed(type).unpack; }

/// Tensors of random blocks.
class RandomWeights : public WeightSource {
public:
  void add(const std::string &name, uint64_t rows, uint64_t columns, const WeightForm &form, uint64_t blockBytes,
           void (*unpack)(const uint8_t *, WeightRow &)) {
    std::vector<uint8_t> &bytes = store[name];
    bytes.resize(rows * columns / (form.hasUnits() ? kSuperblock : std::max(form.group, 1u)) * blockBytes);
    for (uint8_t &byte : bytes)
      byte = uint8_t(random() & 0x3b); // no f16 or f32 of these bytes is infinite or NaN
    tensors[name] = {store.find(name)->first, rows, columns, form, bytes, unpack};
  }
  uint8_t *bytesOf(std::string_view name) { return store.find(name)->second.data(); }
  Result<SourceTensor> find(std::string_view name) const override {
    auto found = tensors.find(name);
    return found == tensors.end() ? Result<SourceTensor>(Failure{"there is no " + std::string(name)}) : found->second;
  }
  bool contains(std::string_view name) const override { return tensors.contains(name); }
  std::vector<std::string_view> names() const override { return {}; }

private:
  std::mt19937 random{7};
  std::map<std::string, std::vector<uint8_t>, std::less<>> store;
  std::map<std::string, SourceTensor, std::less<>> tensors;
};

/// Blocks of 32 rows and 32 columns: scales, mins, nibbles in quads of columns, low ones first.
Layout panels(uint64_t rows, uint64_t columns) {
  uint64_t panels = (rows + 31) / 32, groups = columns / 32, block = 8 * 640, panel = groups * block;
  std::vector<Digit> perRow{
      {Axis::column, 32, 0}, {Axis::column, groups, block}, {Axis::row, 32, 16}, {Axis::row, panels, panel}};
  return {panels * panel / 8,
          {{PlaneRole::scale, ElementType::f16, 0, perRow},
           {PlaneRole::min, ElementType::f16, 512, perRow},
           {PlaneRole::code,
            ElementType::u4,
            1024,
            {{Axis::column, 4, 8},
             {Axis::column, 4, 1024},
             {Axis::column, 2, 4},
             {Axis::column, groups, block},
             {Axis::row, 16, 32},
             {Axis::row, 2, 512},
             {Axis::row, panels, panel}}}}};
}

/// A plane of codes, dense, row-major; then one of scales.
Layout planes(uint64_t rows, uint64_t columns, ElementType codes) {
  uint64_t bits = elementBits(codes), codeBytes = rows * columns * bits / 8;
  return {codeBytes + rows * columns / 32 * 4,
          {{PlaneRole::code, codes, 0, {{Axis::column, columns, bits}, {Axis::row, rows, columns * bits}}},
           {PlaneRole::scale,
            ElementType::f32,
            codeBytes * 8,
            {{Axis::column, 32, 0}, {Axis::column, columns / 32, 32}, {Axis::row, rows, columns / 32 * 32}}}}};
}

/// Codes in two planes, multiples of units, and units, row-major.
Layout twoLevels(uint64_t rows, uint64_t columns, const WeightForm &form) {
  Layout layout;
  /// Of `length` elements a row, each of them of `shared` columns.
  auto add = [&](PlaneRole role, ElementType element, uint64_t shared) {
    uint64_t bits = elementBits(element), length = columns / shared;
    Plane plane{role, element, layout.sizeBytes * 8, {{Axis::column, length, bits}, {Axis::row, rows, length * bits}}};
    if (shared > 1)
      plane.digits.insert(plane.digits.begin(), {Axis::column, shared, 0});
    layout.planes.push_back(plane);
    layout.sizeBytes += rows * length * bits / 8;
  };
  unsigned bits = form.values ? 4 : elementBits(form.codes);
  add(PlaneRole::code, bits < 4 ? ElementType::u2 : ElementType::u4, 1);
  if (bits == 3 || bits > 4)
    add(PlaneRole::code, ElementType::u4, bits == 6 ? 2 : 4);
  add(PlaneRole::scale, ElementType::i8, form.group);
  add(PlaneRole::scale, ElementType::f16, kSuperblock);
  if (form.min) {
    add(PlaneRole::min, ElementType::i8, form.group);
    add(PlaneRole::min, ElementType::f16, kSuperblock);
  }
  return layout;
}

Layout transposedValues(uint64_t rows, uint64_t columns) {
  return {rows * columns * 2,
          {{PlaneRole::value, ElementType::bf16, 0, {{Axis::row, rows, 16}, {Axis::column, columns, rows * 16}}}}};
}

uint64_t bitsAt(const std::vector<uint8_t> &bytes, uint64_t bit, unsigned count) {
  uint64_t window = 0;
  std::memcpy(&window, bytes.data() + bit / 8, std::min<size_t>(8, bytes.size() - bit / 8));
  return window >> (bit % 8) & ((uint64_t(1) << count) - 1);
}

float numberOf(ElementType type, uint64_t bits) {
  uint8_t bytes[8];
  std::memcpy(bytes, &bits, 8);
  return floatAt(type, bytes, 0);
}

/// The value of an element, read through the layout as a kernel would.
float valueAt(const PackedWeight &weight, const std::vector<uint8_t> &packed, uint64_t row, uint64_t column) {
  auto planes = weightPlanes(weight.layout);
  auto bitsOf = [&](const Plane &plane, unsigned width) {
    uint64_t indices[kNumAxes] = {0, row, column, 0, 0, 0};
    return bitsAt(packed, bitOffset(plane, indices), width);
  };
  auto number = [&](WeightPart part, float without) {
    const Plane *plane = planes[size_t(part)];
    return plane ? numberOf(plane->element, bitsOf(*plane, elementBits(plane->element))) : without;
  };
  if (planes[size_t(WeightPart::value)])
    return number(WeightPart::value, 0);
  const Plane &codes = *planes[size_t(WeightPart::code)], *high = planes[size_t(WeightPart::highBits)];
  uint64_t bits = bitsOf(codes, elementBits(codes.element));
  if (high)
    bits |= bitsOf(spreadHighBits(*high), numHighBits(*high)) << elementBits(codes.element);
  float code = codes.element == ElementType::i8
                   ? float(int8_t(bits))
                   : float(int64_t(bits) - weight.form.zero - (weight.form.codes == ElementType::i8 ? 128 : 0));
  if (weight.form.values && elementBits(codes.element) < 8)
    code = (*weight.form.values)[bits];
  float value = number(WeightPart::unit, 1) * number(WeightPart::scale, 0) * code;
  return weight.form.min ? value + number(WeightPart::minUnit, 1) * number(WeightPart::min, 0) : value;
}

std::vector<uint8_t> pack(const PackedWeight &weight, const WeightSource &source) {
  std::vector<uint8_t> bytes(weight.offsetBytes + weight.layers * weight.strideBytes);
  std::vector<bool> written(bytes.size());
  std::mutex mutex;
  uint64_t done = 0, total = 0;
  Status status = packWeights(
      {weight}, source,
      [&](uint64_t offset, std::span<const uint8_t> run) -> Status {
        std::lock_guard lock(mutex);
        REQUIRE(offset >= weight.offsetBytes);
        REQUIRE(offset + run.size() <= bytes.size());
        for (uint64_t i = 0; i < run.size(); ++i) {
          REQUIRE(!written[offset + i]);
          written[offset + i] = true;
          bytes[offset + i] = run[i];
        }
        return Done{};
      },
      [&](uint64_t doneBytes, uint64_t totalBytes) {
        CHECK(doneBytes >= done);
        done = doneBytes;
        total = totalBytes;
      });
  REQUIRE_MESSAGE(status, status.message());
  CHECK(done <= total);
  return bytes;
}

/// Packs the family and compares every element with the source's.
void checkPacked(PackedWeight weight, const RandomWeights &source) {
  weight.offsetBytes = 64;
  weight.strideBytes = (weight.layout.sizeBytes + 63) / 64 * 64;
  std::vector<uint8_t> bytes = pack(weight, source);
  for (uint64_t layer = 0; layer < weight.layers; ++layer) {
    auto begin = bytes.begin() + ptrdiff_t(weight.offsetBytes + layer * weight.strideBytes);
    std::vector<uint8_t> packed(begin, begin + ptrdiff_t(weight.layout.sizeBytes));
    SourceTensor tensor = *source.find(memberName(weight.source, layer));
    WeightRow row(tensor.form, tensor.columns);
    std::vector<float> expected(tensor.columns);
    for (uint64_t r = 0; r < weight.rows; ++r) {
      tensor.unpack(tensor.rowBytes(r).data(), row);
      dequantise(row, expected.data());
      for (uint64_t c = 0; c < weight.columns; ++c) {
        bool rounded = weight.layout.planes.front().element == ElementType::bf16;
        float value = valueAt(weight, packed, r, c);
        if (rounded)
          REQUIRE(value == doctest::Approx(expected[c]).epsilon(1.0 / 256));
        else
          REQUIRE(value == expected[c]);
      }
    }
  }
}

} // namespace

TEST_CASE("panels of quantised rows") {
  RandomWeights source;
  for (const char *name : {"blk.0.w", "blk.1.w", "blk.2.w"})
    source.add(name, 96, 128, kQ4_1, 20, unpackerOf("Q4_1"));
  checkPacked({"blk.{}.w", 3, 96, 128, kQ4_1, panels(96, 128)}, source);
}

TEST_CASE("rows that fill no panel are padded with zeros") {
  RandomWeights source;
  source.add("w", 70, 64, kQ4_1, 20, unpackerOf("Q4_1"));
  PackedWeight weight{"w", 1, 70, 64, kQ4_1, panels(70, 64)};
  checkPacked(weight, source);
  weight.strideBytes = weight.layout.sizeBytes;
  std::vector<uint8_t> bytes = pack(weight, source);
  for (uint64_t row = 70; row < 96; ++row)
    for (const Plane &plane : weight.layout.planes) {
      uint64_t indices[kNumAxes] = {0, row, 33, 0, 0, 0};
      CHECK(bitsAt(bytes, bitOffset(plane, indices), elementBits(plane.element)) == 0);
    }
}

TEST_CASE("panels larger than a tile") {
  RandomWeights source;
  source.add("w", 64, 32768, kQ4_1, 20, unpackerOf("Q4_1"));
  checkPacked({"w", 1, 64, 32768, kQ4_1, panels(64, 32768)}, source);
}

TEST_CASE("planes of dense codes") {
  RandomWeights source;
  source.add("five", 48, 64, kQ5_0, 22, unpackerOf("Q5_0"));
  source.add("eight", 48, 64, kQ8_0, 34, unpackerOf("Q8_0"));
  checkPacked({"five", 1, 48, 64, kQ5_0, planes(48, 64, ElementType::u5)}, source);
  checkPacked({"five", 1, 48, 64, kQ5_0, planes(48, 64, ElementType::u6)}, source);
  checkPacked({"five", 1, 48, 64, kQ5_0, planes(48, 64, ElementType::u8)}, source);
  checkPacked({"eight", 1, 48, 64, kQ8_0, planes(48, 64, ElementType::i8)}, source);
  checkPacked({"eight", 1, 48, 64, kQ8_0, planes(48, 64, ElementType::u8)}, source);
}

TEST_CASE("codes that are some of sixteen values, by their numbers or as they are") {
  for (auto [type, blockBytes] : {std::pair{"IQ4_NL", 18}, std::pair{"MXFP4", 17}})
    for (ElementType codes : {ElementType::u4, ElementType::u5, ElementType::i8, ElementType::u8}) {
      CAPTURE(type);
      CAPTURE(elementName(codes));
      RandomWeights source;
      const gguf::BlockFormat &format = formatNamed(type);
      source.add("w", 48, 64, format.form, uint64_t(blockBytes), format.unpack);
      checkPacked({"w", 1, 48, 64, format.form, planes(48, 64, codes)}, source);
    }
}

TEST_CASE("two levels: codes in two planes, multiples and units") {
  const std::pair<const char *, uint64_t> types[] = {{"IQ4_XS", 136}, {"Q2_K", 84},  {"Q3_K", 110},
                                                     {"Q4_K", 144},   {"Q5_K", 176}, {"Q6_K", 210}};
  for (auto [type, blockBytes] : types) {
    CAPTURE(type);
    RandomWeights source;
    const gguf::BlockFormat &format = formatNamed(type);
    source.add("w", 40, 512, format.form, blockBytes, format.unpack);
    checkPacked({"w", 1, 40, 512, format.form, twoLevels(40, 512, format.form)}, source);
  }
  RandomWeights source;
  for (auto [name, type, blockBytes] : {std::tuple{"blk.0.w", "Q4_K", 144}, std::tuple{"blk.1.w", "Q6_K", 210}})
    source.add(name, 32, 512, formatNamed(type).form, uint64_t(blockBytes), unpackerOf(type));
  const WeightForm joined = joinForms(formatNamed("Q4_K").form, formatNamed("Q6_K").form);
  checkPacked({"blk.{}.w", 2, 32, 512, joined, twoLevels(32, 512, joined)}, source);
}

TEST_CASE("values, scattered over the whole weight") {
  RandomWeights source;
  source.add("w", 40, 64, kQ8_0, 34, unpackerOf("Q8_0"));
  checkPacked({"w", 1, 40, 64, kQ8_0, transposedValues(40, 64)}, source);
}

TEST_CASE("a vector of f32 stays as it is") {
  RandomWeights source;
  source.add("n", 1, 100, kF32, 4, unpackerOf("F32"));
  Layout plain{400, {{PlaneRole::value, ElementType::f32, 0, {{Axis::column, 100, 32}}}}};
  PackedWeight weight{"n", 1, 1, 100, kF32, plain};
  weight.strideBytes = 400;
  std::vector<uint8_t> bytes = pack(weight, source);
  std::span<const uint8_t> expected = source.find("n")->bytes;
  CHECK(std::equal(bytes.begin(), bytes.end(), expected.begin(), expected.end()));
}

TEST_CASE("members of different formats are packed in the form that holds them all") {
  RandomWeights source;
  source.add("blk.0.w", 32, 64, kQ5_0, 22, unpackerOf("Q5_0"));
  source.add("blk.1.w", 32, 64, kQ8_0, 34, unpackerOf("Q8_0"));
  checkPacked({"blk.{}.w", 2, 32, 64, joinForms(kQ5_0, kQ8_0), planes(32, 64, ElementType::u8)}, source);
}

TEST_CASE("a layout that can't hold its weight is refused") {
  auto message = [](const WeightForm &form, const Layout &layout) {
    Status status = checkPacking({"w", 1, 32, 64, form, layout});
    return status ? "" : status.message();
  };
  CHECK(message(kQ4_1, planes(32, 64, ElementType::u4)) ==
        "the layout of w has no plane of mins; the weight is in u4 in groups of 32, scale f16, min f16");
  CHECK(message(kQ5_0, planes(32, 64, ElementType::u4)) ==
        "w: a plane of codes in u4 can't hold weights in u5 in groups of 32, scale f16, zero 16");
  CHECK(message(formatNamed("MXFP4").form, planes(32, 64, ElementType::u2)) ==
        "w: a plane of codes in u2 can't hold weights in i8 in groups of 32, scale bf16, of sixteen values");
  const WeightForm six = formatNamed("Q6_K").form;
  auto without = [&](size_t plane) {
    Layout layout = twoLevels(32, 256, six);
    layout.planes.erase(layout.planes.begin() + ptrdiff_t(plane));
    Status status = checkPacking({"w", 1, 32, 256, six, layout});
    return status ? "" : status.message();
  };
  const std::string weights = "weights in u6 in groups of 16, scale i8, zero 32";
  CHECK(without(1) == "w: a plane of codes in u4 can't hold " + weights);
  for (size_t plane : {2, 3}) // without multiples the units are the first plane of scales
    CHECK(without(plane) ==
          "the layout of w has no plane of units; the weight is in u6 in groups of 16, scale i8, zero 32");
  CHECK(message(kQ5_0, planes(16, 64, ElementType::u5)) == "the layout of w is smaller than the weight");
  CHECK(message(kF32, panels(32, 64)).find("can't hold weights in f32") != std::string::npos);
}

TEST_CASE("numbers that are too large for their plane are refused by tensor and row") {
  RandomWeights source;
  auto inRow = [](const uint8_t *block, WeightRow &row) {
    float scales[2];
    std::memcpy(scales, block, sizeof scales);
    setFloatAt(ElementType::f32, row.scales(), 0, scales[0]);
    setFloatAt(ElementType::f32, row.mins(), 0, scales[1]);
  };
  const WeightForm form{ElementType::u4, 32, ElementType::f32, ElementType::f32};
  auto message = [&](float scale, float min) {
    source.add("blk.0.w", 32, 32, form, 8, inRow);
    std::memcpy(source.bytesOf("blk.0.w") + 7 * 8, std::array{scale, min}.data(), 8);
    Status status = packWeights(
        {{"blk.{}.w", 1, 32, 32, form, panels(32, 32)}}, source,
        [](uint64_t, std::span<const uint8_t>) -> Status { return Done{}; }, [](uint64_t, uint64_t) {});
    return status ? "" : status.message();
  };
  const std::string advice =
      ", too large for f16, in which this backend keeps it; compile with activations that are not rounded "
      "(--activations exact)";
  CHECK(message(65504, -65519) == "");
  CHECK(message(INFINITY, -INFINITY) == ""); // the file's own
  CHECK(message(65520, 0) == "row 7 of tensor blk.0.w has the scale 65520.000000" + advice);
  CHECK(message(1, -7e4f) == "row 7 of tensor blk.0.w has the min -70000.000000" + advice);
}

TEST_CASE("errors come out of the tasks") {
  RandomWeights source;
  source.add("blk.0.w", 32, 64, kQ5_0, 22, unpackerOf("Q5_0"));
  source.add("blk.1.w", 16, 64, kQ5_0, 22, unpackerOf("Q5_0"));
  auto ignore = [](uint64_t, uint64_t) {};
  auto accept = [](uint64_t, std::span<const uint8_t>) -> Status { return Done{}; };
  auto refuse = [](uint64_t, std::span<const uint8_t>) -> Status { return Failure{"disk full"}; };
  PackedWeight weight{"blk.{}.w", 1, 32, 64, kQ5_0, planes(32, 64, ElementType::u5)};
  CHECK(packWeights({weight}, source, accept, ignore));
  CHECK(packWeights({weight}, source, refuse, ignore).message() == "disk full");
  weight.layers = 2;
  CHECK(packWeights({weight}, source, accept, ignore).message() ==
        "tensor blk.1.w in u5 in groups of 32, scale f16, zero 16 is not what blk.{}.w was declared as");
  weight.layers = 3;
  CHECK(fingerprint({weight}, source, "").message() == "there is no blk.2.w");
}

TEST_CASE("the fingerprint is of sources and configuration, not of layouts") {
  RandomWeights source, other;
  source.add("w", 32, 64, kQ5_0, 22, unpackerOf("Q5_0"));
  other.add("x", 32, 64, kQ5_0, 22, unpackerOf("Q5_0"));
  other.add("w", 32, 64, kQ5_0, 22, unpackerOf("Q5_0"));
  PackedWeight dense{"w", 1, 32, 64, kQ5_0, planes(32, 64, ElementType::u5)};
  PackedWeight wide{"w", 1, 32, 64, kQ5_0, planes(32, 64, ElementType::u8)};
  Digest digest = *fingerprint({dense}, source, "c");
  CHECK(digest == *fingerprint({wide}, source, "c"));
  CHECK(digest != *fingerprint({dense}, source, "d"));
  CHECK(digest != *fingerprint({dense}, other, "c"));
}
