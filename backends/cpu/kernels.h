// SPDX-License-Identifier: MIT
// From a group to its kernel.
#ifndef KVASIR_BACKENDS_CPU_KERNELS_H
#define KVASIR_BACKENDS_CPU_KERNELS_H

#include "backends/backend.h"
#include "backends/cpu/linears.h"

#include "llvm/Support/Error.h"

namespace kvasir::cpu {

/// How the kernel of a group that matchGroups made is called. `manyRows` may be null.
llvm::Expected<KernelSignature> kernelSignature(kv::GroupOp group, Activations wanted, const ManyRows *manyRows);

/// Writes the body of the kernel.
llvm::LogicalResult emitKernel(const KernelRequest &request, Activations wanted, const ManyRows *manyRows);

/// What code for a variant is made of.
Isa isaOf(const Variant &variant);

} // namespace kvasir::cpu

#endif
