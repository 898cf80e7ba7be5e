// SPDX-License-Identifier: MIT
#include "runtime/model/model.h" // before kvasir.hpp, whose names are those of what handles hold

#include "runtime/tools/api_errors.h"
#include "runtime/tools/failed.h"
#include "runtime/tools/machine.h"
#include "runtime/tools/output.h"

#include <algorithm>
#include <fstream>

namespace kvasir::tools {

Limits measureLimits(const std::string &path, const Work &work, uint32_t threads, Weights where) {
  runtime::Team team(threads);
  const MappedFile weights(path, work.weightsOffset, work.weightsBytes, where);
  Limits limits;
  limits.threads = team.size();
  if (!weights.bytes().empty())
    limits.readBytesPerSecond = static_cast<double>(weights.bytes().size()) / readSeconds(team, weights.bytes(), 9);
  const size_t most = std::ranges::max_element(work.tokenOps) - work.tokenOps.begin();
  for (size_t i = 0; i < kNumArithmetics; ++i) {
    const bool isOfAttention = !work.attentions.empty() && i == static_cast<size_t>(work.attentionArithmetic);
    if (work.tokenOps[i] + work.headOps[i] == 0 && i != most && !isOfAttention)
      continue;
    const Peak peak = peakArithmetic(team, static_cast<Arithmetic>(i));
    limits.opsPerSecond[i] = peak.opsPerSecond;
    if (i != most)
      continue;
    limits.instructions = peak.instructions;
    limits.mostOpsPerSecond = peak.opsPerSecond;
  }
  limits.barrierNs = barrierNanoseconds(team);
  return limits;
}

double ReadLoop::bytesPerSecond() {
  const auto bytes = weights.bytes();
  return bytes.empty() ? 0 : static_cast<double>(bytes.size()) / readSeconds(team, bytes, 1);
}

nlohmann::ordered_json limitsJson(const Limits &limits) {
  return {{"threads", limits.threads},
          {"read_gb_per_s", limits.readBytesPerSecond / 1e9},
          {"gops_per_s", limits.mostOpsPerSecond / 1e9},
          {"arithmetic", limits.instructions},
          {"barrier_ns", limits.barrierNs}};
}

std::string limitsText(const Limits &limits) {
  return std::to_string(limits.threads) + " threads: read " + fixedText(limits.readBytesPerSecond / 1e9, 1) +
         " GB/s, " + limits.instructions + " " + fixedText(limits.mostOpsPerSecond / 1e9, 0) + " Gop/s, barrier " +
         fixedText(limits.barrierNs, 0) + " ns";
}

std::string processorName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      return line.substr(std::min(line.find(": ") + 2, line.size()));
  return "unknown";
}

void requirePredicts(const Description &description) {
  withApiErrors([&] { return runtime::predictFunction(description); });
  if (description.model.vocabularySize == 0)
    throw Failed("this model has no vocabulary, from which tokens could be made up");
}

std::vector<int32_t> madeUpIds(uint64_t count, uint64_t vocabulary) {
  vocabulary -= vocabulary / 8;
  std::vector<int32_t> ids(count);
  uint32_t random = 1;
  for (int32_t &id : ids)
    id = static_cast<int32_t>((random = random * 1664525 + 1013904223) % vocabulary);
  return ids;
}

} // namespace kvasir::tools
