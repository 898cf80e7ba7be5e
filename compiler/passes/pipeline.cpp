// SPDX-License-Identifier: MIT
#include "compiler/passes/pipeline.h"

#include "compiler/dialects/kv/passes.h"
#include "compiler/passes/passes.h"

#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace kvasir;

void kvasir::addProgramPasses(OpPassManager &pipeline, const Backend &backend, Probes probes, std::string *graph) {
  pipeline.addPass(createInlinerPass()); // layer functions: groups and slots are matched and lowered in one body
  pipeline.addPass(createCSEPass());
  pipeline.addPass(kv::createRaiseWrites()); // imported writes become appends where they provably are
  pipeline.addPass(kv::createVerifyState());
  if (graph)
    pipeline.addPass(makeRecordGraph(*graph, probes)); // as the model was written, whatever kernels will do it
  if (probes == Probes::eachOp)
    pipeline.addPass(makeProbeOps());                    // before groups: kernels are probed like all else
  pipeline.addNestedPass<func::FuncOp>(makeTakeEarly()); // before groups: what they wrap moves
  pipeline.addPass(makeMatchGroups(backend));
  pipeline.addPass(makeSeparateForms()); // after groups: a layer's other kernels serve all of its kinds
  pipeline.addPass(kv::createVerifyState());
  pipeline.addPass(makeSpecialise()); // after groups: one body is proved and matched, not two
  pipeline.addPass(kv::createVerifyState());
  pipeline.addPass(makeAssignLayouts(backend));
  pipeline.addPass(makeNameExtents()); // before variants: the description and all of them agree
}

namespace {
void addBufferization(OpPassManager &pipeline) {
  pipeline.addNestedPass<func::FuncOp>(bufferization::createEmptyTensorEliminationPass()); // outputs hold results
  bufferization::OneShotBufferizationOptions options;
  options.bufferizeFunctionBoundaries = true;
  options.setFunctionBoundaryTypeConversion(bufferization::LayoutMapOption::IdentityLayoutMap);
  pipeline.addPass(bufferization::createOneShotBufferizePass(options));
}

/// All that needs no backend.
void addCommonPasses(OpPassManager &pipeline) {
  pipeline.addNestedPass<func::FuncOp>(makeYieldInPlace()); // while a batch says how many rows there are
  pipeline.addPass(makeLowerSlots());                       // from here on nobody can prove anything about state
  pipeline.addPass(createCSEPass()); // before tensors are made: two results that share one are copied
  pipeline.addNestedPass<func::FuncOp>(makeDecomposeLm());
  pipeline.addNestedPass<func::FuncOp>(createConvertElementwiseToLinalgPass());
  pipeline.addPass(createCanonicalizerPass());
  pipeline.addNestedPass<func::FuncOp>(makeMergeCasts());   // after what adds casts
  pipeline.addNestedPass<func::FuncOp>(makeSeparateOuts()); // after CSE, which merges them
  addBufferization(pipeline);
  pipeline.addPass(makeLowerRows());
  pipeline.addNestedPass<func::FuncOp>(createConvertLinalgToLoopsPass());
  pipeline.addPass(createCSEPass());
  pipeline.addPass(createCanonicalizerPass()); // copies whose two ends CSE has shown to be one
}
} // namespace

void kvasir::addTensorPasses(OpPassManager &pipeline, const Backend &backend, const Variant &variant) {
  pipeline.addPass(makeLabelOps());                      // what is left of an op says what it was
  pipeline.addPass(makeOutlineGroups(backend, variant)); // while slots still say what a kernel reaches
  addCommonPasses(pipeline);
}

void kvasir::registerTensorPasses() {
  registerPass(makeDecomposeLm);
  registerPass(makeLabelOps);
  registerPass(makeLowerRows);
  registerPass(makeLowerSlots);
  registerPass(makeMergeCasts);
  registerPass(makeNameExtents);
  registerPass(makeProbeOps);
  registerPass(makeSeparateForms);
  registerPass(makeSeparateOuts);
  registerPass(makeSpecialise);
  registerPass(makeTakeEarly);
  registerPass(makeYieldInPlace);
  PassPipelineRegistration<>("lower-program", "from a proved program that no backend takes to memrefs",
                             addCommonPasses);
}
