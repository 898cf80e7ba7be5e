// SPDX-License-Identifier: MIT
// The least that a host has to do to run a plugin, without Kvasir's runtime: the other half of plugin.h in one screen.
// Tests see with it what the runtime hides: rows that nobody asked for, a register after an error.
#ifndef KVASIR_TESTS_FOREIGN_BARE_HOST_H
#define KVASIR_TESTS_FOREIGN_BARE_HOST_H

#include "plugins/loader.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace kvasir::test {

/// Of the transformers of this folder.
constexpr uint64_t kLayers = 6, kRowFloats = 16, kTapFloats = 6 * 2 * 32, kVocabulary = 64;
constexpr uint64_t kBlockFloats = kLayers * KV_BLOCK_TOKENS * kRowFloats;

/// lib/foreign_<name>.kvasir, through the loader. "linked" is right_register with the code that was linked into the
/// test, where sanitizers see it.
struct Foreign {
  explicit Foreign(const std::string &name);

  std::unique_ptr<LoadedPlugin> loaded;
  const kv_plugin *table;
  bool hasRegister;
};

/// What a conversation holds: one block of each cache, and the register's two copies.
struct Conversation {
  /// All rows hold `fill` at first, the register is zero.
  explicit Conversation(float fill);

  std::vector<float> rows[2];       ///< [L, 128, G, D] of k and of v
  std::vector<float> taps, newTaps; ///< what a call reads, and what it writes
  uint64_t length = 0;

  /// Does a row of slot 0 or 1 differ in any bit from the other's?
  bool differs(const Conversation &other, size_t slot, uint64_t layer, uint64_t row) const;
};

/// Of which version of plugin.h the host is: call and plan have fewer fields, all, or one more (`added`). They lie
/// right in front of memory that can't be read.
enum class HostVersion { fewer, same, more };

struct BareOptions {
  uint32_t cancelAt = 0; ///< the number of the barrier, from 1, that answers KV_CANCELLED
  HostVersion version = HostVersion::same;
  uint64_t added = 0; ///< what a host of more fields says in the call's
};

struct BareResult {
  kv_status status = KV_OK;
  std::vector<float> logits; ///< [T, V]: every row is wanted
  uint64_t added = 0;        ///< what the plugin answers in the plan's field
};

/// Runs one call on a team of one. Commits if it succeeds.
BareResult callBare(const Foreign &plugin, const std::vector<Conversation *> &conversations,
                    const std::vector<std::vector<int32_t>> &ids, const BareOptions &options = {});

/// `count` ids that follow from the seed.
std::vector<int32_t> foreignIds(size_t count, uint32_t seed);

} // namespace kvasir::test

#endif
