// SPDX-License-Identifier: MIT
#include "compiler/mutate/prover.h"

#include "compiler/passes/pipeline.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// The first error of the programs that are proved while it lives.
class FirstError {
public:
  explicit FirstError(MLIRContext *context)
      : handler(context, [this](Diagnostic &diagnostic) {
          if (text.empty() && diagnostic.getSeverity() == DiagnosticSeverity::Error)
            text = diagnostic.str();
          return success();
        }) {}
  std::string text;

private:
  ScopedDiagnosticHandler handler;
};

/// Diagnostics of verify-state begin with their rule.
std::string ruleOf(StringRef text) {
  auto [rule, rest] = text.split(": ");
  bool isWord = !rest.empty() && llvm::all_of(rule, [](char letter) { return llvm::isAlpha(letter) || letter == '-'; });
  return isWord ? rule.str() : "other";
}

void disable(OpPassManager &passes, const std::vector<std::string> &rules) {
  for (Pass &pass : passes.getPasses())
    if (pass.getArgument() == "verify-state" && !rules.empty())
      (void)pass.initializeOptions("disable=" + llvm::join(rules, ","), [](const Twine &) { return failure(); });
}
} // namespace

std::optional<Refusal> Prover::prove(ModuleOp program) const {
  FirstError error(program.getContext());
  if (failed(verify(program)))
    return Refusal{"mlir", error.text};
  PassManager passes(program.getContext());
  addProgramPasses(passes, backend);
  disable(passes, disabled);
  if (succeeded(passes.run(program)))
    return std::nullopt;
  return Refusal{ruleOf(error.text), error.text};
}
