// SPDX-License-Identifier: MIT
#ifndef KVASIR_DRIVER_RANDOM_WEIGHTS_H
#define KVASIR_DRIVER_RANDOM_WEIGHTS_H

#include "compiler/packing/weight_source.h"

#include "mlir/IR/BuiltinOps.h"

#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace kvasir {

/// In [-1, 1), the same on every machine.
inline float drawNumber(std::mt19937_64 &random) { return float(int64_t(random() >> 40) - (1 << 23)) * 0x1p-23f; }

/// Weights for a program that only names its own: equal for equal seeds and names, on every machine. Matrices have
/// values of about 0.05, vectors of about 1, as norms have.
class RandomWeights : public WeightSource {
public:
  RandomWeights(mlir::ModuleOp program, uint64_t seed);

  Result<SourceTensor> find(std::string_view name) const override;
  bool contains(std::string_view name) const override { return tensors.count(name) != 0; }
  std::vector<std::string_view> names() const override;

private:
  struct Tensor {
    std::string name;
    std::vector<uint8_t> bytes;
    SourceTensor view;
  };

  void add(std::string name, const WeightForm &form, uint64_t rows, uint64_t columns, uint64_t seed);

  std::deque<Tensor> store; // addresses stay
  std::map<std::string_view, const Tensor *> tensors;
};

} // namespace kvasir

#endif
