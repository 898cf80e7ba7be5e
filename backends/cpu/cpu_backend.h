// SPDX-License-Identifier: MIT
// The cpu backend as a class: others may be it, but for some of their kernels.
#ifndef KVASIR_BACKENDS_CPU_CPU_BACKEND_H
#define KVASIR_BACKENDS_CPU_CPU_BACKEND_H

#include "backends/backend.h"
#include "backends/cpu/kernels.h"

namespace kvasir::cpu {

class CpuBackend : public Backend {
public:
  llvm::StringRef name() const override { return "cpu"; }
  llvm::Expected<std::vector<Variant>> configure(const BackendOptions &options) override;
  Numerics numerics() const override;
  std::optional<std::string> declines(mlir::Operation *op) const override;
  Layout weightLayout(lm::WeightOp weight, llvm::ArrayRef<mlir::Operation *> users) const override;
  Layout slotLayout(kv::CacheOp cache) const override;
  void matchGroups(mlir::func::FuncOp function) const override;
  llvm::Expected<KernelSignature> signature(kv::GroupOp group) const override;
  llvm::LogicalResult emit(const KernelRequest &request) const override;

protected:
  /// Who computes the group's calls of many rows; null: the kernels of this folder.
  virtual const ManyRows *manyRows(kv::GroupOp) const { return nullptr; }

  Activations wanted = Activations::int8; ///< of activations, once configured
};

} // namespace kvasir::cpu

#endif
