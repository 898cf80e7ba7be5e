// SPDX-License-Identifier: MIT
// A profile for people, and for programs.
#ifndef KVASIR_RUNTIME_TOOLS_PROFILE_REPORT_H
#define KVASIR_RUNTIME_TOOLS_PROFILE_REPORT_H

#include "runtime/tools/profile_rows.h"

namespace kvasir::tools {

/// One kind of call, measured.
struct Profile {
  bool isPrefill = false;
  uint64_t tokens = 1, depth = 0, sequences = 1; ///< tokens and depth of each sequence
  double seconds = 0;                            ///< of a call that is watched: what the rows add up to
  double unwatchedSeconds = 0;                   ///< of one that is not; the median
  std::vector<ProfileRow> rows;
};

/// A line of what it is, one of headings, one a row.
std::string profileText(const Profile &profile);

nlohmann::ordered_json profileJson(const Profile &profile, const Limits &limits);

} // namespace kvasir::tools

#endif
