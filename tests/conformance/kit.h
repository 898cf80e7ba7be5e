// SPDX-License-Identifier: MIT
// The kit: what every backend must do, and what came of it.
#ifndef KVASIR_CONFORMANCE_KIT_H
#define KVASIR_CONFORMANCE_KIT_H

#include "tests/conformance/declined.h"
#include "tests/conformance/families.h"
#include "tests/conformance/plugin.h"

#include <filesystem>
#include <map>
#include <string>

namespace conformance {

/// Numbers of what ran, and a line for each failure on standard output.
class Report {
public:
  uint64_t numOpCases = 0, numBitChecks = 0, numSequences = 0, numErrors = 0; ///< errors: calls that must be refused
  uint64_t numTaken = 0, numDeclined = 0, numFused = 0;                       ///< functions
  std::map<std::string, uint64_t> reasons;                                    ///< why they were declined, and how many
  double worst = 0;                                                           ///< of a difference, in its tolerance
  std::string worstCase;

  void fail(const std::string &name, const std::string &what);
  /// One function, by the reason why the backend declines it; taken if that is empty.
  void countFate(const std::string &reason);
  uint64_t failures() const { return numFailures; }

private:
  uint64_t numFailures = 0;
};

/// A backend under test beside reference.
struct Kit {
  Compiler reference, tested;
  std::filesystem::path folder;     ///< for what is compiled
  std::filesystem::path references; ///< for what is compiled for reference, which is the same whatever is tested
  std::filesystem::path programs;   ///< with state (tests/programs)
  std::string only;                 ///< cases whose names have this in them
  bool isLong = false;              ///< more shapes of batches
  bool isOfFates = false;           ///< the list is held against what becomes of each op, and nothing is run
  DeclinedList declined;
  Report report;

  using Fates = std::map<std::string, std::vector<Json>>;

  /// Writes a program into the folder; gives its path.
  std::filesystem::path write(const std::string &name, const std::string &program) const;
  /// What --explain says of a program, function by function. The list is told of each op.
  Fates explain(const std::filesystem::path &source);
  /// Compiles a program for both, at the same time.
  struct Pair {
    std::filesystem::path source, reference, tested;
  };
  Pair compile(const std::filesystem::path &source);
  /// Compiles for reference, unless the folder has that from the same text.
  void compileReference(const Pair &pair) const;

  /// A case is a kernel's, or the list says why not.
  void countFate(const std::string &name, const std::string &reason);
  /// The same of the state ops among `fates`: "attend.2x1x16" for kv.attend in the program of that name.
  void countStateFates(const std::string &name, const std::vector<Json> &fates);
};

/// Every op with every type and shape, against reference; and the same bits row by row and with other teams.
void runOps(Kit &kit, const Family &family);

} // namespace conformance

#endif
