// SPDX-License-Identifier: MIT
// How a function writes rows of its states and attends them, as far as that is the common way; what is not, is said.
#ifndef KVASIR_MODELS_MIL_RAISED_STATE_USES_H
#define KVASIR_MODELS_MIL_RAISED_STATE_USES_H

#include "compiler/models/mil/raised/state_view.h"

#include <map>
#include <set>

namespace kvasir::mil {

/// A place in a state whose rows belong together: one layer, of keys or of values. `fixed` has an index for each axis,
/// 0 for those that are not fixed.
struct Slab {
  coreml::ValueId state;
  std::vector<int64_t> fixed;

  auto operator<=>(const Slab &) const = default;
};

/// Rows [begin, begin + count) of a slab are replaced.
struct RowWrite {
  Slab slab;
  const coreml::Operation *update; ///< slice_update
  const coreml::Operation *write;  ///< write_state
  uint32_t number;                 ///< of the state's writes
  int64_t rowAxis;
  CallSum begin, count;
  std::vector<int64_t> axes; ///< which axis of the state each dim of the update is, from the last dim on backwards
};

/// softmax(scale query keys^T + mask) values over rows of two slabs.
struct Attention {
  const coreml::Operation *operation; ///< that makes the result
  coreml::Operand query;
  StateView keys, values;
  std::optional<coreml::ValueId> mask; ///< an input; none where there is no mask
  float scale;
};

/// One function's. States that have a reason are not raised.
struct StateUses {
  std::vector<RowWrite> writes;
  std::vector<Attention> attentions;
  std::map<coreml::ValueId, StateView> views; ///< values that are elements of states
  std::map<coreml::ValueId, std::string> reasons;
};

StateUses stateUsesOf(const KnownNumbers &numbers);

} // namespace kvasir::mil

#endif
