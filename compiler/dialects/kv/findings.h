// SPDX-License-Identifier: MIT
#ifndef KVASIR_DIALECTS_KV_FINDINGS_H
#define KVASIR_DIALECTS_KV_FINDINGS_H

#include "compiler/dialects/kv/dialect.h"
#include "compiler/dialects/kv/rules.h"

#include "llvm/ADT/BitVector.h"

#include <deque>
#include <map>
#include <set>

namespace kvasir::kv {

/// Who broke a rule, and about which state. Both may be empty.
struct Subject {
  std::string entry; // "@forward"
  std::string slot;  // "slot @k"
  std::string rows;  // "rows [start, start + count) of slot @k"
};

/// One broken rule at one op. A loop over layers breaks it once a layer; the layers are collected here.
struct Finding {
  mlir::Operation *at = nullptr;
  Rule rule{};
  std::string sentence, remedy; // "{layers}" still stands for the layers
  std::set<int64_t> layers;
  llvm::SmallVector<std::pair<mlir::Location, std::string>> notes;

  /// Adds a note, once.
  void note(mlir::Location where, const llvm::Twine &what);
};

/// The findings of a module, printed together so that one run shows them all.
class Findings {
public:
  /// `disabled` has a bit for each rule; those that are set find nothing.
  explicit Findings(llvm::BitVector disabled) : disabled(std::move(disabled)) {}

  /// The finding of `rule` about `subject` at `op`; made on first use, then the `values` are those of the first.
  Finding &add(mlir::Operation *at, Rule rule, const Subject &subject, llvm::ArrayRef<std::string> values = {});

  /// The verifier met what its own rules exclude.
  void addInternal(mlir::Operation *at, llvm::StringRef what);

  bool empty() const { return found.empty(); }
  void emit();

private:
  using Key = std::tuple<mlir::Operation *, Rule, std::string, std::string>;
  llvm::BitVector disabled;
  std::map<Key, size_t> index;
  std::deque<Finding> found; // a reference to a finding outlives the next add
  Finding ignored;           // of disabled rules
};

/// "layer 3", "layers 0-3, 7".
std::string describe(const std::set<int64_t> &layers);

} // namespace kvasir::kv

#endif
