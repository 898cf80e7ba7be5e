// SPDX-License-Identifier: MIT
// What a person is told about a package's states.
#ifndef KVASIR_FRONTENDS_COREML_REPORT_H
#define KVASIR_FRONTENDS_COREML_REPORT_H

#include "compiler/frontends/coreml/findings.h"

namespace kvasir::coreml {

/// Lines for people: how each function reads and writes each state, then the findings.
std::string reportText(const Program &program, const std::vector<Finding> &findings);

/// The same as one JSON object: result ("clean", "warning", "bug"), findings, functions.
std::string reportJson(const Program &program, const std::vector<Finding> &findings);

bool hasErrors(const std::vector<Finding> &findings);

} // namespace kvasir::coreml

#endif
