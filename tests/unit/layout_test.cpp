// SPDX-License-Identifier: MIT
#include "plugins/layout.h"

#include <doctest/doctest.h>

using namespace kvasir;

namespace {

// A 64x64 weight in panels of 32 rows, groups of 32 columns: two planes, one of codes, one of scales.
Layout panelLayout() {
  Plane codes{PlaneRole::code,
              ElementType::u4,
              512,
              {{Axis::row, 32, 4}, {Axis::row, 2, 9216}, {Axis::column, 32, 128}, {Axis::column, 2, 4608}}};
  Plane scales{PlaneRole::scale,
               ElementType::f16,
               0,
               {{Axis::row, 32, 16}, {Axis::row, 2, 9216}, {Axis::column, 32, 0}, {Axis::column, 2, 4608}}};
  return {2304, {codes, scales}};
}

} // namespace

TEST_CASE("elements have names and widths") {
  CHECK(elementBits(ElementType::u5) == 5);
  CHECK(elementBits(ElementType::bf16) == 16);
  CHECK(elementBits(ElementType::f64) == 64);
  for (auto type : {ElementType::f32, ElementType::u4, ElementType::i64, ElementType::u2, ElementType::u3})
    CHECK(elementFromName(elementName(type)) == type);
  CHECK_FALSE(elementFromName("f8"));
  CHECK(axisFromName("lane") == Axis::lane);
  CHECK(roleFromName("min") == PlaneRole::min);
}

TEST_CASE("bitOffset takes the digits of an index least significant first") {
  const Layout layout = panelLayout();
  uint64_t indices[kNumAxes] = {};
  indices[size_t(Axis::row)] = 35;
  indices[size_t(Axis::column)] = 33;
  CHECK(bitOffset(layout.planes[0], indices) == 512 + 3 * 4 + 9216 + 128 + 4608);
  CHECK(bitOffset(layout.planes[1], indices) == 3 * 16 + 9216 + 4608);
  CHECK(axisExtent(layout.planes[0], Axis::row) == 64);
  CHECK(axisExtent(layout.planes[0], Axis::head) == 1);
  CHECK(checkLayout(layout));
}

TEST_CASE("layouts survive JSON") {
  const Layout layout = panelLayout();
  Result<Layout> again = layoutFromJson(layoutToJson(layout));
  REQUIRE(again);
  CHECK(*again == layout);
}

TEST_CASE("bad layouts are refused in one line") {
  auto refusal = [](const char *text) {
    Result<Layout> layout = layoutFromJson(text);
    REQUIRE_FALSE(layout);
    CHECK(layout.message().find('\n') == std::string::npos);
    return layout.message();
  };
  CHECK(refusal("") == "layout is no JSON text");
  CHECK(refusal("[]") == "layout: is no object");
  CHECK(refusal(R"({"size_bytes": -1, "planes": []})").find("whole number") != std::string::npos);
  CHECK(refusal(R"({"size_bytes": 8, "planes": [], "x": 1})") == "layout: has an unknown member 'x'");
  CHECK(refusal(R"({"size_bytes": 8, "planes": [{"role": "value", "element": "f32", "offset_bits": 0,
                    "digits": [["row", 3, 32]]}]})")
            .find("the layout ends at bit 64") != std::string::npos);
  CHECK(refusal(R"({"size_bytes": 8, "planes": [{"role": "value", "element": "f32", "offset_bits": 0,
                    "digits": [["row", 18446744073709551615, 32]]}]})")
            .find("overflow") != std::string::npos);
  CHECK(refusal(R"({"size_bytes": 8, "planes": [{"role": "value", "element": "f9", "offset_bits": 0, "digits": []}]})")
            .find("layout.planes[0].element: is the unknown element type 'f9'") != std::string::npos);
  CHECK(refusal(std::string(1000, '[').c_str()) == "layout JSON is nested more than 32 deep");
}
