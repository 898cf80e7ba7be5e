// SPDX-License-Identifier: MIT
// Programs of two layers of attention, each with heads of another shape: backends fuse what makes their rows.
#ifndef KVASIR_CONFORMANCE_TURNED_HEADS_H
#define KVASIR_CONFORMANCE_TURNED_HEADS_H

#include <string>
#include <vector>

namespace conformance {

struct NamedProgram {
  std::string name; ///< "heads.halves.4x16.of16"
  std::string text; ///< MLIR
};

/// Each order of lanes with heads of several widths, of which all or some lanes are turned, with biases and norms and
/// without.
std::vector<NamedProgram> turnedHeads();

} // namespace conformance

#endif
