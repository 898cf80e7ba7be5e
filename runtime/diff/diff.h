// SPDX-License-Identifier: MIT
// Do two plugins compute the same, and where do they begin not to?
#ifndef KVASIR_RUNTIME_DIFF_DIFF_H
#define KVASIR_RUNTIME_DIFF_DIFF_H

#include "runtime/diff/graph.h"
#include "runtime/diff/noise.h"
#include "runtime/diff/report.h"
#include "runtime/model/model.h"

namespace kvasir::runtime::diff {

struct DiffOptions {
  std::vector<int32_t> ids = {}; ///< the prompt; none: made up
  uint64_t chunkTokens = 0;      ///< of a call of the prompt; 0: all at once
  bool comparesOps = false;      ///< op by op as well
  const CancelFlag *cancel = nullptr;
};

/// One of the two.
struct Given {
  Model &model;
  std::string path;                  ///< for people
  std::vector<FunctionGraph> graphs; ///< none: the plugin has none
  Norms norms;
};

/// Runs both in step on conversations of their own: the prompt, then single tokens and a call of several. Stops at the
/// first call that differs. Throws bad input if their states or vocabularies can't be compared, `unsupported` if no
/// function takes tokens alone, or if ops are to be compared and the plugins have no probes; what runCall throws.
Report runDiff(const Given &a, const Given &b, const DiffOptions &options);

} // namespace kvasir::runtime::diff

#endif
