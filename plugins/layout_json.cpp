// SPDX-License-Identifier: MIT
#include "plugins/layout_json.h"

namespace kvasir {
namespace {

constexpr size_t kMaxPlanes = 16;
constexpr size_t kMaxDigits = 64;
constexpr size_t kMaxName = 32;

Digit digitFromJson(const JsonReader &reader) {
  if (reader.size(3) != 3)
    reader.fail("is no digit: [axis, extent, stride in bits] was expected");
  const std::string name = reader.element(0).text(kMaxName);
  const std::optional<Axis> axis = axisFromName(name);
  if (!axis)
    reader.fail("has the unknown axis '" + name + "'");
  return {axis.value_or(Axis::layer), reader.element(1).number(1, UINT64_MAX), reader.element(2).number(0, UINT64_MAX)};
}

Plane planeFromJson(const JsonReader &reader) {
  reader.onlyMembers({"role", "element", "offset_bits", "digits"});
  const std::string name = reader.member("role").text(kMaxName);
  const std::optional<PlaneRole> role = roleFromName(name);
  if (!role)
    reader.fail("has the unknown role '" + name + "'");
  Plane plane{role.value_or(PlaneRole::value),
              elementFromJson(reader.member("element")),
              reader.member("offset_bits").number(0, UINT64_MAX),
              {}};
  const JsonReader digits = reader.member("digits");
  for (size_t i = 0, n = digits.size(kMaxDigits); i < n && !reader.failed(); ++i)
    plane.digits.push_back(digitFromJson(digits.element(i)));
  return plane;
}

} // namespace

ElementType elementFromJson(const JsonReader &reader) {
  const std::string name = reader.text(kMaxName);
  const std::optional<ElementType> element = elementFromName(name);
  if (!element)
    reader.fail("is the unknown element type '" + name + "'");
  return element.value_or(ElementType::f32);
}

Json toJson(const Layout &layout) {
  Json planes = Json::array();
  for (const Plane &plane : layout.planes) {
    Json digits = Json::array();
    for (const Digit &digit : plane.digits)
      digits.push_back(Json::array({axisName(digit.axis), digit.extent, digit.strideBits}));
    planes.push_back({{"role", roleName(plane.role)},
                      {"element", elementName(plane.element)},
                      {"offset_bits", plane.offsetBits},
                      {"digits", digits}});
  }
  return {{"size_bytes", layout.sizeBytes}, {"planes", planes}};
}

Layout layoutFromJson(const JsonReader &reader) {
  reader.onlyMembers({"size_bytes", "planes"});
  Layout layout;
  layout.sizeBytes = reader.member("size_bytes").number(0, UINT64_MAX);
  const JsonReader planes = reader.member("planes");
  for (size_t i = 0, n = planes.size(kMaxPlanes); i < n && !reader.failed(); ++i)
    layout.planes.push_back(planeFromJson(planes.element(i)));
  if (reader.failed())
    return {};
  if (Status status = checkLayout(layout); !status) {
    reader.fail(status.message());
    return {};
  }
  return layout;
}

std::string layoutToJson(const Layout &layout) { return jsonText(toJson(layout)); }

Result<Layout> layoutFromJson(std::string_view text) {
  Result<Json> json = parseJson(text);
  if (!json)
    return Failure{"layout " + json.message()};
  std::optional<Failure> failure;
  Layout layout = layoutFromJson(JsonReader(*json, "layout", failure));
  if (failure)
    return *failure;
  return layout;
}

} // namespace kvasir
