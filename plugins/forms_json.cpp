// SPDX-License-Identifier: MIT
#include "plugins/forms_json.h"

#include <algorithm>

namespace kvasir {
namespace {

constexpr const char *kBindFields[] = {"start", "positions", "count", "length", "causal"};
constexpr size_t kMaxName = 256;
constexpr size_t kMaxBinds = 256;
constexpr uint64_t kMaxStride = uint64_t(1) << 32;
constexpr uint64_t kMaxRows = uint64_t(1) << 24; // times a stride, and four of those summed, fits into 64 bits
constexpr int64_t kLowest = -(int64_t(1) << 32);
constexpr uint64_t kMaxRank = 8;

bool isExtent(BindField field) { return field == BindField::count || field == BindField::length; }

Json toJson(const BindDescription &bind) {
  Json json = {{"input", bind.input}, {"is", kBindFields[size_t(bind.field)]}};
  if (bind.dim)
    json["dim"] = *bind.dim;
  if (bind.hidden)
    json["hidden"] = *bind.hidden;
  return json;
}

BindDescription bindFromJson(const JsonReader &reader) {
  reader.onlyMembers({"input", "is", "dim", "hidden"});
  BindDescription bind;
  bind.input = reader.member("input").text(kMaxName);
  bind.field = reader.member("is").oneOf<BindField>(kBindFields);
  if (reader.has("dim"))
    bind.dim = reader.member("dim").number(0, kMaxRank - 1);
  if (reader.has("hidden"))
    bind.hidden = reader.member("hidden").integer(kLowest, -1);
  return bind;
}

bool isInteger(ElementType type) {
  return type == ElementType::i8 || type == ElementType::u8 || type == ElementType::i32 || type == ElementType::i64;
}

/// Why `input` can't be bound so; null if it can.
const char *whyNotBound(const BindDescription &bind, const TensorDescription &input) {
  if (bind.dim.has_value() != isExtent(bind.field))
    return isExtent(bind.field) ? "names no dim" : "names a dim";
  if (bind.dim)
    return *bind.dim < input.shape.size() ? nullptr : "names a dim that it has not";
  if (bind.hidden && bind.field != BindField::causal)
    return "is hidden, and no mask";
  if (bind.field != BindField::causal)
    return isInteger(input.element) ? nullptr : "is of integers";
  if (input.shape.size() < 2)
    return "is a mask of two dims or more";
  return bind.hidden                ? (isFloat(input.element) ? nullptr : "is a mask of floats")
         : isInteger(input.element) ? nullptr
                                    : "is a mask of truth values";
}

void requireBinds(const JsonReader &reader, const FunctionDescription &function) {
  bool hasCount = false, hasStart = false;
  for (const BindDescription &bind : function.raised->binds) {
    const auto input = std::ranges::find(function.inputs, bind.input, &TensorDescription::name);
    const std::string what = "function '" + function.name + "' binds '" + bind.input + "', which ";
    if (input == function.inputs.end())
      reader.fail(what + "is no input of it");
    else if (const char *reason = whyNotBound(bind, *input))
      reader.fail(what + reason);
    hasCount |= bind.field == BindField::count;
    hasStart |= bind.field != BindField::count;
  }
  if (!hasCount || !hasStart)
    reader.fail("function '" + function.name +
                "' has a raised form whose binds do not say where a call starts and how many " + "tokens it brings");
}

bool isAlike(const std::vector<TensorDescription> &opaque, const std::vector<TensorDescription> &raised) {
  return std::ranges::equal(opaque, raised, [](const TensorDescription &a, const TensorDescription &b) {
    return a.name == b.name && a.element == b.element && a.shape.size() == b.shape.size();
  });
}

void requireRaised(const JsonReader &reader, const Description &description, const FunctionDescription &function) {
  const auto &functions = description.functions;
  const auto raised = std::ranges::find(functions, function.raised->function, &FunctionDescription::name);
  const auto fail = [&](const std::string &what) {
    reader.fail("function '" + function.name + "' has the raised form '" + function.raised->function + "', which " +
                what);
  };
  if (function.maxTokens != 0)
    reader.fail("function '" + function.name + "' takes tokens and has a raised form");
  if (raised == functions.end())
    return fail("is no function");
  if (raised->maxTokens == 0)
    return fail("takes no tokens");
  if (!isAlike(function.inputs, raised->inputs) || !isAlike(function.outputs, raised->outputs))
    return fail("has other inputs or outputs");
  for (const TensorDescription &output : raised->outputs)
    for (const Dimension &dim : output.shape)
      if (dim.symbol == 'W')
        return fail("has outputs of wanted tokens only");
  requireBinds(reader, function);
}

const Plane *valuesOf(const SlotDescription &slot) {
  const auto &planes = slot.layout.planes;
  return planes.size() == 1 && planes[0].role == PlaneRole::value ? &planes[0] : nullptr;
}

/// The last element that the rows have in the register.
uint64_t lastElement(const SlotDescription &cache) {
  const RowsOrigin &from = *cache.from;
  return from.element(cache.layers - 1, cache.heads - 1, from.rows - 1, cache.width - 1);
}

void requireOrigin(const JsonReader &reader, const Description &description, const SlotDescription &cache) {
  const auto fail = [&](const std::string &what) {
    reader.fail("slot '" + cache.name + "' has rows from '" + cache.from->state + "', which " + what);
  };
  const auto state = std::ranges::find(description.slots, cache.from->state, &SlotDescription::name);
  if (state == description.slots.end() || state->kind != SlotKind::reg || state->layers != 1)
    return fail("is no register of one layer");
  uint64_t numElements = 1;
  for (const uint64_t extent : state->shape)
    numElements *= extent; // readRegister: no overflow
  if (lastElement(cache) >= numElements)
    return fail("has no element " + std::to_string(lastElement(cache)));
  if (cache.windowTokens)
    return fail("keeps what leaves the window");
  const Plane *rows = valuesOf(cache), *whole = valuesOf(*state);
  if (!rows || !whole || !isFloat(whole->element) || !isFloat(rows->element))
    return fail("is not stored as values of floating point, or the rows are not");
  if (rows->element != whole->element && rows->element != ElementType::f32)
    fail(std::string("has elements of ") + elementName(whole->element) + ", which " + elementName(rows->element) +
         " can't hold");
}

} // namespace

Json toJson(const RowsOrigin &from) {
  return {{"state", from.state}, {"rows", from.rows}, {"first", from.first}, {"layer", from.layer},
          {"head", from.head},   {"row", from.row},   {"lane", from.lane}};
}

Json toJson(const RaisedForm &raised) {
  Json binds = Json::array();
  for (const BindDescription &bind : raised.binds)
    binds.push_back(toJson(bind));
  return {{"function", raised.function}, {"binds", binds}};
}

RowsOrigin rowsOriginFromJson(const JsonReader &reader) {
  reader.onlyMembers({"state", "rows", "first", "layer", "head", "row", "lane"});
  RowsOrigin from;
  from.state = reader.member("state").text(kMaxName);
  from.rows = reader.member("rows").number(1, kMaxRows);
  from.first = reader.member("first").number(0, kMaxStride);
  from.layer = reader.member("layer").number(0, kMaxStride);
  from.head = reader.member("head").number(0, kMaxStride);
  from.row = reader.member("row").number(1, kMaxStride);
  from.lane = reader.member("lane").number(0, kMaxStride);
  return from;
}

RaisedForm raisedFormFromJson(const JsonReader &reader) {
  reader.onlyMembers({"function", "binds"});
  RaisedForm raised;
  raised.function = reader.member("function").text(kMaxName);
  const JsonReader binds = reader.member("binds");
  for (size_t i = 0, n = binds.size(kMaxBinds); i < n && !binds.failed(); ++i)
    raised.binds.push_back(bindFromJson(binds.element(i)));
  return raised;
}

void requireForms(const JsonReader &reader, const Description &description) {
  bool hasRaised = false;
  for (const FunctionDescription &function : description.functions)
    if (function.raised) {
      hasRaised = true;
      requireRaised(reader, description, function);
    }
  for (const SlotDescription &slot : description.slots)
    if (slot.from)
      requireOrigin(reader, description, slot);
    else if (slot.kind == SlotKind::cache && hasRaised)
      reader.fail("slot '" + slot.name + "' has rows that are in no register, and opaque functions need them");
}

} // namespace kvasir
