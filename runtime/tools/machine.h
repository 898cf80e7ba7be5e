// SPDX-License-Identifier: MIT
// What speeds are measured with and held against: the machine's limits for one model, and a prompt.
#ifndef KVASIR_RUNTIME_TOOLS_MACHINE_H
#define KVASIR_RUNTIME_TOOLS_MACHINE_H

#include "runtime/tools/work.h"

#include <nlohmann/json.hpp>

namespace kvasir::tools {

/// What the machine reaches with one number of threads.
struct Limits {
  uint32_t threads = 0;
  double readBytesPerSecond = 0, barrierNs = 0;
  std::array<double, kNumArithmetics> opsPerSecond = {}; ///< 0 for what the model does not compute in
  std::string instructions;                              ///< of most ops of a prompt, and how many a second
  double mostOpsPerSecond = 0;
};

/// Of a team of so many threads (0: one for each core) on the weights of the file at `path`. Takes half a second.
Limits measureLimits(const std::string &path, const Work &work, uint32_t threads, Weights where = Weights::mapped);

/// Reads a model's weights, for comparison with steps that do so, too.
class ReadLoop {
public:
  ReadLoop(const std::string &path, const Work &work, uint32_t threads, Weights where)
      : team(threads), weights(path, work.weightsOffset, work.weightsBytes, where) {}

  /// Of one pass over all of them; 0 if they can't be read.
  double bytesPerSecond();

private:
  runtime::Team team;
  const MappedFile weights;
};

nlohmann::ordered_json limitsJson(const Limits &limits);

/// "2 threads: read 49.1 GB/s, avx2 int8 402 Gop/s, barrier 120 ns"
std::string limitsText(const Limits &limits);

/// As the kernel calls it.
std::string processorName();

/// Throws, of a model that can't be given made-up tokens: Error if none of its functions goes from ids to logits,
/// Failed if it has no vocabulary.
void requirePredicts(const Description &description);

/// Ids without meaning; speed does not depend on them. The last eighth of the vocabulary is left out: control tokens
/// are often there. The vocabulary is not empty.
std::vector<int32_t> madeUpIds(uint64_t count, uint64_t vocabulary);

} // namespace kvasir::tools

#endif
