// SPDX-License-Identifier: MIT
// From a file's tensors to a plugin's weights: normal form, then the planes of a layout, streamed.
#ifndef KVASIR_PACKING_PACKER_H
#define KVASIR_PACKING_PACKER_H

#include "compiler/packing/weight_source.h"
#include "plugins/digest.h"

#include <functional>

namespace kvasir {

/// A family of weights and where it goes.
struct PackedWeight {
  std::string source; ///< names of the tensors, {} standing for the layer
  uint64_t layers = 1;
  uint64_t rows = 1; ///< 1 for a vector
  uint64_t columns = 1;
  WeightForm form; ///< at least as wide as each member's
  Layout layout;   ///< of one layer
  uint64_t offsetBytes = 0;
  uint64_t strideBytes = 0; ///< from layer to layer
};

/// Takes bytes of the weights, from any thread; runs of bytes never overlap, and what is not written is zero.
using WriteBytes = std::function<Status(uint64_t offset, std::span<const uint8_t> bytes)>;

/// Called now and then, by one thread at a time.
using ReportProgress = std::function<void(uint64_t doneBytes, uint64_t totalBytes)>;

/// Fails if the layout can't hold the weight.
Status checkPacking(const PackedWeight &weight);

/// Packs all weights on all cores. Codes go into planes of codes as they are (i8 into u8 with 128 added), or in two
/// parts into planes of codes and of high bits; scales, mins and units are converted to their plane's type (multiples
/// of units stay what they are); planes of values get what the formula gives. Rows and columns that a layout has more
/// than the weight are zero in every plane. Errors: a tensor that is missing or of another shape; a layout that lacks a
/// plane; a number too large for its plane's type; what `write` fails with. Cost: one pass over the source; memory of
/// about a megabyte a thread, more only for layouts that scatter neighbouring rows over the whole weight.
Status packWeights(const std::vector<PackedWeight> &weights, const WeightSource &source, const WriteBytes &write,
                   const ReportProgress &report);

/// SHA-256 over the configuration and over name, shape and bytes of each tensor that `weights` name: equal for equal
/// models, however they are packed. Cost: all cores, about 1 GB/s each.
Result<Digest> fingerprint(const std::vector<PackedWeight> &weights, const WeightSource &source,
                           std::string_view configuration);

} // namespace kvasir

#endif
