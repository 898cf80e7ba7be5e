// SPDX-License-Identifier: MIT
// Calls of an imported language model's functions, each watched: which rows of which state it writes.
#ifndef KVASIR_RUNTIME_IMPORTED_SESSION_H
#define KVASIR_RUNTIME_IMPORTED_SESSION_H

#include "runtime/imported/host.h"
#include "runtime/imported/row_map.h"

namespace kvasir::imported {

/// One call, and what it did.
struct Step {
  const HostFunction *function;
  uint64_t position, numTokens;
  Tensors outputs;
  Tensors states;                                    ///< after the call; of linear caches the rows up to its end
  std::map<std::string, std::vector<SlabRows>> rows; ///< of each cache, by slab; empty if the call was not watched
};

/// Calls one after the other, on a state that was empty or as if `start` tokens had been before them.
struct Run {
  uint64_t start = 0;
  std::vector<Step> steps;
  std::string failure; ///< of the step after the last, if one failed

  uint64_t end() const { return steps.empty() ? start : steps.back().position + steps.back().numTokens; }
  /// The step that a token was new in; null beyond the last.
  const Step *stepOf(uint64_t token) const;
};

/// What of a run is asked for.
struct Piece {
  const HostFunction *function;
  uint64_t numTokens;
};

/// A program, what a host knows of it, and its caches as they were found out.
class Session {
public:
  /// `functions` outlive the session.
  Session(const Program &program, const std::vector<HostFunction> &functions);

  const Program &program() const { return code; }
  const std::vector<HostFunction> &functions() const { return hosts; }

  /// How states hold rows; those that are not here hold none. Found by `findCaches`.
  std::map<std::string, RowAxes> axes;
  std::map<std::string, CacheForm> forms; ///< of the same states

  /// The one that says which positions there are: of the linear ones, if there are any, the one of the fewest rows.
  CacheForm cache() const;
  bool hasReused() const; ///< Is any a ring, or shifted?
  void setWindows(uint64_t window);

  std::set<std::string> counters; ///< states of one number, which is how many tokens have been

  /// A new state, whose counters say that so many tokens have been.
  Tensors stateAt(uint64_t position) const;

  /// Ids for tokens [first, first + count) of each sequence: made up, each sequence its own. `changed`, if below the
  /// end, is a token that gets another id, in sequence `changedSequence` only unless that is -1.
  std::vector<int32_t> ids(const HostFunction &function, uint64_t first, uint64_t count, uint64_t changed = UINT64_MAX,
                           int64_t changedSequence = -1) const;

  /// Ids are below this. Lowered until calls succeed: a vocabulary may be small.
  uint32_t vocabulary = 32;

  /// As `inputsOf` takes them.
  std::vector<CacheForm> allForms() const;

  Tensors call(const HostCall &call, Tensors &state) const {
    return code.call(call.function->name(), state, inputsOf(call, allForms()));
  }

  enum class Watch { off, rows };

  /// Runs the pieces on a new state. A step that fails ends the run.
  Run run(const std::vector<Piece> &pieces, Watch watch, uint64_t changed = UINT64_MAX, int64_t sequence = -1) const;

  /// The same on a state of `start` tokens.
  Run runFrom(Tensors state, uint64_t start, const std::vector<Piece> &pieces, Watch watch,
              uint64_t changed = UINT64_MAX, int64_t sequence = -1) const;

  /// Which rows a call writes, on a state like `before`.
  std::map<std::string, std::vector<SlabRows>> rowsOf(const HostCall &call, const Tensors &before) const;

private:
  Tensors keptOf(const Tensors &state, uint64_t end) const;
  const Tensor &filled(const std::string &name, const Tensor &like, uint64_t seed) const;

  const Program &code;
  const std::vector<HostFunction> &hosts;
  mutable std::map<std::pair<std::string, uint64_t>, Tensor> fills; ///< of states, by seed
};

/// The part of an output that is one token's: [token][elements]; of the last token alone if it has no token axis.
std::vector<std::vector<float>> tokenOutputs(const Tensor &output, const HostFunction &function, uint64_t numTokens);

/// The rows of one state for token `token` when `end` tokens have been written, by slab; empty if they are not held.
std::vector<std::vector<float>> tokenRows(const Tensor &state, const RowAxes &axes, const CacheForm &cache,
                                          uint64_t token, uint64_t end);

} // namespace kvasir::imported

#endif
