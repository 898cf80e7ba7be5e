// SPDX-License-Identifier: MIT
#include "compiler/packing/packer.h"

#include "compiler/packing/parallel_tasks.h"
#include "compiler/packing/plane_writer.h"
#include "plugins/member_name.h"

#include <algorithm>
#include <map>
#include <mutex>

namespace kvasir {
namespace {

constexpr uint64_t kTileBytes = 256 << 10; // makes the cost of a write small; fits the L2

/// Planes whose panels lie in one run of bytes, that no other planes' do.
struct Segment {
  std::vector<const PlaneWriter *> planes;
  uint64_t beginBytes = 0;  // of the first panel
  uint64_t panelBytes = 0;  // of one panel, to its last plane's end
  uint64_t strideBytes = 0; // from panel to panel
};

/// How one weight is cut into tiles: runs of whole panels.
struct Packing {
  const PackedWeight *weight = nullptr;
  std::vector<PlaneWriter> planes;
  std::vector<Segment> segments;
  uint64_t panelRows = 1;
  uint64_t tileRows = 1;
};

/// Rows [begin, end) of a layer.
struct Tile {
  const Packing *packing;
  uint64_t layer, beginRow, endRow;
};

/// One run for some planes; nothing if their panels do not lie one behind the other in whole bytes.
std::optional<Segment> trySegment(const std::vector<const PlaneWriter *> &planes) {
  uint64_t begin = UINT64_MAX, end = 0, stride = planes.front()->panelBits();
  for (const PlaneWriter *plane : planes) {
    begin = std::min(begin, plane->beginBits());
    end = std::max(end, plane->endBits());
    if (plane->panelBits() != stride || plane->panelRows() != planes.front()->panelRows())
      return std::nullopt;
  }
  if (stride % 8 != 0 || begin % 8 != 0 || (stride != 0 && end - begin > stride))
    return std::nullopt;
  return Segment{planes, begin / 8, (end - begin + 7) / 8, stride / 8};
}

/// Where the rows of all panels of a segment lie.
uint64_t endBytes(const Segment &segment, uint64_t numPanels) {
  return segment.beginBytes + (numPanels - 1) * segment.strideBytes + segment.panelBytes;
}

/// All planes in one run of panels; or each in its own; or the whole layer as one panel.
void cutIntoSegments(Packing &packing) {
  const PackedWeight &weight = *packing.weight;
  std::vector<const PlaneWriter *> all;
  for (const PlaneWriter &plane : packing.planes)
    all.push_back(&plane);
  packing.panelRows = all.front()->panelRows();
  if (std::optional<Segment> together = trySegment(all)) {
    packing.segments = {*together};
    return;
  }
  uint64_t numPanels = (weight.rows + packing.panelRows - 1) / packing.panelRows;
  bool apart = true;
  for (const PlaneWriter *plane : all) {
    std::optional<Segment> alone = trySegment({plane});
    apart &= alone && plane->panelRows() == packing.panelRows;
    if (apart)
      packing.segments.push_back(*alone);
  }
  if (apart) {
    std::vector<Segment> ordered = packing.segments;
    std::sort(ordered.begin(), ordered.end(),
              [](const Segment &a, const Segment &b) { return a.beginBytes < b.beginBytes; });
    for (size_t i = 1; i < ordered.size(); ++i)
      apart &= endBytes(ordered[i - 1], numPanels) <= ordered[i].beginBytes;
  }
  if (apart)
    return;
  packing.panelRows = weight.rows;
  packing.segments = {Segment{all, 0, weight.layout.sizeBytes, 0}};
}

Status checkPlanes(const PackedWeight &weight) {
  auto lacks = [&](const char *role) {
    return Failure{"the layout of " + weight.source + " has no plane of " + role + "s; the weight is in " +
                   describe(weight.form)};
  };
  if (Status status = checkLayout(weight.layout); !status)
    return Failure{"the layout of " + weight.source + ": " + status.message()};
  for (const Plane &plane : weight.layout.planes)
    if (axisExtent(plane, Axis::row) < weight.rows || axisExtent(plane, Axis::column) < weight.columns)
      return Failure{"the layout of " + weight.source + " is smaller than the weight"};
  auto planes = weightPlanes(weight.layout);
  auto has = [&](WeightPart part) { return planes[size_t(part)] != nullptr; };
  if (has(WeightPart::value))
    return Done{};
  if (!has(WeightPart::code))
    return lacks("code");
  if (weight.form.group && !has(WeightPart::scale))
    return lacks("scale");
  if (weight.form.min && !has(WeightPart::min))
    return lacks("min");
  if (weight.form.hasUnits() && (!has(WeightPart::unit) || (weight.form.min && !has(WeightPart::minUnit))))
    return lacks("unit");
  return Done{};
}

Result<Packing> makePacking(const PackedWeight &weight) {
  if (Status status = checkPlanes(weight); !status)
    return Failure{status.message()};
  Packing packing;
  packing.weight = &weight;
  for (const Plane &plane : weight.layout.planes) {
    Result<PlaneWriter> writer = PlaneWriter::make(weight.layout, plane, weight.form, weight.columns);
    if (!writer)
      return Failure{weight.source + ": " + writer.message()};
    packing.planes.push_back(std::move(*writer));
  }
  cutIntoSegments(packing);
  uint64_t panelBytes = 1;
  for (const Segment &segment : packing.segments)
    panelBytes += std::max(segment.panelBytes, segment.strideBytes);
  packing.tileRows = packing.panelRows * std::max<uint64_t>(1, kTileBytes / panelBytes);
  return packing;
}

/// The member's tensor, if it is what the family says.
Result<SourceTensor> findMember(const PackedWeight &weight, const WeightSource &source, uint64_t layer) {
  Result<SourceTensor> tensor = source.find(memberName(weight.source, layer));
  if (!tensor)
    return tensor;
  if (tensor->rows != weight.rows || tensor->columns != weight.columns ||
      joinForms(tensor->form, weight.form) != weight.form)
    return Failure{"tensor " + std::string(tensor->name) + " in " + describe(tensor->form) + " is not what " +
                   weight.source + " was declared as"};
  return tensor;
}

Status packRows(const Tile &tile, const SourceTensor &tensor, const Segment &segment, uint64_t firstBit,
                uint8_t *bytes) {
  const PackedWeight &weight = *tile.packing->weight;
  WeightRow read(tensor.form, tensor.columns), row(weight.form, weight.columns);
  bool same = tensor.form == weight.form;
  for (uint64_t r = tile.beginRow; r < tile.endRow; ++r) {
    tensor.read(r, same ? row : read);
    if (!same)
      convertRow(read, row);
    for (const PlaneWriter *plane : segment.planes)
      if (Status status = plane->write(row, bytes, plane->rowBit(r) - firstBit); !status)
        return Failure{"row " + std::to_string(r) + " of tensor " + std::string(tensor.name) + " " + status.message()};
  }
  return Done{};
}

Status packTile(const Tile &tile, const WeightSource &source, const WriteBytes &write) {
  const PackedWeight &weight = *tile.packing->weight;
  Result<SourceTensor> tensor = findMember(weight, source, tile.layer);
  if (!tensor)
    return Failure{tensor.message()};
  uint64_t firstPanel = tile.beginRow / tile.packing->panelRows;
  uint64_t endPanel = (tile.endRow + tile.packing->panelRows - 1) / tile.packing->panelRows;
  for (const Segment &segment : tile.packing->segments) {
    uint64_t begin = segment.beginBytes + firstPanel * segment.strideBytes;
    uint64_t size = endBytes(segment, endPanel - firstPanel) - segment.beginBytes;
    std::vector<uint8_t> bytes(size + 1); // one more for codes that reach over their last byte
    if (Status status = packRows(tile, *tensor, segment, begin * 8, bytes.data()); !status)
      return status;
    Status status = write(weight.offsetBytes + tile.layer * weight.strideBytes + begin, std::span(bytes).first(size));
    if (!status)
      return status;
  }
  return Done{};
}

std::vector<Tile> cutIntoTiles(const std::vector<Packing> &packings) {
  std::vector<Tile> tiles;
  for (const Packing &packing : packings)
    for (uint64_t layer = 0; layer < packing.weight->layers; ++layer)
      for (uint64_t row = 0; row < packing.weight->rows; row += packing.tileRows)
        tiles.push_back({&packing, layer, row, std::min(row + packing.tileRows, packing.weight->rows)});
  // In the file's order, so that what is written together comes together.
  std::ranges::sort(tiles, {}, [](const Tile &tile) {
    const PackedWeight &weight = *tile.packing->weight;
    return std::pair(weight.offsetBytes + tile.layer * weight.strideBytes, tile.beginRow);
  });
  return tiles;
}

} // namespace

Status checkPacking(const PackedWeight &weight) {
  Result<Packing> packing = makePacking(weight);
  return packing ? Status(Done{}) : Failure{packing.message()};
}

Status packWeights(const std::vector<PackedWeight> &weights, const WeightSource &source, const WriteBytes &write,
                   const ReportProgress &report) {
  std::vector<Packing> packings;
  uint64_t totalBytes = 0, doneBytes = 0;
  for (const PackedWeight &weight : weights) {
    Result<Packing> packing = makePacking(weight);
    if (!packing)
      return Failure{packing.message()};
    packings.push_back(std::move(*packing));
    totalBytes += weight.layers * weight.layout.sizeBytes;
  }
  std::vector<Tile> tiles = cutIntoTiles(packings);
  std::mutex mutex;
  return runTasks(tiles.size(), [&](uint64_t index) -> Status {
    const Tile &tile = tiles[index];
    if (Status status = packTile(tile, source, write); !status)
      return status;
    const PackedWeight &weight = *tile.packing->weight;
    std::lock_guard lock(mutex);
    doneBytes += weight.layout.sizeBytes * (tile.endRow - tile.beginRow) / weight.rows;
    report(doneBytes, totalBytes);
    return Done{};
  });
}

Result<Digest> fingerprint(const std::vector<PackedWeight> &weights, const WeightSource &source,
                           std::string_view configuration) {
  std::map<std::string, SourceTensor> tensors; // by name: the order must not depend on the file's
  for (const PackedWeight &weight : weights)
    for (uint64_t layer = 0; layer < weight.layers; ++layer) {
      std::string name = memberName(weight.source, layer);
      Result<SourceTensor> tensor = source.find(name);
      if (!tensor)
        return Failure{tensor.message()};
      tensors.emplace(name, *tensor);
    }
  std::vector<const SourceTensor *> ordered;
  for (const auto &[name, tensor] : tensors)
    ordered.push_back(&tensor);
  std::vector<Digest> digests(ordered.size());
  Status status = runTasks(ordered.size(), [&](uint64_t index) -> Status {
    digests[index] = sha256(ordered[index]->bytes);
    return Done{};
  });
  if (!status)
    return Failure{status.message()};

  std::string text(configuration);
  for (size_t i = 0; i < ordered.size(); ++i)
    text += "\n" + std::string(ordered[i]->name) + " " + std::to_string(ordered[i]->rows) + " " +
            std::to_string(ordered[i]->columns) + " " + describe(ordered[i]->form) + " " + toHex(digests[i]);
  return sha256(std::span(reinterpret_cast<const uint8_t *>(text.data()), text.size()));
}

} // namespace kvasir
