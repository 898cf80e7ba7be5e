// SPDX-License-Identifier: MIT
// A plugin beside itself: the same code, with errors of rounding's size in what meets its matrices.
#ifndef KVASIR_RUNTIME_DIFF_NOISE_H
#define KVASIR_RUNTIME_DIFF_NOISE_H

#include "plugins/plugin_file.h"
#include "runtime/model/model.h"

#include <memory>
#include <vector>

namespace kvasir::runtime::diff {

/// The weights of a plugin's norms, which multiply what enters the matrices behind them.
struct Norms {
  struct Run {
    uint64_t offsetBytes, count; ///< numbers of f32, in the weights
  };

  std::shared_ptr<const PluginFile> file;
  std::vector<Run> runs; ///< none: the plugin does not say where they are, or they are of another type
};

/// Reads sections "steps" and "tensors"; their bytes are hostile.
Result<Norms> findNorms(std::shared_ptr<const PluginFile> file);

/// Draws of one model with other errors each.
class NoisyModel {
public:
  /// Its team is as large as the model's. Throws out of memory. Cost: of the weights the norms' pages.
  NoisyModel(const Model &model, const Norms &norms, double unit);

  /// From here on each number of the norms is off by `unit` of itself, up or down as this draw has it.
  void draw(uint64_t number);

  Model &model() { return *noisy; }

private:
  struct Unmapped {
    uint64_t size;
    void operator()(uint8_t *bytes) const;
  };

  const std::vector<Norms::Run> runs;
  const double unit;
  std::vector<float> numbers; ///< of all runs, as they are in the file
  std::unique_ptr<uint8_t, Unmapped> weights;
  std::unique_ptr<Model> noisy;
};

} // namespace kvasir::runtime::diff

#endif
