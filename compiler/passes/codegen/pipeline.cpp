// SPDX-License-Identifier: MIT
#include "compiler/passes/codegen/passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace kvasir;

void kvasir::buildCodegenPipeline(OpPassManager &pipeline) {
  // Extents must be the call's numbers before anything asks what a buffer's size depends on.
  pipeline.addNestedPass<func::FuncOp>(makeBindArguments());
  pipeline.addPass(makeCallKernels());
  pipeline.addPass(createCanonicalizerPass());
  pipeline.addPass(createCSEPass());
  pipeline.addPass(makeOutlineChecks()); // while a number that depends on inputs alone is still arithmetic on them
  pipeline.addPass(makeAllocateFromArena());
  // After allocation: a buffer made inside `if (member == 0)` would be unknown to the others.
  pipeline.addPass(makeShareAmongTeam());

  pipeline.addNestedPass<func::FuncOp>(makeCopyByLoops());
  pipeline.addNestedPass<func::FuncOp>(createConvertLinalgToLoopsPass());
  pipeline.addPass(makeOutlineParts()); // when all loops are loops, and memrefs one argument each
  pipeline.addPass(memref::createExpandStridedMetadataPass());
  pipeline.addPass(createLowerAffinePass());
  pipeline.addPass(createConvertVectorToSCFPass());
  pipeline.addPass(createConvertSCFToCFPass());
  arith::ArithExpandOpsPassOptions expand;
  expand.includeBf16 = true; // or scalar conversions become calls of compiler-rt
  pipeline.addPass(arith::createArithExpandOpsPass(expand));
  pipeline.addPass(createConvertMathToLLVMPass());
  pipeline.addPass(createConvertMathToLibmPass());
  ConvertVectorToLLVMPassOptions vectors;
  vectors.x86Vector = true;
  pipeline.addPass(createConvertVectorToLLVMPass(vectors));
  pipeline.addPass(createFinalizeMemRefToLLVMConversionPass());
  pipeline.addPass(createArithToLLVMConversionPass());
  pipeline.addPass(createConvertIndexToLLVMPass());
  pipeline.addPass(createUBToLLVMConversionPass());
  pipeline.addPass(createConvertFuncToLLVMPass());
  pipeline.addPass(createConvertControlFlowToLLVMPass());
  pipeline.addPass(createReconcileUnrealizedCastsPass());
  pipeline.addPass(createCanonicalizerPass());
  pipeline.addPass(createCSEPass());
}

void kvasir::registerCodegenPasses() {
  registerPass(makeAllocateFromArena);
  registerPass(makeBindArguments);
  registerPass(makeCallKernels);
  registerPass(makeCopyByLoops);
  registerPass(makeEmitPlugin);
  registerPass(makeOutlineChecks);
  registerPass(makeOutlineParts);
  registerPass(makeShareAmongTeam);
  PassPipelineRegistration<>("codegen", "from a bufferised program to LLVM's dialect", buildCodegenPipeline);
}
