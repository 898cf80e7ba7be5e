// SPDX-License-Identifier: MIT
// What becomes of each op of a program on a backend.
#ifndef KVASIR_DRIVER_EXPLAIN_H
#define KVASIR_DRIVER_EXPLAIN_H

#include "backends/backend.h"

namespace kvasir {

/// One op: done by a kernel of the backend's, or declined and decomposed, or of an upstream dialect and lowered as it
/// is.
struct OpFate {
  std::string function, place; ///< place: the name that a person gave it, else file and line
  std::string op;              ///< "lm.linear"
  std::string kernel;          ///< "cpu.qkv"; empty: none
  unsigned group = 0; ///< of the function's groups, from 1: ops of one group are done by one call of the kernel
  std::string reason; ///< why there is no kernel; empty for an upstream op
};

/// Of every op that computes something in the functions of a proved and grouped program, in order. Functions that are
/// others, specialised, are left out.
std::vector<OpFate> explainProgram(mlir::ModuleOp program, const Backend &backend);

/// A line an op, and one that counts them.
std::string fatesToText(llvm::ArrayRef<OpFate> fates);

/// {"ops": [{"function": …, "place": …, "op": …, "kernel": …, "group": 1, "reason": …}, …]}; what is empty is left out.
std::string fatesToJson(llvm::ArrayRef<OpFate> fates);

} // namespace kvasir

#endif
