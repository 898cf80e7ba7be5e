// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/passes.h"
#include "compiler/dialects/kv/state_trace.h"

using namespace mlir;
using namespace kvasir::kv;

namespace kvasir::kv {
#define GEN_PASS_DEF_VERIFYSTATE
#include "compiler/dialects/kv/passes.h.inc"
} // namespace kvasir::kv

namespace {
bool mentionsState(ModuleOp module) {
  auto isSlot = [](Type type) { return isa<SlotType>(type); };
  return llvm::any_of(module.getOps<func::FuncOp>(),
                      [&](func::FuncOp function) { return llvm::any_of(function.getArgumentTypes(), isSlot); });
}

void say(const Proof &proof, Location where) {
  emitRemark(where) << "proved: " << proof.numEntries << " entries write " << proof.numSlots << " slots, "
                    << proof.numWrites << " writes of a layer";
  for (const Waiver &waiver : proof.waivers)
    emitRemark(where) << "waived: @" << waiver.function << " leaves @" << waiver.slot << ", "
                      << describe({waiver.layers.begin(), waiver.layers.end()}) << ": " << waiver.reason;
}

struct VerifyState : kvasir::kv::impl::VerifyStateBase<VerifyState> {
  using VerifyStateBase::VerifyStateBase;
  void runOnOperation() final {
    FailureOr<Proof> proof = verifyState(getOperation());
    if (failed(proof))
      return signalPassFailure();
    if (report)
      say(*proof, getOperation().getLoc());
    markAllAnalysesPreserved();
  }
};
} // namespace

FailureOr<Proof> kvasir::kv::verifyState(ModuleOp module) {
  Findings findings;
  checkFirewall(module, findings);
  auto schemas = llvm::to_vector(module.getOps<SchemaOp>());
  if (schemas.empty() && findings.empty() && !mentionsState(module))
    return Proof();
  if (schemas.size() != 1) {
    Finding &finding = findings.add(module, "agreement", "", "");
    finding.text = "the module declares " + std::to_string(schemas.size()) + " schemas";
    finding.advice = "its entry functions share one kv.schema";
  }
  // A trace over a broken signature or past the firewall would report the same cause many times.
  std::vector<std::unique_ptr<StateTrace>> traces;
  if (findings.empty())
    for (func::FuncOp entry : checkEntries(module, schemas.front(), findings))
      if (checkSignature(entry, schemas.front(), findings))
        traces.push_back(std::make_unique<StateTrace>(entry, schemas.front(), findings));
  for (auto &trace : traces)
    trace->run();
  for (auto &trace : traces)
    trace->checkCoverage(traces);
  findings.emit();
  if (!findings.empty())
    return failure();
  Proof proof;
  proof.numEntries = traces.size();
  proof.numSlots = schemas.front().getBody().front().getOperations().size();
  for (auto &trace : traces)
    trace->addTo(proof);
  return proof;
}
