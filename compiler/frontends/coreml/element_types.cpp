// SPDX-License-Identifier: MIT
#include "compiler/frontends/coreml/element_types.h"

#include <algorithm>
#include <iterator>

namespace kvasir::coreml {
namespace {

// Source: Core ML's MIL.proto, FeatureTypes.proto and the blob storage format, version 2. In the enum's order.
constexpr ElementFacts kElements[] = {
    {Element::boolean, "bool", 8, 1, 0, 0},
    {Element::string, "string", 0, 2, 0, 0},
    {Element::f16, "fp16", 16, 10, 1, 65552},
    {Element::f32, "fp32", 32, 11, 2, 65568},
    {Element::f64, "fp64", 64, 12, 0, 65600},
    {Element::bf16, "bf16", 16, 13, 5, 0},
    {Element::i8, "int8", 8, 21, 4, 131080},
    {Element::i16, "int16", 16, 22, 6, 0},
    {Element::i32, "int32", 32, 23, 14, 131104},
    {Element::i64, "int64", 64, 24, 0, 0},
    {Element::i4, "int4", 4, 25, 8, 0},
    {Element::u8, "uint8", 8, 31, 3, 0},
    {Element::u16, "uint16", 16, 32, 7, 0},
    {Element::u32, "uint32", 32, 33, 15, 0},
    {Element::u64, "uint64", 64, 34, 0, 0},
    {Element::u4, "uint4", 4, 35, 11, 0},
    {Element::u2, "uint2", 2, 36, 10, 0},
    {Element::u1, "uint1", 1, 37, 9, 0},
    {Element::u6, "uint6", 6, 38, 13, 0},
    {Element::u3, "uint3", 3, 39, 12, 0},
    {Element::f8e4m3fn, "fp8e4m3fn", 8, 40, 16, 0},
    {Element::f8e5m2, "fp8e5m2", 8, 41, 17, 0},
};

const ElementFacts *find(auto matches) {
  const ElementFacts *found = std::find_if(std::begin(kElements), std::end(kElements), matches);
  return found == std::end(kElements) ? nullptr : found;
}

} // namespace

const ElementFacts &facts(Element element) { return kElements[size_t(element)]; }

const ElementFacts *findByMilNumber(int64_t number) {
  return find([&](const ElementFacts &each) { return each.milNumber == number; });
}

const ElementFacts *findByFeatureNumber(int64_t number) {
  return number == 0 ? nullptr : find([&](const ElementFacts &each) { return each.featureNumber == number; });
}

} // namespace kvasir::coreml
