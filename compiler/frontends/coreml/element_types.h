// SPDX-License-Identifier: MIT
// The element types of MIL and their numbers in the three places of a package that number them.
#ifndef KVASIR_FRONTENDS_COREML_ELEMENT_TYPES_H
#define KVASIR_FRONTENDS_COREML_ELEMENT_TYPES_H

#include <cstdint>
#include <string_view>

namespace kvasir::coreml {

enum class Element : uint8_t {
  boolean,
  string,
  f16,
  f32,
  f64,
  bf16,
  i8,
  i16,
  i32,
  i64,
  i4,
  u8,
  u16,
  u32,
  u64,
  u4,
  u2,
  u1,
  u6,
  u3,
  f8e4m3fn,
  f8e5m2
};

/// 0 where a place has no number for the type.
struct ElementFacts {
  Element element;
  std::string_view name; ///< as MIL's text form says it
  uint32_t bits;         ///< of one element in a dense tensor; 0 for strings
  int32_t milNumber;     ///< MIL's DataType
  uint32_t blobNumber;   ///< of a weight file's blob
  int32_t featureNumber; ///< of a description's array
};

const ElementFacts &facts(Element element);

/// Null if no type has this number.
const ElementFacts *findByMilNumber(int64_t number);
const ElementFacts *findByFeatureNumber(int64_t number);

} // namespace kvasir::coreml

#endif
