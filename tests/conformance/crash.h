// SPDX-License-Identifier: MIT
// A kernel that crashes takes the kit with it; it is named first.
#ifndef KVASIR_CONFORMANCE_CRASH_H
#define KVASIR_CONFORMANCE_CRASH_H

#include <string_view>

namespace conformance {

/// From here on a crash is said on standard error, with the case that runs.
void nameCrashes();

/// What runs from here on.
void nowRuns(std::string_view what);

} // namespace conformance

#endif
