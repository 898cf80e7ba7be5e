// SPDX-License-Identifier: MIT
// Independent tasks on all cores.
#ifndef KVASIR_PACKING_PARALLEL_TASKS_H
#define KVASIR_PACKING_PARALLEL_TASKS_H

#include "plugins/result.h"

#include <cstdint>
#include <functional>

namespace kvasir {

/// Runs task(0) to task(count - 1), in about this order, until one fails. The failure is that of the first to fail.
Status runTasks(uint64_t count, const std::function<Status(uint64_t index)> &task);

} // namespace kvasir

#endif
