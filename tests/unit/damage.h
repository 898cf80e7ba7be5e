// SPDX-License-Identifier: MIT
// Files as accidents and attackers leave them.
#ifndef KVASIR_TESTS_UNIT_DAMAGE_H
#define KVASIR_TESTS_UNIT_DAMAGE_H

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace kvasir {

/// One change at a random place: a random byte, a flipped bit, the rest cut off, or a number made huge.
inline void damageOnce(std::vector<uint8_t> &bytes, std::mt19937 &random) {
  size_t at = random() % bytes.size();
  switch (random() % 4) {
  case 0:
    bytes[at] = uint8_t(random());
    return;
  case 1:
    bytes[at] ^= uint8_t(1 << random() % 8);
    return;
  case 2:
    bytes.resize(at);
    return;
  default:
    for (size_t i = at & ~size_t(3); i < bytes.size() && i < (at & ~size_t(3)) + 8; ++i)
      bytes[i] = random() % 2 ? 0xff : 0x7f;
  }
}

/// The file with one to four changes, half of them in its first kilobytes, where its structure is.
inline std::vector<uint8_t> damaged(std::vector<uint8_t> bytes, std::mt19937 &random) {
  for (uint32_t changes = 1 + random() % 4; changes > 0 && !bytes.empty(); --changes) {
    if (random() % 2 || bytes.size() < 4096) {
      damageOnce(bytes, random);
      continue;
    }
    std::vector<uint8_t> head(bytes.begin(), bytes.begin() + 4096);
    damageOnce(head, random);
    if (head.size() < 4096)
      bytes = head;
    else
      std::copy(head.begin(), head.end(), bytes.begin());
  }
  return bytes;
}

} // namespace kvasir

#endif
