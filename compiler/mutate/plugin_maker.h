// SPDX-License-Identifier: MIT
#ifndef KVASIR_MUTATE_PLUGIN_MAKER_H
#define KVASIR_MUTATE_PLUGIN_MAKER_H

#include "backends/backend.h"
#include "compiler/packing/weight_source.h"
#include "plugins/description.h"

namespace kvasir {

/// Compiles proved programs. They share weights, which need no fingerprint: the plugins are run and thrown away.
class PluginMaker {
public:
  PluginMaker(const Backend &backend, std::vector<Variant> variants, const WeightSource &weights)
      : backend(backend), variants(std::move(variants)), weights(weights) {}

  /// Writes the plugin to `path` and returns what it says of itself. The program is changed on the way.
  llvm::Expected<Description> make(mlir::ModuleOp program, const std::string &path) const;

private:
  llvm::Error write(mlir::ModuleOp program, const Description &description, uint64_t weightsSize,
                    const std::string &path) const;

  const Backend &backend;
  std::vector<Variant> variants;
  const WeightSource &weights;
};

} // namespace kvasir

#endif
