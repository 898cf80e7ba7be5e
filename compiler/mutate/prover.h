// SPDX-License-Identifier: MIT
#ifndef KVASIR_MUTATE_PROVER_H
#define KVASIR_MUTATE_PROVER_H

#include "backends/backend.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace kvasir {

/// Why a program is refused.
struct Refusal {
  std::string rule; ///< of verify-state: "coverage"; "mlir" where MLIR's own verifier refuses, "other" for a pass
  std::string text; ///< the first diagnostic
};

/// Asks of programs what kvasir-compile asks before it generates code.
class Prover {
public:
  /// `disabled`: rules that verify-state leaves out.
  Prover(const Backend &backend, std::vector<std::string> disabled) : backend(backend), disabled(std::move(disabled)) {}

  /// Proves the program and makes it ready for a plugin, or says why not; then it may be left half way.
  std::optional<Refusal> prove(mlir::ModuleOp program) const;

private:
  const Backend &backend;
  std::vector<std::string> disabled;
};

} // namespace kvasir

#endif
