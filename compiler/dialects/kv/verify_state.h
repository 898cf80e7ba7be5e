// SPDX-License-Identifier: MIT
#ifndef KVASIR_DIALECTS_KV_VERIFY_STATE_H
#define KVASIR_DIALECTS_KV_VERIFY_STATE_H

#include "compiler/dialects/kv/dialect.h"

#include <string>
#include <vector>

namespace kvasir::kv {

/// A kv.waive that the proof rests on; the manifest lists it.
struct Waiver {
  std::string function, slot, reason;
  std::vector<int64_t> layers;
};

/// What verify-state proved of a module.
struct Proof {
  unsigned numEntries = 0;
  unsigned numSlots = 0;
  int64_t numWrites = 0; // writes of one layer of one slot, over all entries
  std::vector<Waiver> waivers;
};

/// Proves that every entry writes its state, or reports every broken rule as an error (README.md lists them).
/// A module without state is proved with no entries. Cost: linear in the kv ops that a call executes, milliseconds for
/// a hundred layers. Reads the whole module: no other thread may change it.
/// `disabled` names rules that are left out, by family or family/name: for tests that each is needed.
mlir::FailureOr<Proof> verifyState(mlir::ModuleOp module, llvm::ArrayRef<std::string> disabled = {});

/// What each entry does to its state in one call, a line an op.
void printStateTrace(mlir::ModuleOp module, llvm::raw_ostream &stream);

} // namespace kvasir::kv

#endif
