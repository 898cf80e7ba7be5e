// SPDX-License-Identifier: MIT
#ifndef KVASIR_DIALECTS_KV_FINDINGS_H
#define KVASIR_DIALECTS_KV_FINDINGS_H

#include "compiler/dialects/kv/dialect.h"

#include <deque>
#include <map>
#include <set>

namespace kvasir::kv {

/// One broken rule at one op. A loop over layers breaks it once a layer; the layers are collected here.
struct Finding {
  mlir::Operation *at = nullptr;
  std::string rule, text, advice; // "{layers}" in the text stands for the layers
  std::set<int64_t> layers;
  llvm::SmallVector<std::pair<mlir::Location, std::string>> notes;

  /// Adds a note, once.
  void note(mlir::Location where, const llvm::Twine &what);
};

/// The findings of a module, printed together so that one run shows them all.
class Findings {
public:
  /// The finding of `rule` about `subject` (a slot, or empty) at `op` in `entry`; made on first use.
  Finding &add(mlir::Operation *at, llvm::StringRef rule, llvm::StringRef subject, llvm::StringRef entry);
  bool empty() const { return found.empty(); }
  void emit();

private:
  using Key = std::tuple<mlir::Operation *, std::string, std::string, std::string>;
  std::map<Key, size_t> index;
  std::deque<Finding> found; // a reference to a finding outlives the next add
};

/// "layer 3", "layers 0-3, 7".
std::string describe(const std::set<int64_t> &layers);

} // namespace kvasir::kv

#endif
