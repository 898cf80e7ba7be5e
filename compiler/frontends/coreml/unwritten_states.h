// SPDX-License-Identifier: MIT
// States that functions read and none writes.
#ifndef KVASIR_FRONTENDS_COREML_UNWRITTEN_STATES_H
#define KVASIR_FRONTENDS_COREML_UNWRITTEN_STATES_H

#include "compiler/frontends/coreml/findings.h"

namespace kvasir::coreml {

/// Of all functions of a program: one finding a function and state. An error where nothing that a model of tokens
/// keeps is written, or where another state of the same extents is; else a warning, since a host may fill the state.
/// Functions whose new rows are computed and dropped are left out: that is said of the update.
std::vector<Finding> findUnwrittenStates(const std::vector<StateFlow> &flows);

/// Do all functions that write the state take no tokens, and put what comes from their inputs into the whole of it? So
/// does an encoder whose keys and values other functions attend to.
bool areFillers(const std::vector<StateFlow> &flows, const std::string &state);

} // namespace kvasir::coreml

#endif
