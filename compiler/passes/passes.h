// SPDX-License-Identifier: MIT
// The passes between a verified program and its bufferised form. Each pass's text lies beside its code.
#ifndef KVASIR_PASSES_PASSES_H
#define KVASIR_PASSES_PASSES_H

#include "backends/backend.h"

#include "mlir/Pass/Pass.h"

#include <string>

namespace kvasir {

/// On a function that is one op of an entry, made to be run alone.
constexpr llvm::StringLiteral kProbeAttr = "kv.probe";

/// On an input of int32: its numbers are below this, and not negative; checked before the function runs.
constexpr llvm::StringLiteral kLimitAttr = "kv.limit";

/// Which ops are functions of their own, too.
enum class Probes { none, eachOp };

/// On a kv.cache or kv.register: its #lm.layout.
constexpr llvm::StringLiteral kLayoutAttr = "lm.layout";

std::unique_ptr<mlir::Pass> makeAssignLayouts(const Backend &backend);
std::unique_ptr<mlir::Pass> makeDecomposeLm();
std::unique_ptr<mlir::Pass> makeLabelOps();
std::unique_ptr<mlir::Pass> makeLowerRows();
std::unique_ptr<mlir::Pass> makeLowerSlots();
std::unique_ptr<mlir::Pass> makeMatchGroups(const Backend &backend);
std::unique_ptr<mlir::Pass> makeMergeCasts();
std::unique_ptr<mlir::Pass> makeNameExtents();
std::unique_ptr<mlir::Pass> makeOutlineGroups(const Backend &backend, const Variant &variant);
std::unique_ptr<mlir::Pass> makeProbeOps();
std::unique_ptr<mlir::Pass> makeRecordGraph(std::string &json, Probes probes);
std::unique_ptr<mlir::Pass> makeSeparateForms();
std::unique_ptr<mlir::Pass> makeSeparateOuts();
std::unique_ptr<mlir::Pass> makeSpecialise();
std::unique_ptr<mlir::Pass> makeTakeEarly();
std::unique_ptr<mlir::Pass> makeYieldInPlace();

/// The passes that need no backend.
void registerTensorPasses();

/// How lm and kv ops that lower-slots leaves become ops on memrefs; for upstream's one-shot bufferization.
void registerBufferization(mlir::DialectRegistry &registry);

} // namespace kvasir

#endif
