// SPDX-License-Identifier: MIT
#ifndef KVASIR_MUTATE_REPORT_H
#define KVASIR_MUTATE_REPORT_H

#include "compiler/mutate/options.h"
#include "compiler/mutate/prover.h"

#include "llvm/Support/raw_ostream.h"

namespace kvasir {

/// What became of a mutant. Refused by the compiler; stopped: it compiles, and a call of it is refused before it has
/// written anything; same: it does what the program does; different; failed: it can't be compiled or run.
enum class Fate { refused, stopped, same, different, failed };

struct MutantFate {
  std::string mutation, name; ///< of the mutant
  Fate fate;
  std::string rule; ///< refused
  std::string why;  ///< the diagnostic, what differs, or why it can't be run
};

/// The fates of one program's mutants.
class Report {
public:
  Report(const MutateOptions &options, size_t numSteps) : options(options), numSteps(numSteps) {}

  void add(MutantFate fate) { fates.push_back(std::move(fate)); }

  size_t count(Fate fate) const;

  /// Each survivor could be run, and none gets away with something else.
  bool isGood() const { return count(Fate::different) + count(Fate::failed) == 0; }

  void printText(llvm::raw_ostream &stream) const;
  void printJson(llvm::raw_ostream &stream) const;

private:
  void printTable(llvm::raw_ostream &stream) const;
  void printRules(llvm::raw_ostream &stream) const;
  double killRate() const;

  const MutateOptions &options;
  size_t numSteps; ///< that survivors were compared by
  std::vector<MutantFate> fates;
};

} // namespace kvasir

#endif
