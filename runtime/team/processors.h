// SPDX-License-Identifier: MIT
// Which processors this process may use.
#ifndef KVASIR_RUNTIME_TEAM_PROCESSORS_H
#define KVASIR_RUNTIME_TEAM_PROCESSORS_H

#include <vector>

namespace kvasir::runtime {

/// The numbers of the processors that the scheduler lets this process use, one of each core first, then their
/// hyperthread siblings. Never empty.
struct Processors {
  std::vector<int> numbers;
  unsigned cores; ///< how many of them, from the front, are cores of their own
};

Processors usableProcessors();

} // namespace kvasir::runtime

#endif
