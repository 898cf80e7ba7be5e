// SPDX-License-Identifier: MIT
// The CPU features that generated code may ask for.
#ifndef KVASIR_PLUGINS_CPU_FEATURES_H
#define KVASIR_PLUGINS_CPU_FEATURES_H

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvasir {

/// A set of features, as in kv_manifest.cpu_features. A bit never changes its meaning.
using CpuFeatures = std::array<uint64_t, 2>;

/// What this machine has: the processor by CPUID, and the operating system's leave (XCR0) to use its registers.
CpuFeatures hostCpuFeatures();

/// The set of one feature by LLVM's name; the empty set for what every x86-64 has; nothing for an unknown name.
std::optional<CpuFeatures> cpuFeatureFromName(std::string_view name);

/// LLVM's names, separated by blanks; a bit that this host has no name for is "feature #77".
std::string cpuFeatureNames(const CpuFeatures &features);

/// What is in `wanted` and not in `present`.
CpuFeatures missingCpuFeatures(const CpuFeatures &wanted, const CpuFeatures &present);

} // namespace kvasir

#endif
