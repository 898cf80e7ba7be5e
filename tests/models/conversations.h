// SPDX-License-Identifier: MIT
// What the checks of compiled models share: random tokens, the slots of a model, and what states hold in them.
#ifndef KVASIR_TESTS_MODELS_CONVERSATIONS_H
#define KVASIR_TESTS_MODELS_CONVERSATIONS_H

#include "kvasir/kvasir.hpp"

#include <cstring>
#include <nlohmann/json.hpp>
#include <random>
#include <span>

namespace kvasir::test {

using Ids = std::vector<int32_t>;
using Random = std::mt19937_64;

inline size_t randomSize(Random &random, size_t least, size_t most) {
  return std::uniform_int_distribution<size_t>(least, most)(random);
}

inline Ids randomIds(Random &random, size_t count, uint64_t vocabulary) {
  Ids ids(count);
  for (int32_t &id : ids)
    id = int32_t(randomSize(random, 0, vocabulary - 1));
  return ids;
}

struct Slot {
  std::string name;
  uint64_t layers;
  uint64_t window; ///< 0: none
  bool isRegister;
  std::string element; ///< what its numbers are stored in
};

/// As the model's description lists them.
inline std::vector<Slot> slotsOf(const Model &model) {
  std::vector<Slot> slots;
  const auto description = nlohmann::json::parse(model.description());
  for (const auto &slot : description.at("slots"))
    slots.push_back({slot.at("name"), slot.at("layers"), slot.value("window", uint64_t(0)),
                     slot.at("kind") == "register", slot.at("layout").at("planes").at(0).at("element")});
  return slots;
}

/// What one layer holds as f32: a register, or the rows from `first` on.
inline std::vector<float> contentsOf(const Slot &slot, uint64_t layer, State &state, uint64_t first) {
  return slot.isRegister ? state.registerValue(slot.name, layer)
                         : state.rows(slot.name, layer, first, state.length() - first);
}

/// To the bit.
inline bool isSame(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

} // namespace kvasir::test

#endif
