// SPDX-License-Identifier: MIT
#include "plugins/description_json.h"
#include "plugins/forms_json.h"

#include "kvasir/manifest.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

namespace kvasir {
namespace {

constexpr size_t kMaxName = 256;
constexpr size_t kMaxSentence = 2048;
constexpr size_t kMaxElements = 1024;
constexpr size_t kMaxRank = 8;
constexpr uint64_t kMaxExtent = uint64_t(1) << 32;
constexpr uint64_t kMaxSmallExtent = uint64_t(1) << 24;
constexpr size_t kMaxOwnExtents = 26;

bool isOwnExtent(char symbol) { return symbol >= 'a' && symbol <= 'z'; }

template <typename Convert>
auto readList(const JsonReader &reader, size_t limit, Convert convert) -> std::vector<decltype(convert(reader))> {
  std::vector<decltype(convert(reader))> list;
  for (size_t i = 0, n = reader.size(limit); i < n && !reader.failed(); ++i)
    list.push_back(convert(reader.element(i)));
  return list;
}

std::string readName(const JsonReader &reader) {
  std::string name = reader.text(kMaxName);
  if (name.empty())
    reader.fail("is empty");
  return name;
}

ModelDescription readModel(const JsonReader &reader) {
  reader.onlyMembers({"name", "architecture", "context", "vocabulary", "extents"});
  ModelDescription model;
  model.name = reader.member("name").text(kMaxName);
  model.architecture = reader.member("architecture").text(kMaxName);
  model.contextTokens = reader.member("context").number(0, kMaxExtent);
  model.vocabularySize = reader.member("vocabulary").number(0, kMaxExtent);
  const JsonReader extents = reader.member("extents");
  if (!extents.json().is_object() || extents.json().size() > kMaxElements)
    return extents.fail("is no object of extents"), model;
  for (const auto &[letter, ignored] : extents.json().items())
    model.extents[letter] = extents.member(letter.c_str()).number(0, kMaxExtent);
  return model;
}

Dimension readDimension(const JsonReader &reader) {
  if (!reader.json().is_string())
    return {0, reader.number(0, kMaxExtent)};
  const std::string symbol = reader.text(kMaxName);
  if (symbol.size() != 1 || (!std::strchr("BTWS", symbol[0]) && !isOwnExtent(symbol[0])))
    reader.fail("is the symbol '" + symbol + "', expected B, T, W, S or a to z");
  return {symbol.empty() ? '\0' : symbol[0], 0};
}

TensorDescription readTensor(const JsonReader &reader) {
  reader.onlyMembers({"name", "element", "shape", "role"});
  return {readName(reader.member("name")), elementFromJson(reader.member("element")),
          readList(reader.member("shape"), kMaxRank, readDimension),
          reader.member("role").oneOf<TensorRole>(kTensorRoles)};
}

char readOwnExtent(const JsonReader &reader) {
  const std::string symbol = reader.text(kMaxName);
  if (symbol.size() == 1 && isOwnExtent(symbol[0]))
    return symbol[0];
  reader.fail("is the symbol '" + symbol + "', expected one of a to z");
  return 'a';
}

void readSum(const JsonReader &reader, ExtentDescription &extent) {
  reader.onlyMembers({"symbol", "constant", "terms"});
  extent.constant = reader.member("constant").integer(-int64_t(kMaxExtent), int64_t(kMaxExtent));
  const JsonReader terms = reader.member("terms");
  if (!terms.json().is_object() || terms.json().empty() || terms.json().size() > kMaxOwnExtents)
    return terms.fail("is no object of factors");
  for (const auto &[symbol, ignored] : terms.json().items())
    if (symbol.size() == 1 && isOwnExtent(symbol[0]))
      extent.terms[symbol[0]] =
          terms.member(symbol.c_str()).integer(-int64_t(kMaxSmallExtent), int64_t(kMaxSmallExtent));
    else
      terms.fail("is of '" + symbol.substr(0, kMaxName) + "', expected one of a to z");
}

ExtentDescription readExtent(const JsonReader &reader) {
  ExtentDescription extent;
  extent.symbol = readOwnExtent(reader.member("symbol"));
  if (reader.has("terms")) {
    readSum(reader, extent);
    return extent;
  }
  reader.onlyMembers({"symbol", "from", "to", "values"});
  extent.from = reader.member("from").number(1, kMaxExtent);
  extent.to = reader.member("to").number(extent.from, kMaxExtent);
  if (reader.has("values"))
    extent.values = readList(reader.member("values"), kMaxElements,
                             [&](const JsonReader &value) { return value.number(extent.from, extent.to); });
  return extent;
}

FunctionDescription readFunction(const JsonReader &reader) {
  reader.onlyMembers({"name", "max_tokens", "inputs", "outputs", "extents", "raised"});
  FunctionDescription function{readName(reader.member("name")), reader.member("max_tokens").number(0, kMaxExtent),
                               readList(reader.member("inputs"), kMaxElements, readTensor),
                               readList(reader.member("outputs"), kMaxElements, readTensor)};
  if (reader.has("extents"))
    function.extents = readList(reader.member("extents"), kMaxOwnExtents, readExtent);
  if (reader.has("raised"))
    function.raised = raisedFormFromJson(reader.member("raised"));
  return function;
}

/// Fails unless every plane has the axis up to `needed` (scales too: their lowest digit has stride 0).
void requireExtent(const JsonReader &reader, const Layout &layout, Axis axis, uint64_t needed) {
  for (const Plane &plane : layout.planes)
    if (const uint64_t extent = axisExtent(plane, axis); extent < needed)
      reader.fail(std::string("its plane of ") + roleName(plane.role) + "s has " + std::to_string(extent) + " " +
                  axisName(axis) + "s, the slot needs " + std::to_string(needed));
}

void readCache(const JsonReader &reader, SlotDescription &slot) {
  reader.onlyMembers({"name", "kind", "layers", "heads", "width", "window", "rotated", "values", "from", "layout"});
  slot.heads = reader.member("heads").number(1, kMaxSmallExtent);
  slot.width = reader.member("width").number(1, kMaxSmallExtent);
  if (reader.has("window"))
    slot.windowTokens = reader.member("window").number(1, kMaxExtent);
  if (reader.has("rotated"))
    slot.rotated = reader.member("rotated").oneOf<RowRotation>(kRowRotations);
  if (reader.has("values"))
    slot.values = readName(reader.member("values"));
  if (reader.has("from"))
    slot.from = rowsOriginFromJson(reader.member("from"));
  const JsonReader layout = reader.member("layout");
  requireExtent(layout, slot.layout, Axis::layer, slot.layers);
  requireExtent(layout, slot.layout, Axis::head, slot.heads);
  requireExtent(layout, slot.layout, Axis::token, KV_BLOCK_TOKENS);
  requireExtent(layout, slot.layout, Axis::lane, slot.width);
}

void readRegister(const JsonReader &reader, SlotDescription &slot) {
  reader.onlyMembers({"name", "kind", "layers", "shape", "layout"});
  uint64_t numElements = 1;
  slot.shape = readList(reader.member("shape"), kMaxRank,
                        [](const JsonReader &extent) { return extent.number(1, kMaxSmallExtent); });
  for (uint64_t extent : slot.shape)
    if (__builtin_mul_overflow(numElements, extent, &numElements))
      reader.fail("its shape overflows 64 bits");
  const JsonReader layout = reader.member("layout");
  requireExtent(layout, slot.layout, Axis::layer, slot.layers);
  requireExtent(layout, slot.layout, Axis::lane, numElements);
}

SlotDescription readSlot(const JsonReader &reader) {
  SlotDescription slot;
  slot.name = readName(reader.member("name"));
  slot.kind = reader.member("kind").oneOf<SlotKind>(kSlotKinds);
  slot.layers = reader.member("layers").number(1, kMaxSmallExtent);
  slot.layout = layoutFromJson(reader.member("layout"));
  if (slot.layout.planes.empty())
    reader.fail("its layout has no plane");
  if (slot.kind == SlotKind::cache)
    readCache(reader, slot);
  else
    readRegister(reader, slot);
  return slot;
}

VariantDescription readVariant(const JsonReader &reader) {
  reader.onlyMembers({"name", "features"});
  return {readName(reader.member("name")), readList(reader.member("features"), kMaxElements, readName)};
}

WaiverDescription readWaiver(const JsonReader &reader) {
  reader.onlyMembers({"function", "slot", "reason"});
  return {readName(reader.member("function")), readName(reader.member("slot")),
          reader.member("reason").text(kMaxSentence)};
}

NumericsDescription readNumerics(const JsonReader &reader) {
  reader.onlyMembers({"id", "invariant", "activations"});
  return {reader.member("id").text(kMaxName), reader.member("invariant").boolean(),
          reader.member("activations").oneOf<Activations>(kActivations)};
}

/// The name becomes part of a file's name.
std::string readServiceName(const JsonReader &reader) {
  const std::string name = reader.text(kMaxName);
  if (name.empty() || name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos)
    reader.fail("is no name of a service: small letters, digits and -");
  return name;
}

ServiceDescription readService(const JsonReader &reader) {
  reader.onlyMembers({"name", "version", "needs", "fallback"});
  const JsonReader fallback = reader.member("fallback");
  fallback.onlyMembers({"id", "invariant"});
  return {readServiceName(reader.member("name")), reader.member("version").number(1, UINT32_MAX),
          reader.member("needs").text(kMaxSentence), fallback.member("id").text(kMaxName),
          fallback.member("invariant").boolean()};
}

template <typename T> void requireUniqueNames(const JsonReader &reader, const char *what, const std::vector<T> &list) {
  std::set<std::string_view> names;
  for (const T &element : list)
    if (!names.insert(element.name).second)
      reader.fail(std::string("has two ") + what + "s of the name '" + element.name + "'");
}

/// Each symbol is one extent; sums are over free ones, which an input has; nothing else is named.
void requireKnownExtents(const JsonReader &reader, const FunctionDescription &function) {
  std::map<char, bool> isFree;
  std::set<char> given;
  const auto fail = [&](char symbol, const std::string &what) {
    reader.fail("function '" + function.name + "' has an extent '" + symbol + "' " + what);
  };
  for (const ExtentDescription &extent : function.extents)
    if (!isFree.emplace(extent.symbol, extent.isFree()).second)
      fail(extent.symbol, "twice");
  for (const ExtentDescription &extent : function.extents)
    for (const auto &[symbol, ignored] : extent.terms)
      if (const auto term = isFree.find(symbol); term == isFree.end() || !term->second)
        fail(extent.symbol, std::string("made of '") + symbol + "', which is no free one");
  const auto check = [&](const TensorDescription &tensor, bool isInput) {
    for (const Dimension &dimension : tensor.shape) {
      if (!isOwnExtent(dimension.symbol))
        continue;
      const auto known = isFree.find(dimension.symbol);
      if (known == isFree.end())
        fail(dimension.symbol, "in '" + tensor.name + "' that it does not list");
      else if (isInput && !known->second)
        fail(dimension.symbol, "in input '" + tensor.name + "' that is a sum");
      if (isInput)
        given.insert(dimension.symbol);
    }
  };
  for (const TensorDescription &input : function.inputs)
    check(input, true);
  for (const TensorDescription &output : function.outputs)
    check(output, false);
  for (const auto &[symbol, free] : isFree)
    if (free && !given.contains(symbol))
      fail(symbol, "that no input has");
}

/// What only tokens give a number.
void requireNoTokens(const JsonReader &reader, const FunctionDescription &function) {
  for (const auto *tensors : {&function.inputs, &function.outputs})
    for (const TensorDescription &tensor : *tensors)
      for (const Dimension &dimension : tensor.shape)
        if (dimension.symbol && !isOwnExtent(dimension.symbol))
          reader.fail("function '" + function.name + "' takes no tokens, and '" + tensor.name + "' has an extent " +
                      dimension.symbol);
}

void requireConsistency(const JsonReader &reader, const Description &description) {
  requireUniqueNames(reader, "variant", description.variants);
  requireUniqueNames(reader, "slot", description.slots);
  requireUniqueNames(reader, "function", description.functions);
  requireUniqueNames(reader, "service", description.services);
  for (const FunctionDescription &function : description.functions) {
    requireUniqueNames(reader, "input", function.inputs);
    requireUniqueNames(reader, "output", function.outputs);
    requireKnownExtents(reader, function);
    if (function.maxTokens == 0)
      requireNoTokens(reader, function);
  }
  auto isCache = [&](const std::string &name) {
    return std::any_of(description.slots.begin(), description.slots.end(),
                       [&](const SlotDescription &slot) { return slot.name == name && slot.kind == SlotKind::cache; });
  };
  for (const SlotDescription &slot : description.slots)
    if (!slot.values.empty() && !isCache(slot.values))
      reader.fail("slot '" + slot.name + "' holds the values of '" + slot.values + "', which is no cache");
  requireForms(reader, description);
}

Description readDescription(const JsonReader &reader) {
  reader.onlyMembers(
      {"format", "model", "backend", "verified", "numerics", "variants", "slots", "functions", "waivers", "services"});
  Description description;
  if (const uint64_t format = reader.member("format").number(1, UINT32_MAX); format != KV_FORMAT)
    reader.fail("has format " + std::to_string(format) + ", this host reads format " + std::to_string(KV_FORMAT));
  description.model = readModel(reader.member("model"));
  description.backend = reader.member("backend").text(kMaxName);
  description.verified = reader.member("verified").boolean();
  description.numerics = readNumerics(reader.member("numerics"));
  description.variants = readList(reader.member("variants"), kMaxElements, readVariant);
  description.slots = readList(reader.member("slots"), kMaxElements, readSlot);
  description.functions = readList(reader.member("functions"), kMaxElements, readFunction);
  description.waivers = readList(reader.member("waivers"), kMaxElements, readWaiver);
  if (reader.has("services"))
    description.services = readList(reader.member("services"), kMaxElements, readService);
  requireConsistency(reader, description);
  return description;
}

} // namespace

Result<Description> descriptionFromJson(std::string_view text) {
  Result<Json> json = parseJson(text);
  if (!json)
    return Failure{"description " + json.message()};
  std::optional<Failure> failure;
  Description description = readDescription(JsonReader(*json, "description", failure));
  if (failure)
    return *failure;
  return description;
}

} // namespace kvasir
