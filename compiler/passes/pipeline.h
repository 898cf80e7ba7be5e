// SPDX-License-Identifier: MIT
// The table of contents of the compiler.
#ifndef KVASIR_PASSES_PIPELINE_H
#define KVASIR_PASSES_PIPELINE_H

#include "compiler/passes/passes.h"

#include "mlir/Pass/PassManager.h"

namespace kvasir {

/// From an imported program to a proved one: grouped for the backend, specialised, verified after each step. Once a
/// program; what comes out is what the manifest describes and what every variant is lowered from.
/// `graph`, if given, gets what record-graph writes when the passes run.
void addProgramPasses(mlir::OpPassManager &pipeline, const Backend &backend, Probes probes = Probes::none,
                      std::string *graph = nullptr);

/// From a proved program, its weights packed, to memrefs: entries are functions of (call, member, members, inputs,
/// outputs marked kv.output), kernels are emitted, and what is left is scf, arith, math, memref, llvm and lm.invoke.
/// Once a variant.
void addTensorPasses(mlir::OpPassManager &pipeline, const Backend &backend, const Variant &variant);

} // namespace kvasir

#endif
