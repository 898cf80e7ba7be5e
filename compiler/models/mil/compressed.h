// SPDX-License-Identifier: MIT
// Constants whose elements a formula gives: compressed weights of packages, read a run at a time and never made whole
// where that can be helped.
#ifndef KVASIR_MODELS_MIL_COMPRESSED_H
#define KVASIR_MODELS_MIL_COMPRESSED_H

#include "compiler/frontends/coreml/program.h"

#include <memory>

namespace kvasir::mil {

/// The constants that it is made of outlive it.
class Compressed {
public:
  virtual ~Compressed() = default;

  /// Elements [begin, begin + count) in row-major order, each rounded once to the type (f16 or f32). From any thread.
  virtual void read(uint64_t begin, uint64_t count, float *into) const = 0;

  coreml::TensorType type;
  std::vector<const coreml::Constant *> parts; ///< all that the elements depend on; the largest first
};

/// All elements, in the type's bytes.
std::vector<uint8_t> wholeOf(const Compressed &constant);

/// Makers; null where parts do not fit together. Each element of `data` is of a block, as are a scale's, an offset's
/// and a palette's: each dim is cut into as many blocks as those have elements in it.

/// scale * (data - offset); `offset` may be null.
std::shared_ptr<const Compressed> makeBlockwise(const coreml::Constant &data, const coreml::Constant &scale,
                                                const coreml::Constant *offset);
/// Entry `indices` of the block's palette: lut [blocks.., entries, 1].
std::shared_ptr<const Compressed> makePalette(const coreml::Constant &indices, const coreml::Constant &lut);

/// The numbers of `data` in order where `mask` is not 0, and 0 elsewhere.
std::shared_ptr<const Compressed> makeSparse(const coreml::Constant &data, const coreml::Constant &mask);

} // namespace kvasir::mil

#endif
