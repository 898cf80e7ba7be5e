// SPDX-License-Identifier: MIT
#include "backends/cpu/weight_format.h"

namespace kvasir::cpu {

int64_t WeightFormat::scaleAt(int64_t subgroup) const { return subgroup * kPanelRows * elementBits(scale) / 8; }

int64_t WeightFormat::minAt(int64_t subgroup) const {
  return scaleAt(subgroups()) + (min ? subgroup * kPanelRows * int64_t(elementBits(*min)) / 8 : 0);
}

int64_t WeightFormat::codesAt() const { return minAt(min ? subgroups() : 0); }

int64_t WeightFormat::highAt() const { return codesAt() + kPanelRows * kBlockColumns * lowBits() / 8; }

int64_t WeightFormat::blockBytes() const {
  return codesAt() + kPanelRows * kBlockColumns * int64_t(elementBits(codes)) / 8;
}

int64_t WeightFormat::panelBytes(int64_t columns) const {
  return columns / kBlockColumns * blockBytes() + columns / kSuperblockColumns * unitBytes();
}

std::string WeightFormat::name() const {
  std::string word = elementName(codes);
  if (isGrouped())
    word += "_" + std::to_string(group) + "_" + elementName(scale);
  if (min)
    word += std::string("_") + elementName(*min);
  if (zero)
    word += "_z" + std::to_string(zero);
  if (table)
    for (uint8_t entry : *table)
      word += "_" + std::to_string(entry);
  return word;
}

namespace {
/// A layout in the making: panels of blocks, in superblocks where there are units.
struct PanelLayout {
  const WeightFormat &format;
  uint64_t panels, panelBits, blocks, blockBits, unitBits, superblockBits;
  Layout layout;

  PanelLayout(const WeightFormat &format, int64_t rows, int64_t columns)
      : format(format), panels((rows + kPanelRows - 1) / kPanelRows), panelBits(format.panelBytes(columns) * 8),
        blocks(columns / kBlockColumns), blockBits(format.blockBytes() * 8), unitBits(format.unitBytes() * 8),
        superblockBits(kSuperblockColumns / kBlockColumns * blockBits + unitBits) {
    layout.sizeBytes = panels * panelBits / 8;
  }

  void add(PlaneRole role, ElementType element, uint64_t atBits, std::vector<Digit> digits) {
    digits.push_back({Axis::row, panels, panelBits});
    layout.planes.push_back({role, element, atBits, std::move(digits)});
  }

  /// A plane that each block has a part of.
  void addToBlocks(PlaneRole role, ElementType element, int64_t atBytes, std::vector<Digit> digits) {
    constexpr uint64_t kBlocks = kSuperblockColumns / kBlockColumns;
    if (format.hasUnits()) {
      digits.push_back({Axis::column, kBlocks, blockBits});
      digits.push_back({Axis::column, blocks / kBlocks, superblockBits});
    } else {
      digits.push_back({Axis::column, blocks, blockBits});
    }
    add(role, element, unitBits + uint64_t(atBytes) * 8, std::move(digits));
  }

  void addValues() {
    uint64_t bits = elementBits(format.codes);
    if (format.codes == ElementType::bf16)
      addToBlocks(PlaneRole::value, format.codes, 0,
                  {{Axis::column, 2, 16}, {Axis::row, 32, 32}, {Axis::column, 16, 1024}});
    else
      addToBlocks(PlaneRole::value, format.codes, 0, {{Axis::row, 32, bits}, {Axis::column, 32, 32 * bits}});
  }

  void addCodes() {
    if (!format.isPacked())
      return addToBlocks(PlaneRole::code, format.codes, format.codesAt(),
                         {{Axis::column, 4, 8}, {Axis::row, 32, 32}, {Axis::column, 8, 1024}});
    if (format.lowBits() == 2)
      addToBlocks(PlaneRole::code, ElementType::u2, format.codesAt(),
                  {{Axis::column, 4, 8}, {Axis::row, 32, 32}, {Axis::column, 4, 2}, {Axis::column, 2, 1024}});
    else
      addToBlocks(PlaneRole::code, ElementType::u4, format.codesAt(),
                  {{Axis::column, 4, 8}, {Axis::row, 32, 32}, {Axis::column, 4, 1024}, {Axis::column, 2, 4}});
    if (format.highBits() == 1)
      addToBlocks(PlaneRole::code, ElementType::u4, format.highAt(),
                  {{Axis::column, 4, 8}, {Axis::row, 32, 32}, {Axis::column, 4, 0}, {Axis::column, 2, 4}});
    if (format.highBits() == 2)
      addToBlocks(PlaneRole::code, ElementType::u4, format.highAt(),
                  {{Axis::column, 4, 8},
                   {Axis::row, 32, 32},
                   {Axis::column, 2, 0},
                   {Axis::column, 2, 4},
                   {Axis::column, 2, 1024}});
  }

  void addFactors(PlaneRole role, ElementType element, int64_t atBytes) {
    uint64_t bits = elementBits(element), subgroups = uint64_t(format.subgroups());
    std::vector<Digit> digits = {{Axis::row, 32, bits}, {Axis::column, uint64_t(format.group), 0}};
    if (subgroups > 1)
      digits.push_back({Axis::column, subgroups, kPanelRows * bits});
    addToBlocks(role, element, atBytes, digits);
  }

  void addUnits(PlaneRole role, uint64_t atBytes) {
    add(role, ElementType::f16, atBytes * 8,
        {{Axis::row, 32, 16},
         {Axis::column, kSuperblockColumns, 0},
         {Axis::column, blocks * kBlockColumns / kSuperblockColumns, superblockBits}});
  }
};
} // namespace

Layout WeightFormat::layout(int64_t rows, int64_t columns) const {
  PanelLayout panels(*this, rows, columns);
  if (!isGrouped()) {
    panels.addValues();
    return panels.layout;
  }
  panels.addCodes();
  panels.addFactors(PlaneRole::scale, scale, scaleAt(0));
  if (min)
    panels.addFactors(PlaneRole::min, *min, minAt(0));
  if (hasUnits())
    panels.addUnits(PlaneRole::scale, 0);
  if (hasUnits() && min)
    panels.addUnits(PlaneRole::min, kPanelRows * 2);
  return panels.layout;
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
  add(PlaneRole::code, format.isPacked() ? ElementType::u8 : format.codes, 1);
  add(PlaneRole::scale, format.scale, format.group);
  if (format.min)
    add(PlaneRole::min, *format.min, format.group);
  if (format.hasUnits())
    add(PlaneRole::scale, ElementType::f16, kSuperblockColumns);
  if (format.hasUnits() && format.min)
    add(PlaneRole::min, ElementType::f16, kSuperblockColumns);
  return layout;
}

} // namespace kvasir::cpu
