// SPDX-License-Identifier: MIT
// What an audit says of a package, against what is expected of it.
#ifndef KVASIR_TESTS_COREML_CASES_VERDICT_H
#define KVASIR_TESTS_COREML_CASES_VERDICT_H

#include "tests/coreml/cases/case_json.h"

namespace kvasir::coreml_cases {

/// What is different, one line each: a finding that is missing or was not expected, by class, severity, function and
/// state; other rows, where rows are expected. `expected` is a case's file, `found` the JSON of `kvasir audit`.
std::vector<std::string> differencesOfVerdicts(const Json &expected, const Json &found);

/// The JSON that `kvasir audit --json` prints of a package. `against`, if not empty, is another one that it is compared
/// with. Throws std::runtime_error if it prints none.
Json auditPackage(const std::filesystem::path &package, const std::filesystem::path &against,
                  const std::string &backend);

/// The case that an expected finding is told by comparison with; empty if there is none.
std::string caseComparedWith(const Json &expected);

/// Each write that mutations.json deletes from the package of this case, and that the program's findings do not tell,
/// one line each; `numDeleted` is how many there are. `mutations` is the whole file.
std::vector<std::string> unnoticedDeletions(const Json &mutations, const std::string &name,
                                            const std::filesystem::path &package, uint64_t &numDeleted);

} // namespace kvasir::coreml_cases

#endif
