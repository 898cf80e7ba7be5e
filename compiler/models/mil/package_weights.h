// SPDX-License-Identifier: MIT
// The large constants of a program as weights: their bytes stay in the package.
#ifndef KVASIR_MODELS_MIL_PACKAGE_WEIGHTS_H
#define KVASIR_MODELS_MIL_PACKAGE_WEIGHTS_H

#include "compiler/dialects/lm/dialect.h"
#include "compiler/models/mil/tensor.h"
#include "compiler/packing/weight_source.h"

#include "mlir/IR/BuiltinOps.h"

#include <deque>
#include <map>
#include <memory>
#include <tuple>

namespace kvasir::mil {

/// How a matrix is read: as it lies, or with its two dims exchanged.
enum class Order { asItLies, turned };

/// Where the weights of an imported program come from. The package outlives it. Filled while the program is imported.
class PackageWeights final : public WeightSource {
public:
  /// Whether a tensor can be a weight: a constant or compressed, of f16 or f32; a vector, or a matrix, behind whose two
  /// dims there may be dims of 1.
  static bool canHold(const Tensor &tensor);

  /// The `lm.weight` of a tensor that can be one, declared once, whatever functions use it: a matrix [N, K] of its
  /// elements, or a vector [E] of f32, which is what kernels take. `name` is the tensor's in the package.
  lm::WeightOp declare(mlir::ModuleOp module, const Tensor &tensor, llvm::StringRef name,
                       Order order = Order::asItLies);

  /// The weights of one type that layers pick as a family, by layer. The members stay declared.
  lm::WeightOp declareFamily(llvm::ArrayRef<lm::WeightOp> members);

  /// Keeps bytes of a constant that was computed when the program was imported.
  const coreml::Constant *keep(coreml::TensorType type, std::vector<uint8_t> bytes);

  // WeightSource.
  Result<SourceTensor> find(std::string_view name) const override;
  bool contains(std::string_view name) const override { return entryOf(name) != nullptr; }
  std::vector<std::string_view> names() const override;

private:
  struct Entry {
    std::string name;
    SourceTensor tensor;
    std::unique_ptr<RowReader> reader;
  };

  /// What makes two weights one: where their bytes lie, and how they are read.
  using Place = std::tuple<std::vector<const uint8_t *>, uint64_t, uint64_t, Order>;

  const Entry *entryOf(std::string_view name) const;
  const Entry &add(const Tensor &tensor, std::string name, Order order);

  std::deque<Entry> entries; // addresses stay
  std::map<std::string_view, const Entry *> byName;
  std::map<Place, const Entry *> byPlace;
  std::map<std::string, const Entry *, std::less<>> aliases; ///< of members of families whose own names are no pattern
  std::deque<std::pair<coreml::Constant, std::vector<uint8_t>>> computed;
};

} // namespace kvasir::mil

#endif
