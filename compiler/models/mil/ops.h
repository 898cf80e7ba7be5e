// SPDX-License-Identifier: MIT
// The ops of MIL that can be imported.
#ifndef KVASIR_MODELS_MIL_OPS_H
#define KVASIR_MODELS_MIL_OPS_H

#include "compiler/models/mil/op_import.h"

#include <initializer_list>

namespace kvasir::mil {

struct OpEntry {
  const char *name; ///< as MIL spells it
  void (*import)(OpImport &op);
  std::initializer_list<const char *> inputs; ///< those that must be there
};

/// Null for an op that is not known.
const OpEntry *findOp(llvm::StringRef name);

} // namespace kvasir::mil

#endif
