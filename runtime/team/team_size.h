// SPDX-License-Identifier: MIT
// How many members of a team a step is given.
#ifndef KVASIR_RUNTIME_TEAM_TEAM_SIZE_H
#define KVASIR_RUNTIME_TEAM_TEAM_SIZE_H

#include <cstdint>
#include <optional>

namespace kvasir::runtime {

/// Chooses the members of steps that are alike, so that other programs' work on a member's processor does not make the
/// whole team wait: each of its barriers is as late as its latest member. It only looks at times, and results are the
/// same whatever it chooses.
///
/// - Fewer members are tried when members sleep at barriers for more than a fifth of the time. So a team that nobody
///   disturbs is never anything but whole.
/// - A trial is some steps of another size. It stays if they take less time on average than those before it, and ends
///   early when it costs too much.
/// - More members are tried again after a while, which grows as long as that is in vain and with what a trial costs, so
///   that all trials together cost a few per cent.
class TeamSize {
public:
  explicit TeamSize(uint32_t most);

  /// Members for the next step.
  uint32_t choose() const { return size; }

  /// What the step that was chosen for took, and how long its members slept meanwhile (Team::stalledSeconds).
  void record(double seconds, double stalledSeconds);

private:
  struct Steps {
    double seconds = 0;
    uint32_t count = 0;

    void add(double newSeconds) { seconds += newSeconds, ++count; }
    double mean() const { return seconds / count; }
  };
  struct Trial {
    uint32_t before; ///< the size to go back to
    double mean;     ///< seconds of its steps
    Steps steps;
  };

  void watch(double seconds, double stalledSeconds);
  void judge();
  void begin(uint32_t newSize, double before);
  void keep();
  void giveUp(double cost);
  uint32_t fewer(uint32_t by) const { return size > by ? size - by : 1; }
  uint32_t more() const { return triesAll ? most : size + 1; }

  const uint32_t most;
  uint32_t size;
  std::optional<Trial> trial;
  // Of steps of this size.
  double mean = 0;
  double stalled = 0;    ///< beyond what is tolerated, since it was last nothing
  Steps disturbed;       ///< the steps meanwhile
  double sinceTrial = 0; ///< seconds
  // What the trials so far have taught.
  double patience; ///< stalled seconds that make it try fewer
  double hold;     ///< seconds until it tries more
  uint32_t stride = 1;
  bool triesAll = true;
};

} // namespace kvasir::runtime

#endif
