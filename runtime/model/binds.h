// SPDX-License-Identifier: MIT
// What a call's inputs say of where it starts, and whether they are what a raised form takes them for.
#ifndef KVASIR_RUNTIME_MODEL_BINDS_H
#define KVASIR_RUNTIME_MODEL_BINDS_H

#include "plugins/description.h"
#include "runtime/model/tensors.h"

namespace kvasir::runtime {

/// A call as its inputs have it, or why a bind does not hold.
struct BoundCall {
  uint64_t start = 0; ///< tokens before it
  uint64_t count = 0; ///< tokens that it brings
  std::string whyNot; ///< in one line; empty if all binds hold

  explicit operator bool() const { return whyNot.empty(); }
};

/// Reads count and start from the inputs, and holds every bind against them. `inputs` are the function's, all of them,
/// of its types; the call may end at row `mostRows` at most. Cost: that of reading masks and positions.
BoundCall bindCall(const RaisedForm &raised, const std::vector<NamedInput> &inputs, uint64_t mostRows);

} // namespace kvasir::runtime

#endif
