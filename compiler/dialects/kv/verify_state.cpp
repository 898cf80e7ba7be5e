// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/passes.h"
#include "compiler/dialects/kv/state_trace.h"

#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace kvasir::kv;

namespace kvasir::kv {
#define GEN_PASS_DEF_PRINTSTATETRACE
#define GEN_PASS_DEF_VERIFYSTATE
#include "compiler/dialects/kv/passes.h.inc"
} // namespace kvasir::kv

namespace {
using Traces = std::vector<std::unique_ptr<StateTrace>>;

bool mentionsState(ModuleOp module) {
  auto isSlot = [](Type type) { return isa<SlotType>(type); };
  return llvm::any_of(module.getOps<func::FuncOp>(),
                      [&](func::FuncOp function) { return llvm::any_of(function.getArgumentTypes(), isSlot); });
}

/// A bit for each rule that one of the names means.
FailureOr<llvm::BitVector> rulesNamed(ArrayRef<std::string> names, Location where) {
  llvm::BitVector rules(ruleTexts().size());
  for (StringRef name : names) {
    bool isKnown = false;
    for (auto [i, text] : llvm::enumerate(ruleTexts()))
      if (name == text.family || name == (text.family + "/" + text.name).str())
        rules.set(i), isKnown = true;
    if (!isKnown)
      return emitError(where) << "verify-state has no rule '" << name << "'";
  }
  return rules;
}

/// Follows a call of each entry. None when the schema or a signature is broken, or past the firewall: that would report
/// the same cause many times.
Traces follow(ModuleOp module, SchemaOp schema, Findings &findings) {
  Traces traces;
  if (findings.empty())
    for (func::FuncOp entry : checkEntries(module, schema, findings))
      if (checkSignature(entry, schema, findings))
        traces.push_back(std::make_unique<StateTrace>(entry, schema, findings));
  for (auto &trace : traces)
    trace->run();
  for (auto &trace : traces) {
    trace->checkCoverage(traces);
    trace->checkAttention(traces);
  }
  return traces;
}

/// The one schema, or null and a finding.
SchemaOp checkSchemas(ModuleOp module, Findings &findings) {
  auto schemas = llvm::to_vector(module.getOps<SchemaOp>());
  if (schemas.size() != 1)
    findings.add(module, Rule::schemas, {}, {std::to_string(schemas.size())});
  return schemas.empty() ? SchemaOp() : schemas.front();
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
    markAllAnalysesPreserved();
    if (list) {
      for (const RuleText &rule : ruleTexts())
        llvm::outs() << rule.family << "/" << rule.name << "\t" << rule.meaning << "\t" << rule.sentence << "\t"
                     << rule.remedy << "\n";
      return;
    }
    FailureOr<Proof> proof = verifyState(getOperation(), std::vector<std::string>(disabled.begin(), disabled.end()));
    if (failed(proof))
      return signalPassFailure();
    if (report)
      say(*proof, getOperation().getLoc());
  }
};

struct PrintStateTrace : kvasir::kv::impl::PrintStateTraceBase<PrintStateTrace> {
  void runOnOperation() final {
    printStateTrace(getOperation(), llvm::outs());
    markAllAnalysesPreserved();
  }
};
} // namespace

FailureOr<Proof> kvasir::kv::verifyState(ModuleOp module, ArrayRef<std::string> disabled) {
  FailureOr<llvm::BitVector> rules = rulesNamed(disabled, module.getLoc());
  if (failed(rules))
    return failure();
  Findings findings(*rules);
  checkFirewall(module, findings);
  if (module.getOps<SchemaOp>().empty() && findings.empty() && !mentionsState(module))
    return Proof();
  SchemaOp schema = checkSchemas(module, findings);
  Traces traces = schema ? follow(module, schema, findings) : Traces();
  findings.emit();
  if (!findings.empty())
    return failure();
  Proof proof;
  proof.numEntries = traces.size();
  proof.numSlots = schema ? schema.getBody().front().getOperations().size() : 0;
  for (auto &trace : traces)
    trace->addTo(proof);
  return proof;
}

void kvasir::kv::printStateTrace(ModuleOp module, raw_ostream &stream) {
  Findings findings{llvm::BitVector(ruleTexts().size())};
  auto schemas = module.getOps<SchemaOp>();
  if (schemas.empty())
    return;
  for (auto &trace : follow(module, *schemas.begin(), findings))
    trace->print(stream);
}
