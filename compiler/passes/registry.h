// SPDX-License-Identifier: MIT
#ifndef KVASIR_PASSES_REGISTRY_H
#define KVASIR_PASSES_REGISTRY_H

namespace mlir {
class DialectRegistry;
}

namespace kvasir {

/// Every dialect that a program may hold between its file and its object code, with the upstream interfaces that our
/// passes ask for: value bounds, inlining, bufferization, conversion to LLVM.
void registerDialects(mlir::DialectRegistry &registry);

/// Every pass of ours, and those of upstream that tests name on kvasir-opt's command line. Call it once.
void registerPasses();

} // namespace kvasir

#endif
