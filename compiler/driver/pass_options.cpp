// SPDX-License-Identifier: MIT
#include "compiler/driver/pass_options.h"

#include "compiler/dialects/kv/dialect.h"
#include "compiler/dialects/kv/passes.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// Proves the program again after each pass, so that a pass that breaks it is named.
class StateVerifier : public PassInstrumentation {
public:
  void runAfterPass(Pass *pass, Operation *op) override {
    auto module = isa<ModuleOp>(op) ? cast<ModuleOp>(op) : op->getParentOfType<ModuleOp>();
    if (isBusy || pass->getArgument() == "verify-state" || pass->getName().contains("Adaptor") || hasOpenWrites(module))
      return;
    isBusy = true;
    PassManager verifier(module.getContext());
    verifier.addPass(kv::createVerifyState());
    if (failed(verifier.run(module)))
      op->emitError() << "state is no longer proved after " << pass->getArgument();
    isBusy = false;
  }

private:
  /// Imported writes of which raise-writes has not said yet what they are: nothing is proved before it.
  static bool hasOpenWrites(ModuleOp module) {
    auto isOpen = [](kv::WriteOp write) {
      return write.getUnraised() ? WalkResult::advance() : WalkResult::interrupt();
    };
    return module.walk(isOpen).wasInterrupted();
  }

  bool isBusy = false;
};

/// A place as a person reads it: a name ("blk.{}.attn_q") or file and line.
void printPlace(llvm::raw_ostream &stream, Location loc) {
  while (auto labelled = dyn_cast<FusedLoc>(loc)) // compiler/passes/labels.h
    loc = labelled.getLocations().front();
  if (auto name = dyn_cast<NameLoc>(loc))
    stream << name.getName().getValue() << ": ";
  else if (auto file = dyn_cast<FileLineColLoc>(loc))
    stream << file.getFilename().getValue() << ":" << file.getLine() << ":" << file.getColumn() << ": ";
}
} // namespace

void kvasir::setUpPasses(PassManager &passes, const CompileOptions &options) {
  if (options.printIrAfterChange) {
    passes.getContext()->disableMultithreading();
    passes.enableIRPrinting([](Pass *, Operation *) { return false; }, [](Pass *, Operation *) { return true; },
                            /*printModuleScope=*/true, /*printAfterOnlyOnChange=*/true);
  }
}

void kvasir::verifyBetweenPasses(PassManager &passes, const CompileOptions &options) {
  if (!options.verifyEachPass)
    return;
  passes.getContext()->disableMultithreading(); // the verifier reads the whole module
  passes.addInstrumentation(std::make_unique<StateVerifier>());
}

DiagnosticReporter::DiagnosticReporter(MLIRContext *context)
    : handler(context, [this](Diagnostic &diagnostic) {
        if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
          return success();
        llvm::raw_string_ostream stream(text);
        stream << (text.empty() ? "" : "\n");
        printPlace(stream, diagnostic.getLocation());
        stream << diagnostic.str();
        for (Diagnostic &note : diagnostic.getNotes()) {
          stream << "\n  note: ";
          printPlace(stream, note.getLocation());
          stream << note.str();
        }
        return success();
      }) {}

llvm::Error DiagnosticReporter::takeError(const char *step) {
  std::string message = text.empty() ? std::string(step) + " failed" : text;
  text.clear();
  return llvm::createStringError(message);
}

llvm::Error DiagnosticReporter::takeRest() { return text.empty() ? llvm::Error::success() : takeError(""); }
