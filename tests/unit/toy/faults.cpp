// SPDX-License-Identifier: MIT
#include "tests/unit/toy/faults.h"

#include <cerrno>
#include <cstdlib>
#include <new>
#include <sys/mman.h>

namespace kvasir::runtime {
namespace {

thread_local uint64_t numAllocations = 0, failingAllocation = 0;
thread_local FailureKind failureKind = FailureKind::once;

bool isRefused() {
  ++numAllocations;
  if (failingAllocation == 0)
    return false;
  return numAllocations == failingAllocation ||
         (failureKind == FailureKind::fromThenOn && numAllocations > failingAllocation);
}

/// The plugin whose first member this table is.
FaultyPlugin &pluginOf(const kv_plugin *table) {
  return *reinterpret_cast<FaultyPlugin *>(const_cast<kv_plugin *>(table));
}

/// What a member's team is to the inner plugin: the outer team, whose barriers are counted.
struct CountedTeam {
  kv_team team;
  const kv_team *outer;
  FaultyPlugin *plugin;
};

kv_status meet(const kv_team *team, uint32_t member) {
  const auto &counted = *reinterpret_cast<const CountedTeam *>(team);
  if (member == 0 && ++counted.plugin->numBarriers == counted.plugin->cancelledBarrier)
    counted.plugin->cancel.store(true);
  return counted.outer->barrier(counted.outer, member);
}

kv_status prepare(const kv_plugin *plugin, const kv_call *call, kv_plan *plan) {
  FaultyPlugin &faulty = pluginOf(plugin);
  if (++faulty.numPrepares == faulty.failingPrepare)
    return KV_UNSUPPORTED;
  return faulty.inner->prepare(faulty.inner, call, plan);
}

kv_status execute(const kv_plugin *plugin, const kv_call *call, uint32_t member) {
  FaultyPlugin &faulty = pluginOf(plugin);
  const CountedTeam counted{{sizeof(kv_team), call->team->members, nullptr, meet}, call->team, &faulty};
  kv_call own = *call;
  own.team = &counted.team;
  const kv_status status = faulty.inner->execute(faulty.inner, &own, member);
  // After everything was written: rows, registers, outputs.
  if (member == 0 && ++faulty.numExecutes == faulty.failingExecute)
    return KV_FAILED;
  return status;
}

} // namespace

void failAllocations(uint64_t number, FailureKind kind) {
  numAllocations = 0;
  failingAllocation = number;
  failureKind = kind;
}

uint64_t allowAllocations() {
  failingAllocation = 0;
  return numAllocations;
}

FaultyPlugin::FaultyPlugin(const kv_plugin *plugin) : table{sizeof table, KV_ABI, prepare, execute}, inner(plugin) {}

} // namespace kvasir::runtime

using kvasir::runtime::isRefused;

void *operator new(size_t size) {
  void *bytes = isRefused() ? nullptr : std::malloc(size ? size : 1);
  if (!bytes)
    throw std::bad_alloc();
  return bytes;
}

void *operator new(size_t size, std::align_val_t alignment) {
  const size_t border = static_cast<size_t>(alignment);
  void *bytes = isRefused() ? nullptr : std::aligned_alloc(border, (size + border - 1) / border * border);
  if (!bytes)
    throw std::bad_alloc();
  return bytes;
}

void operator delete(void *bytes) noexcept { std::free(bytes); }
void operator delete(void *bytes, size_t) noexcept { std::free(bytes); }
void operator delete(void *bytes, std::align_val_t) noexcept { std::free(bytes); }
void operator delete(void *bytes, size_t, std::align_val_t) noexcept { std::free(bytes); }

// The linker sends mmap here (--wrap=mmap).
extern "C" void *__real_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset);
extern "C" void *__wrap_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset) {
  if (!isRefused())
    return __real_mmap(address, size, protection, flags, file, offset);
  errno = ENOMEM;
  return MAP_FAILED;
}
