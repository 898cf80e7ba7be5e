// SPDX-License-Identifier: MIT
// What this machine can do at most: the numbers that speeds are compared with.
#ifndef KVASIR_RUNTIME_TOOLS_LIMITS_H
#define KVASIR_RUNTIME_TOOLS_LIMITS_H

#include "kvasir/kvasir.hpp"
#include "runtime/team/team.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kvasir::tools {

double medianOf(std::vector<double> values);

/// Seconds of one pass of a team over all bytes, each member its own contiguous part; the median of `passes`.
double readSeconds(runtime::Team &team, std::span<const uint8_t> bytes, unsigned passes);

/// Part of a file, in memory as a model's weights are.
class MappedFile {
public:
  /// Bytes [offset, offset + sizeBytes), cut to what the file has. Empty if that can't be done.
  MappedFile(const std::string &path, uint64_t offset, uint64_t sizeBytes, Weights where = Weights::mapped);
  MappedFile(const MappedFile &) = delete;
  ~MappedFile();

  std::span<const uint8_t> bytes() const { return content; }

private:
  void *mapping = nullptr;
  size_t mappingBytes = 0;
  std::span<const uint8_t> content;
};

/// GB/s of a read loop with `threads` members over the end of the file: about 128 MB, 50 ms. 0 if it can't be read.
double fileReadGBs(const std::string &path, uint32_t threads);

/// What a multiply and add is done in.
enum class Arithmetic { int8, bf16, f32 };
constexpr size_t kNumArithmetics = 3;

/// A loop of multiplies and adds in registers.
struct Peak {
  std::string instructions; ///< "avx512-vnni", …, as chosen for this machine
  double opsPerSecond = 0;  ///< of the whole team; a multiply and an add are two
};

/// The best that this machine has for the arithmetic; where it has no bf16, f32's. Takes about 50 ms.
Peak peakArithmetic(runtime::Team &team, Arithmetic arithmetic);

/// Nanoseconds of one barrier of the team; the median of several runs of barriers in a row.
double barrierNanoseconds(runtime::Team &team);

} // namespace kvasir::tools

#endif
