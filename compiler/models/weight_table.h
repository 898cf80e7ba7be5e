// SPDX-License-Identifier: MIT
// Declares the weights of a program from what a file has.
#ifndef KVASIR_MODELS_WEIGHT_TABLE_H
#define KVASIR_MODELS_WEIGHT_TABLE_H

#include "compiler/dialects/lm/dialect.h"
#include "compiler/packing/weight_source.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace kvasir {

/// Makes lm.weight ops and remembers the first tensor that is missing or wrong. Where the members of a family have
/// different types in the file, as in Q4_K_M files, the family's type is the one that holds them all without loss
/// (joinForms), and its `members` are the file's types, which separate-forms packs them in.
class WeightTable {
public:
  WeightTable(const WeightSource &source, mlir::OpBuilder &builder) : source(source), builder(builder) {}

  /// A family of `layers` tensors of this shape, [N, K] or [E]. `pattern` names them, {} standing for the layer.
  lm::WeightOp declare(llvm::StringRef pattern, int64_t layers, llvm::ArrayRef<int64_t> shape);

  /// Weights of these names, as if each were a tensor, and numbers of rows, that lie one behind the other in one tensor
  /// a layer, [sum of rows, K].
  std::vector<lm::WeightOp> declareParts(llvm::StringRef pattern, int64_t layers, int64_t columns,
                                         llvm::ArrayRef<std::pair<llvm::StringRef, int64_t>> parts);

  /// Null if no layer has it. All or none must.
  lm::WeightOp declareIfPresent(llvm::StringRef pattern, int64_t layers, llvm::ArrayRef<int64_t> shape);

  /// The same of a vector [rows * columns] that is a matrix [rows, columns] in the file.
  lm::WeightOp declareAsVectorIfPresent(llvm::StringRef pattern, int64_t layers, int64_t rows, int64_t columns);

  /// Marks a tensor as read by other means.
  void use(std::string_view name) { used.insert(std::string(name)); }

  /// Fails if the file has a tensor that nothing has used: a model that has it is not computed right without it.
  void checkAllUsed(llvm::StringRef architecture);

  const std::optional<Failure> &failure() const { return first; }

private:
  void fail(std::string message);
  bool hasRoomFor(int64_t layers);
  bool isPresent(llvm::StringRef pattern, int64_t layers);
  lm::WeightOp declareAs(llvm::StringRef name, llvm::StringRef pattern, int64_t layers, llvm::ArrayRef<int64_t> shape);
  std::optional<WeightForm> memberForm(const std::string &name, llvm::ArrayRef<int64_t> shape);

  const WeightSource &source;
  mlir::OpBuilder &builder;
  std::set<std::string, std::less<>> used;
  std::optional<Failure> first;
};

/// A name that a person recognises, for an op that uses the family `pattern`: "blk.{layer}.attn_q".
mlir::Location locationOf(mlir::MLIRContext *context, llvm::StringRef pattern);

} // namespace kvasir

#endif
