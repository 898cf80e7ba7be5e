// SPDX-License-Identifier: MIT
// From a bufferised program to LLVM's dialect. Each pass's text lies beside its code.
//
// What comes in: public functions (%call: !llvm.ptr, %member: index, %members: index, memrefs…), private kernels that
// lm.invoke names, and upstream dialects on memrefs. Inputs are memrefs of identity layout in the description's order,
// outputs likewise and marked `kv.output`; their dynamic extents are what `kv.extents` says (extents.h), T for inputs
// and W for outputs where it says nothing.
#ifndef KVASIR_PASSES_CODEGEN_PASSES_H
#define KVASIR_PASSES_CODEGEN_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace kvasir {

/// An argument that the caller reads after the call, not before.
constexpr llvm::StringLiteral kOutputAttr = "kv.output";

/// On what bind-arguments makes of an input's address: nobody writes behind it.
constexpr llvm::StringLiteral kInputAttr = "kv.input";

/// On a function that every member of the team calls together.
constexpr llvm::StringLiteral kKernelAttr = "kvasir.kernel";

/// On the scf.if of an entry whose body member 0 does alone.
constexpr llvm::StringLiteral kAloneAttr = "kvasir.alone";

/// Added to an entry's name for the function that computes its scratch.
constexpr llvm::StringLiteral kScratchSuffix = ".scratch";

/// Likewise for the function that says what is wrong with a call.
constexpr llvm::StringLiteral kCheckSuffix = ".check";

/// What emit-plugin reads from declarations of compiled code: whose it is, for which variant, in which form (strings),
/// the functions of its scratch and, where it has one, of its checks (symbols), the messages of the checks, the numbers
/// of the slots that it writes, and the limit of each input's numbers (0: none).
constexpr llvm::StringLiteral kFunctionAttr = "kvasir.function";
constexpr llvm::StringLiteral kVariantAttr = "kvasir.variant";
constexpr llvm::StringLiteral kFormAttr = "kvasir.form";
constexpr llvm::StringLiteral kScratchAttr = "kvasir.scratch";
constexpr llvm::StringLiteral kCheckAttr = "kvasir.check";
constexpr llvm::StringLiteral kChecksAttr = "kvasir.checks";
constexpr llvm::StringLiteral kRefusalsAttr = "kvasir.refusals";
constexpr llvm::StringLiteral kWritesAttr = "kvasir.writes";
constexpr llvm::StringLiteral kLimitsAttr = "kvasir.limits";

/// On a module: what members do between barriers (step_marks.h).
constexpr llvm::StringLiteral kStepsAttr = "kvasir.steps";

/// Forms of a function: for any call, and for calls of one token.
constexpr llvm::StringLiteral kGeneralForm = "general";
constexpr llvm::StringLiteral kSingleForm = "single";

/// On the module of a plugin's table: its description, as JSON, and the bytes of its note.
constexpr llvm::StringLiteral kDescriptionAttr = "kvasir.description";
constexpr llvm::StringLiteral kNoteAttr = "kvasir.note";

/// A function that the plugin offers: public, with a body, and not what belongs to another one.
bool isEntry(mlir::func::FuncOp function);

std::unique_ptr<mlir::Pass> makeBindArguments();
std::unique_ptr<mlir::Pass> makeCallKernels();
std::unique_ptr<mlir::Pass> makeAllocateFromArena();
std::unique_ptr<mlir::Pass> makeShareAmongTeam();
std::unique_ptr<mlir::Pass> makeCopyByLoops();
std::unique_ptr<mlir::Pass> makeEmitPlugin();
std::unique_ptr<mlir::Pass> makeOutlineChecks();
std::unique_ptr<mlir::Pass> makeOutlineParts();

/// All of the above but the plugin's table, then upstream's conversions: what comes out is LLVM's dialect alone.
void buildCodegenPipeline(mlir::OpPassManager &pipeline);

void registerCodegenPasses();

} // namespace kvasir

#endif
