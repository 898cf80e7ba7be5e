// SPDX-License-Identifier: MIT
#include "runtime/diff/side_by_side.h"

#include "runtime/audit/caller.h"
#include "runtime/state/element.h"
#include "runtime/state/rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace kvasir::runtime::diff {
namespace {

// All rows of outputs up to 128 MB; beyond, those of the last token.
constexpr uint64_t kOutputElements = 1 << 25;

std::vector<float> registerOf(const State &state, size_t slot, uint64_t layer) {
  std::vector<float> values(registerElements(state.slots()[slot]));
  readRegister(state, slot, layer, values.data());
  return values;
}

uint64_t elementsOf(const SlotDescription &slot) {
  return slot.kind == SlotKind::reg ? registerElements(slot) : rowElements(slot);
}

std::string shapeText(const SlotDescription &slot) {
  const std::string kind = slot.kind == SlotKind::reg ? "a register of " : "rows of ";
  return kind + std::to_string(elementsOf(slot)) + " numbers in " + std::to_string(slot.layers) + " layers";
}

size_t otherSlot(const SlotDescription &slot, const std::vector<SlotDescription> &others) {
  const auto found = std::ranges::find(others, slot.name, &SlotDescription::name);
  if (found == others.end())
    throw Error(KV_BAD_INPUT, "the second model has no slot " + slot.name + ": their states can't be compared");
  if (found->kind != slot.kind || found->layers != slot.layers || elementsOf(*found) != elementsOf(slot))
    throw Error(KV_BAD_INPUT, "slot " + slot.name + " has " + shapeText(slot) + " in the first model and " +
                                  shapeText(*found) + " in the second: their states can't be compared");
  return static_cast<size_t>(found - others.begin());
}

void requireSameIds(const Description &a, const Description &b) {
  if (a.model.vocabularySize != b.model.vocabularySize)
    throw Error(KV_BAD_INPUT, "the first model has a vocabulary of " + std::to_string(a.model.vocabularySize) +
                                  ", the second of " + std::to_string(b.model.vocabularySize) +
                                  ": the same tokens mean something else to them");
}

bool isRoute(const Step &step) { return step.op == "lm.route"; }

bool isZero(std::span<const float> row) {
  return std::ranges::all_of(row, [](float number) { return number == 0; });
}

} // namespace

SideBySide::SideBySide(Model &a, Model &b, const audit::AuditOptions &options, const FunctionGraph *graph,
                       const Norms &norms)
    : sides{{a, makePlan(a, options), a.makeState(0)}, {b, makePlan(b, options), b.makeState(0)}}, options(options),
      allowed(a.description(), b.description()), hasRoutes(graph && std::ranges::any_of(graph->steps, isRoute)),
      writes(orderWrites(graph)), response(sides[0], norms, allowed.unit(), options.cancel) {
  requireSameIds(a.description(), b.description());
}

std::vector<SideBySide::Write> SideBySide::orderWrites(const FunctionGraph *graph) const {
  const auto &slots = sides[0].model.description().slots, &others = sides[1].model.description().slots;
  std::vector<Write> ordered, rest;
  bool isRouted = false;
  const auto add = [&](std::vector<Write> &list, size_t slot, uint64_t layer, const std::string &op) {
    list.push_back({slot, otherSlot(slots[slot], others), layer, op, isRouted});
  };
  for (size_t step = 0; graph && step < graph->steps.size(); ++step) {
    isRouted |= isRoute(graph->steps[step]);
    if (const auto &appends = graph->steps[step].appends) {
      const auto slot = std::ranges::find(slots, appends->slot, &SlotDescription::name);
      if (slot != slots.end() && appends->layer < slot->layers)
        add(ordered, static_cast<size_t>(slot - slots.begin()), appends->layer, graph->steps[step].at);
    }
  }
  uint64_t numLayers = 0;
  for (const SlotDescription &slot : slots)
    numLayers = std::max(numLayers, slot.layers);
  for (uint64_t layer = 0; layer < numLayers; ++layer)
    for (size_t slot = 0; slot < slots.size(); ++slot) {
      const auto isThis = [&](const Write &write) { return write.slot == slot && write.layer == layer; };
      if (layer < slots[slot].layers && std::ranges::none_of(ordered, isThis))
        add(rest, slot, layer, "");
    }
  ordered.insert(ordered.end(), rest.begin(), rest.end());
  return ordered;
}

void SideBySide::run(Report &report) {
  for (const SlotDescription &slot : sides[0].model.description().slots)
    report.compared.push_back({slot.name, false, 0, std::nullopt});
  uint64_t start = 0;
  for (const uint64_t tokens : sides[0].plan.cuts) {
    if (start + tokens > sides[1].state->capacity())
      break;
    compareCall(report, {start, tokens});
    start += tokens;
    ++report.numCalls;
    report.numTokens = start;
    if (report.first)
      return;
  }
}

