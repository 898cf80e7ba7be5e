// SPDX-License-Identifier: MIT
#ifndef KVASIR_DRIVER_PASS_OPTIONS_H
#define KVASIR_DRIVER_PASS_OPTIONS_H

#include "compiler/driver/options.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/Error.h"

#include <string>

namespace kvasir {

/// Printing after passes that change something, as the options say.
void setUpPasses(mlir::PassManager &passes, const CompileOptions &options);

/// With options.verifyEachPass: verify-state after every pass. For programs that still have slots.
void verifyBetweenPasses(mlir::PassManager &passes, const CompileOptions &options);

/// Collects diagnostics, so that a failed compilation says what was wrong first, and the notes that go with it.
class DiagnosticReporter {
public:
  explicit DiagnosticReporter(mlir::MLIRContext *context);

  /// The collected errors, or that `step` failed if there are none.
  llvm::Error takeError(const char *step);

  /// The collected errors, or success if there are none.
  llvm::Error takeRest();

private:
  std::string text;
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace kvasir

#endif
