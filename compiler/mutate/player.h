// SPDX-License-Identifier: MIT
#ifndef KVASIR_MUTATE_PLAYER_H
#define KVASIR_MUTATE_PLAYER_H

#include "compiler/mutate/recording.h"
#include "kvasir/kvasir.h"

#include <functional>
#include <random>

namespace kvasir {

/// Runs steps on a loaded plugin and looks at all there is to see after each.
class Player {
public:
  Player(const Description &description, uint64_t seed) : description(description), random(seed) {}
  ~Player();
  Player(const Player &) = delete;
  Player &operator=(const Player &) = delete;

  /// Returns why not, or "".
  std::string open(const std::string &path);

  std::vector<Observation> play(const Step &step);

private:
  kv_status call(const Step &step, std::vector<Observation> &seen);
  void lookAtState(size_t number, std::vector<Observation> &seen);
  Observation lookAtRows(size_t number, const SlotDescription &slot, uint64_t layer);
  Observation lookAtRegister(size_t number, const SlotDescription &slot, uint64_t layer);

  const Description &description;
  std::mt19937_64 random;
  kvasir_model *model = nullptr;
  kvasir_state *states[kNumStates] = {};
};

} // namespace kvasir

#endif
