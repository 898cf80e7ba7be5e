// SPDX-License-Identifier: MIT
// What a person is told about a package's states.
#ifndef KVASIR_FRONTENDS_COREML_REPORT_H
#define KVASIR_FRONTENDS_COREML_REPORT_H

#include "compiler/frontends/coreml/findings.h"

namespace kvasir::coreml {

/// How the compiled program keeps a state of a function: as a row a token, or whole.
struct StateForm {
  std::string function, state;
  std::string reason; ///< why it is kept whole; empty if it is not
};

/// Lines for people: how each function reads and writes each state, and keeps it where `forms` says so, then the
/// findings.
std::string reportText(const Program &program, const std::vector<Finding> &findings,
                       const std::vector<StateForm> &forms = {});

/// The same as one JSON object: result ("clean", "warning", "bug"), findings, functions.
std::string reportJson(const Program &program, const std::vector<Finding> &findings,
                       const std::vector<StateForm> &forms = {});

bool hasErrors(const std::vector<Finding> &findings);

} // namespace kvasir::coreml

#endif
