// SPDX-License-Identifier: MIT
// How far rounding moves what a plugin computes.
#ifndef KVASIR_RUNTIME_DIFF_RESPONSE_H
#define KVASIR_RUNTIME_DIFF_RESPONSE_H

#include "runtime/diff/noise.h"
#include "runtime/diff/rerouted.h"
#include "runtime/diff/side.h"

#include <functional>

namespace kvasir::runtime::diff {

/// A conversation of A's, in a model with noise.
struct Draw {
  Side side;
  Outputs outputs; ///< of the last call
};

/// The same calls as A's with errors of `unit` in its norms, in several draws. Nothing is made before it is asked for.
class Response {
public:
  Response(const Side &a, const Norms &norms, double unit, const CancelFlag *cancel)
      : a(a), norms(norms), unit(unit), cancel(cancel) {}

  /// Has the plugin norms that noise can be in?
  bool isKnown() const { return !norms.runs.empty(); }

  /// A is about to make this call.
  void expect(const MadeCall &call, Wanted wanted) { calls.push_back({call, wanted}); }

  /// The root of the mean square of how far a row of A's last call moves, as differenceOf has it: `rowOf` says what a
  /// draw has there. Throws what runCall throws.
  double of(std::span<const float> row, const std::function<std::vector<float>(const Draw &)> &rowOf);

  /// The draws of some rows of A's, of `width` numbers each, and those that are further apart than `tolerance`:
  /// `rowsOf` says what a draw has there. Throws what runCall throws.
  DrawnRows drawnRows(std::span<const float> rows, uint64_t width, double tolerance,
                      const std::function<std::vector<float>(const Draw &)> &rowsOf);

private:
  void follow();

  const Side &a;
  const Norms &norms;
  const double unit;
  const CancelFlag *const cancel;
  std::vector<std::pair<MadeCall, Wanted>> calls;
  size_t numFollowed = 0;
  std::unique_ptr<NoisyModel> noisy;
  std::vector<Draw> draws;
};

} // namespace kvasir::runtime::diff

#endif
