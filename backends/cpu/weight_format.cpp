// SPDX-License-Identifier: MIT
#include "backends/cpu/weight_format.h"

namespace kvasir::cpu {

int64_t WeightFormat::scaleAt(int64_t subgroup) const { return subgroup * kPanelRows * elementBits(scale) / 8; }

int64_t WeightFormat::minAt(int64_t subgroup) const {
  return scaleAt(subgroups()) + (min ? subgroup * kPanelRows * int64_t(elementBits(*min)) / 8 : 0);
}

int64_t WeightFormat::codesAt() const { return minAt(min ? subgroups() : 0); }

int64_t WeightFormat::blockBytes() const {
  return codesAt() + kPanelRows * kBlockColumns * int64_t(elementBits(codes)) / 8;
}

std::string WeightFormat::name() const {
  std::string word = elementName(codes);
  if (isGrouped())
    word += "_" + std::to_string(group) + "_" + elementName(scale);
  if (min)
    word += std::string("_") + elementName(*min);
  if (zero)
    word += "_z" + std::to_string(zero);
  return word;
}

Layout WeightFormat::layout(int64_t rows, int64_t columns) const {
  uint64_t panels = (rows + kPanelRows - 1) / kPanelRows, blocks = columns / kBlockColumns;
  uint64_t blockBits = blockBytes() * 8, panelBits = blocks * blockBits;
  Layout layout;
  layout.sizeBytes = panels * panelBits / 8;
  auto plane = [&](PlaneRole role, ElementType element, int64_t atBytes, std::vector<Digit> digits) {
    digits.push_back({Axis::column, blocks, blockBits});
    digits.push_back({Axis::row, panels, panelBits});
    layout.planes.push_back({role, element, uint64_t(atBytes) * 8, std::move(digits)});
  };
  auto grouped = [&](PlaneRole role, ElementType element, int64_t atBytes) {
    uint64_t bits = elementBits(element);
    std::vector<Digit> digits = {{Axis::row, 32, bits}, {Axis::column, uint64_t(group), 0}};
    if (subgroups() > 1)
      digits.push_back({Axis::column, uint64_t(subgroups()), kPanelRows * bits});
    plane(role, element, atBytes, digits);
  };
  uint64_t bits = elementBits(codes);
  if (!isGrouped()) {
    if (codes == ElementType::bf16)
      plane(PlaneRole::value, codes, 0, {{Axis::column, 2, 16}, {Axis::row, 32, 32}, {Axis::column, 16, 1024}});
    else
      plane(PlaneRole::value, codes, 0, {{Axis::row, 32, bits}, {Axis::column, 32, 32 * bits}});
    return layout;
  }
  if (codes == ElementType::u4)
    plane(PlaneRole::code, codes, codesAt(),
          {{Axis::column, 4, 8}, {Axis::row, 32, 32}, {Axis::column, 4, 1024}, {Axis::column, 2, 4}});
  else
    plane(PlaneRole::code, codes, codesAt(), {{Axis::column, 4, 8}, {Axis::row, 32, 32}, {Axis::column, 8, 1024}});
  grouped(PlaneRole::scale, scale, scaleAt(0));
  if (min)
    grouped(PlaneRole::min, *min, minAt(0));
  return layout;
}

Layout rowMajorLayout(const WeightFormat &format, int64_t rows, int64_t columns) {
  Layout layout;
  auto add = [&](PlaneRole role, ElementType element, uint64_t step) {
    uint64_t bits = elementBits(element), length = columns / step;
    std::vector<Digit> digits;
    if (step > 1)
      digits.push_back({Axis::column, step, 0});
    digits.push_back({Axis::column, length, bits});
    digits.push_back({Axis::row, uint64_t(rows), length * bits});
    layout.planes.push_back({role, element, layout.sizeBytes * 8, std::move(digits)});
    layout.sizeBytes = (layout.sizeBytes + rows * length * bits / 8 + 63) / 64 * 64;
  };
  if (!format.isGrouped()) {
    add(PlaneRole::value, format.codes, 1);
    return layout;
  }
  add(PlaneRole::code, format.codes == ElementType::u4 ? ElementType::u8 : format.codes, 1);
  add(PlaneRole::scale, format.scale, format.group);
  if (format.min)
    add(PlaneRole::min, *format.min, format.group);
  return layout;
}

} // namespace kvasir::cpu