void SideBySide::compareCall(Report &report, const MadeCall &call) {
  uint64_t elements = 0;
  for (const TensorDescription &output : sides[0].functionFor(call.tokens).outputs)
    elements += widthOf(output) * call.tokens;
  const Wanted wanted = elements <= kOutputElements ? Wanted::all : Wanted::last;
  const auto ids = std::span(sides[0].plan.ids).subspan(call.start, call.tokens);
  const Outputs a = sides[0].call(ids, call.start, wanted, options.cancel);
  const Outputs b = sides[1].call(ids, call.start, wanted, options.cancel);
  made.push_back(call);
  response.expect(call, wanted);
  for (const Write &write : writes) {
    if (sides[0].model.description().slots[write.slot].kind == SlotKind::reg)
      compareRegister(report, write);
    else
      compareRows(report, write);
  }
  compareOutputs(report, a, b, wanted);
}

Place SideBySide::placeOf(const std::string &name, uint64_t row) const {
  Place place;
  place.function = sides[0].functionFor(made.back().tokens).name;
  place.callTokens = made.back().tokens;
  place.slot = name;
  place.row = row;
  place.token = sides[0].plan.ids[row];
  return place;
}

void SideBySide::record(Report &report, Compared &compared, const Place &place, const Difference &difference) {
  ++compared.numRows;
  const auto part = [](const Difference &of) { return of.tolerance > 0 ? of.share / of.tolerance : of.share; };
  if (difference.share > 0 && (!compared.largest || part(difference) > part(compared.largest->difference)))
    compared.largest = {place, difference};
  if (difference.isBeyond() && !report.first)
    report.first = {place, difference};
}

/// Where rows are further apart than rounding explains as such, A itself is asked how far rounding moves it there. What
/// is behind the first that differs may follow from it, and nothing is asked.
Difference SideBySide::compare(Report &report, std::span<const float> a, std::span<const float> b, double tolerance,
                               const RowOf &rowOf) {
  Difference difference = differenceOf(a, b, tolerance);
  if (!difference.isBeyond() || report.first || allowed.areEqualBits() || !response.isKnown())
    return difference;
  difference.tolerance = std::max(tolerance, allowed.ofResponse(response.of(a, rowOf)));
  if (!difference.isBeyond())
    ++report.numEnlarged;
  return difference;
}

/// Which rows may be further apart than rounding explains since B's rounding chose other experts than A's. All that are
/// so far apart, but for zeros and what is no number, if they are no more than A's draws say (mostRerouted).
std::vector<bool> SideBySide::reroutedRows(const Rows &rows, Tally &tally) {
  const uint64_t count = rows.a.size() / rows.width, before = (rows.held.size() - rows.a.size()) / rows.width;
  std::vector<bool> rerouted(count);
  uint64_t numRerouted = 0;
  tally.numRows += count;
  for (uint64_t i = 0; i < count && !allowed.areEqualBits() && response.isKnown(); ++i) {
    const auto row = rows.a.subspan(i * rows.width, rows.width), other = rows.b.subspan(i * rows.width, rows.width);
    Difference difference = differenceOf(row, other, rows.tolerance);
    if (!difference.isBeyond())
      continue;
    difference.tolerance =
        allowed.ofResponse(response.of(row, [&](const Draw &draw) { return rows.drawn(draw, before + i, 1); }));
    rerouted[i] = difference.isBeyond() && std::isfinite(difference.share) && !isZero(other);
    numRerouted += rerouted[i];
  }
  if (numRerouted == 0)
    return rerouted;
  const DrawnRows drawn = response.drawnRows(rows.held, rows.width, rows.tolerance, [&](const Draw &draw) {
    return rows.drawn(draw, 0, rows.held.size() / rows.width);
  });
  if (static_cast<double>(tally.numRerouted + numRerouted) > mostRerouted(tally.numRows, drawn))
    return std::vector<bool>(count);
  tally.numRerouted += numRerouted;
  return rerouted;
}

void SideBySide::compareRows(Report &report, const Write &write) {
  const State &a = *sides[0].state, &b = *sides[1].state;
  const SlotDescription &slot = a.slots()[write.slot];
  const uint64_t first = std::max({made.back().start, a.firstHeldRow(write.slot), b.firstHeldRow(write.otherSlot)});
  const uint64_t count = a.length() - std::min(first, a.length()), width = rowElements(slot);
  const auto rows = rowsOf(a, write.slot, write.layer, first, count);
  const auto others = rowsOf(b, write.otherSlot, write.layer, first, count);
  std::vector<bool> rerouted(count);
  if (write.isRouted && !report.first) {
    const uint64_t firstHeld = a.firstHeldRow(write.slot);
    const auto drawn = [&](const Draw &draw, uint64_t row, uint64_t num) {
      return rowsOf(*draw.side.state, write.slot, write.layer, firstHeld + row, num);
    };
    const auto held = rowsOf(a, write.slot, write.layer, firstHeld, a.length() - firstHeld);
    const auto number = static_cast<size_t>(&write - writes.data());
    rerouted = reroutedRows({rows, others, held, width, allowed.ofState(slot, write.layer), drawn},
                            tallies[{number, made.back().tokens == 1}]);
  }
  for (uint64_t i = 0; i < count; ++i) {
    if (rerouted[i]) {
      ++report.compared[write.slot].numRows;
      ++report.numRerouted;
      continue;
    }
    Place place = placeOf(slot.name, first + i);
    place.op = write.op;
    place.kind = "kv.append";
    place.layer = write.layer;
    place.width = slot.width;
    const bool wasFound = report.first.has_value();
    const auto rowOf = [&](const Draw &draw) {
      return rowsOf(*draw.side.state, write.slot, write.layer, first + i, 1);
    };
    record(report, report.compared[write.slot], place,
           compare(report, std::span(rows).subspan(i * width, width), std::span(others).subspan(i * width, width),
                   allowed.ofState(slot, write.layer), rowOf));
    if (!wasFound && report.first)
      report.origin = originOf(write, first + i);
  }
}

