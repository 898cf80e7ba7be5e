// SPDX-License-Identifier: MIT
// What of one function is raised: its caches, which op appends or attends what, and what must hold of a call's inputs.
#ifndef KVASIR_MODELS_MIL_RAISED_RAISE_PLAN_H
#define KVASIR_MODELS_MIL_RAISED_RAISE_PLAN_H

#include "compiler/models/mil/raised/state_uses.h"

namespace kvasir::mil {

/// A cache of the schema. Where its rows are in the state: an entry an axis, as kv.cache's `from` has them.
struct PlannedCache {
  std::string state, name, keys; ///< keys: of values, the name of their cache
  int64_t layers = 0, heads = 1, width = 1, capacity = 0;
  coreml::Element element = coreml::Element::f16;
  std::vector<std::string> axes;

  bool operator==(const PlannedCache &) const = default;
};

/// What a dim of a tensor of rows is; a dim may be several, the most significant first.
enum class RowAxis { token, head, lane };
using RowDims = std::vector<llvm::SmallVector<RowAxis, 2>>; ///< none: the extent is 1

struct PlannedAppend {
  size_t cache; ///< among the plan's
  int64_t layer;
  coreml::Operand rows;
  RowDims dims; ///< of the last dims of `rows`; those before have an extent of 1
};

struct PlannedAttend {
  size_t keys, values;
  int64_t layer;
  coreml::Operand query;
  RowDims dims; ///< of the query, and of the result: […, H, T, D], or [1, T, D] of one head
  int64_t heads;
  float scale;
};

/// What an input has to be in a call of the raised form (kv.binds).
struct PlannedBind {
  enum class Is { count, start, length, causal } is;
  coreml::ValueId input;
  std::optional<int64_t> dim;
};

struct FunctionPlan {
  CallSum count, start;
  std::vector<PlannedCache> caches;                                ///< keys, then their values
  std::multimap<const coreml::Operation *, PlannedAppend> appends; ///< by write_state
  std::map<const coreml::Operation *, PlannedAttend> attends;
  std::vector<PlannedBind> binds;
  std::set<coreml::ValueId> states; ///< that are raised
  std::set<CallSum> lengths;        ///< sums that are start + count in such a call
  std::map<coreml::ValueId, StateView> views;
  std::map<std::string, std::string> reasons; ///< why a state is not raised, by its name

  bool isRaised() const { return !caches.empty(); }
};

FunctionPlan planFunction(const KnownNumbers &numbers);

} // namespace kvasir::mil

#endif
