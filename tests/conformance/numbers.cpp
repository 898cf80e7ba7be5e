// SPDX-License-Identifier: MIT
#include "tests/conformance/numbers.h"

#include <cstring>

namespace conformance {

float toBf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  bits = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000;
  std::memcpy(&value, &bits, 4);
  return value;
}

std::vector<float> drawReals(std::mt19937_64 &random, uint64_t count) {
  std::vector<float> numbers(count);
  for (float &number : numbers)
    number = float(int64_t(random() >> 40) - (1 << 23)) * 0x1.8p-23f;
  return numbers;
}

std::vector<float> drawBf16(std::mt19937_64 &random, uint64_t count) {
  std::vector<float> numbers = drawReals(random, count);
  for (float &number : numbers)
    number = toBf16(number);
  return numbers;
}

} // namespace conformance
