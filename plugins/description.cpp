// SPDX-License-Identifier: MIT
#include "plugins/description.h"

#include "kvasir/manifest.h"
#include "plugins/description_json.h"
#include "plugins/forms_json.h"

#include <algorithm>

namespace kvasir {
namespace {

/// The members of a cache that are left out when they say nothing.
void addOptionalMembers(const SlotDescription &slot, Json &json) {
  if (slot.windowTokens)
    json["window"] = slot.windowTokens;
  if (slot.rotated != RowRotation::none)
    json["rotated"] = kRowRotations[size_t(slot.rotated)];
  if (!slot.values.empty())
    json["values"] = slot.values;
  if (slot.from)
    json["from"] = toJson(*slot.from);
}

/// What a slot means, without its layout.
Json meaningToJson(const SlotDescription &slot) {
  Json json = {{"name", slot.name}, {"kind", kSlotKinds[size_t(slot.kind)]}, {"layers", slot.layers}};
  if (slot.kind == SlotKind::reg) {
    json["shape"] = slot.shape;
    return json;
  }
  json["heads"] = slot.heads;
  json["width"] = slot.width;
  addOptionalMembers(slot, json);
  return json;
}

Json toJson(const TensorDescription &tensor) {
  Json shape = Json::array();
  for (const Dimension &dimension : tensor.shape)
    shape.push_back(dimension.symbol ? Json(std::string(1, dimension.symbol)) : Json(dimension.number));
  return {{"name", tensor.name},
          {"element", elementName(tensor.element)},
          {"shape", shape},
          {"role", kTensorRoles[size_t(tensor.role)]}};
}

template <typename T, typename Convert> Json listToJson(const std::vector<T> &elements, Convert convert) {
  Json list = Json::array();
  for (const T &element : elements)
    list.push_back(convert(element));
  return list;
}

Json toJson(const ExtentDescription &extent) {
  Json json = {{"symbol", std::string(1, extent.symbol)}};
  if (!extent.isFree()) {
    json["constant"] = extent.constant;
    for (const auto &[symbol, factor] : extent.terms)
      json["terms"][std::string(1, symbol)] = factor;
    return json;
  }
  json["from"] = extent.from;
  json["to"] = extent.to;
  if (!extent.values.empty())
    json["values"] = extent.values;
  return json;
}

Json toJson(const FunctionDescription &function) {
  auto tensor = [](const TensorDescription &tensor) { return toJson(tensor); };
  auto extent = [](const ExtentDescription &extent) { return toJson(extent); };
  Json json = {{"name", function.name},
               {"max_tokens", function.maxTokens},
               {"inputs", listToJson(function.inputs, tensor)},
               {"outputs", listToJson(function.outputs, tensor)}};
  if (!function.extents.empty())
    json["extents"] = listToJson(function.extents, extent);
  if (function.raised)
    json["raised"] = toJson(*function.raised);
  return json;
}

Json toJson(const ModelDescription &model) {
  Json extents = Json::object();
  for (const auto &[letter, extent] : model.extents)
    extents[letter] = extent;
  return {{"name", model.name},
          {"architecture", model.architecture},
          {"context", model.contextTokens},
          {"vocabulary", model.vocabularySize},
          {"extents", extents}};
}

} // namespace

const char *activationsName(Activations activations) { return kActivations[size_t(activations)]; }

std::string descriptionToJson(const Description &description) {
  auto slot = [](const SlotDescription &slot) {
    Json json = meaningToJson(slot);
    json["layout"] = toJson(slot.layout);
    return json;
  };
  auto function = [](const FunctionDescription &function) { return toJson(function); };
  auto variant = [](const VariantDescription &variant) -> Json {
    return {{"name", variant.name}, {"features", variant.features}};
  };
  auto waiver = [](const WaiverDescription &waiver) -> Json {
    return {{"function", waiver.function}, {"slot", waiver.slot}, {"reason", waiver.reason}};
  };
  auto service = [](const ServiceDescription &service) -> Json {
    return {{"name", service.name},
            {"version", service.version},
            {"needs", service.needs},
            {"fallback", {{"id", service.fallback}, {"invariant", service.fallbackInvariant}}}};
  };
  const NumericsDescription &numerics = description.numerics;
  Json json = {{"format", KV_FORMAT},
               {"model", toJson(description.model)},
               {"backend", description.backend},
               {"verified", description.verified},
               {"numerics",
                {{"id", numerics.id},
                 {"invariant", numerics.invariant},
                 {"activations", activationsName(numerics.activations)}}},
               {"variants", listToJson(description.variants, variant)},
               {"slots", listToJson(description.slots, slot)},
               {"functions", listToJson(description.functions, function)},
               {"waivers", listToJson(description.waivers, waiver)}};
  if (!description.services.empty())
    json["services"] = listToJson(description.services, service);
  return jsonText(json);
}

bool isRaisedForm(const Description &description, const FunctionDescription &function) {
  return std::ranges::any_of(description.functions, [&](const FunctionDescription &other) {
    return other.raised && other.raised->function == function.name;
  });
}

Digest schemaHash(const std::vector<SlotDescription> &slots) {
  const std::string text = jsonText(listToJson(slots, meaningToJson));
  return sha256({reinterpret_cast<const uint8_t *>(text.data()), text.size()});
}

} // namespace kvasir
