// SPDX-License-Identifier: MIT
#ifndef KVASIR_DIALECTS_KV_PASSES_H
#define KVASIR_DIALECTS_KV_PASSES_H

#include "compiler/dialects/kv/dialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Pass/Pass.h"

namespace kvasir::kv {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "compiler/dialects/kv/passes.h.inc"
} // namespace kvasir::kv

#endif