void SideBySide::compareRegister(Report &report, const Write &write) {
  const State &a = *sides[0].state, &b = *sides[1].state;
  const SlotDescription &slot = a.slots()[write.slot];
  Place place = placeOf(slot.name, a.length() - 1);
  place.op = write.op;
  place.isRegister = true;
  place.layer = write.layer;
  place.width = slot.shape.empty() ? 1 : slot.shape.back();
  record(report, report.compared[write.slot], place,
         compare(report, registerOf(a, write.slot, write.layer), registerOf(b, write.otherSlot, write.layer),
                 allowed.ofState(slot, write.layer),
                 [&](const Draw &draw) { return registerOf(*draw.side.state, write.slot, write.layer); }));
}

void SideBySide::compareOutputs(Report &report, const Outputs &a, const Outputs &b, Wanted wanted) {
  const auto [start, tokens] = made.back();
  const auto &outputs = sides[0].functionFor(tokens).outputs, &others = sides[1].functionFor(tokens).outputs;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const auto other = std::ranges::find(others, outputs[i].name, &TensorDescription::name);
    const uint64_t width = widthOf(outputs[i]);
    if (other == others.end() || width == 0 || widthOf(*other) != width)
      continue;
    auto compared = std::ranges::find_if(
        report.compared, [&](const Compared &each) { return each.isOutput && each.name == outputs[i].name; });
    if (compared == report.compared.end())
      compared = report.compared.insert(compared, {outputs[i].name, true, 0, std::nullopt});
    const auto rows = numbersOf(a[i], outputs[i].element);
    const auto otherRows = numbersOf(b[static_cast<size_t>(other - others.begin())], other->element);
    const uint64_t count = std::min(rows.size(), otherRows.size()) / width;
    std::vector<bool> rerouted(count);
    if (hasRoutes && !report.first)
      rerouted = reroutedRows({std::span(rows).first(count * width), std::span(otherRows).first(count * width),
                               std::span(rows).first(count * width), width, allowed.ofOutputs(),
                               [&](const Draw &draw, uint64_t row, uint64_t num) {
                                 return numbersOf(draw.outputs[i], outputs[i].element, row * width, num * width);
                               }},
                              tallies[{writes.size() + i, tokens == 1}]);
    for (uint64_t row = 0; row < count; ++row) {
      if (rerouted[row]) {
        ++compared->numRows;
        ++report.numRerouted;
        continue;
      }
      Place place = placeOf(outputs[i].name, wanted == Wanted::all ? start + row : start + tokens - count + row);
      place.isOutput = true;
      place.width = width;
      const auto rowOf = [&](const Draw &draw) {
        return numbersOf(draw.outputs[i], outputs[i].element, row * width, width);
      };
      record(report, *compared, place,
             compare(report, std::span(rows).subspan(row * width, width),
                     std::span(otherRows).subspan(row * width, width), allowed.ofOutputs(), rowOf));
    }
  }
}

std::string SideBySide::originOf(const Write &write, uint64_t row) const {
  const State &a = *sides[0].state;
  const SlotDescription &slot = a.slots()[write.slot];
  const auto found = rowsOf(*sides[1].state, write.otherSlot, write.layer, row, 1);
  const auto isThere = [&](size_t index, uint64_t layer, uint64_t at) {
    if (a.slots()[index].kind != SlotKind::cache || rowElements(a.slots()[index]) != found.size() ||
        layer >= a.slots()[index].layers || at < a.firstHeldRow(index) || at >= a.length())
      return false;
    return !differenceOf(rowsOf(a, index, layer, at, 1), found, allowed.ofState(slot, layer)).isBeyond();
  };
  if (isZero(found))
    return "zeros";
  for (size_t index = 0; index < a.slots().size(); ++index)
    if (index != write.slot && isThere(index, write.layer, row))
      return "A's row of slot " + a.slots()[index].name;
  for (uint64_t layer = 0; layer < slot.layers; ++layer)
    if (layer != write.layer && isThere(write.slot, layer, row))
      return "A's row of layer " + std::to_string(layer);
  for (uint64_t at = a.firstHeldRow(write.slot); at < a.length(); ++at)
    if (at != row && isThere(write.slot, write.layer, at))
      return "A's row " + std::to_string(at);
  return "";
}

} // namespace kvasir::runtime::diff
