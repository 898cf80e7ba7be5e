// SPDX-License-Identifier: MIT
// Did each token reach its row? Asked of the functions of an imported language model by calling them.
#ifndef KVASIR_RUNTIME_IMPORTED_PACKAGE_AUDIT_H
#define KVASIR_RUNTIME_IMPORTED_PACKAGE_AUDIT_H

#include "runtime/imported/package_finding.h"
#include "runtime/imported/session.h"

#include <set>

namespace kvasir::imported {

/// What the programs alone say.
struct KnownFacts {
  std::vector<PackageFinding> findings;
  /// Functions whose states take their rows from ops in another order than the states are written: of two that keep
  /// each other's rows, it is the one that is wrong.
  std::set<std::string> crossed;
};

/// Runs checks on one program. What the programs alone say comes first: functions that are known to lose rows are
/// watched, and not compared with others.
class PackageAudit {
public:
  /// Both outlive the audit.
  PackageAudit(const Program &program, const KnownFacts &known);

  /// Appends to the lists below. What a call fails with is a note.
  void run();

  std::vector<PackageFinding> findings;
  std::vector<std::string> inventions; ///< what the audit passes as inputs, a line each
  std::vector<std::string> rowLines;   ///< what each function writes, a line a function and position
  std::vector<std::string> notes;      ///< what was not done, and why
  std::string whyNothing;              ///< why no call was made that succeeded; empty if one was

  /// Is it the host that has to fill up a prompt to the length of a call?
  bool needsPadding() const;

private:
  /// The rows that one call wrote of one state.
  struct RowFact {
    const HostFunction *function;
    std::string state;
    uint64_t position, numTokens;
    std::vector<SlabRows> slabs;
  };

  // Setting up.
  void noteOthers();
  void findCaches();
  bool lowerVocabulary();
  void findRing();
  bool isPlayed(const HostFunction &function) const;
  bool isFirstOnly(const HostFunction &function) const;
  uint64_t chunkOf(const HostFunction &function) const;
  uint64_t mostTokens() const;

  // Rows.
  void watchEach();
  void makeRuns();
  std::vector<std::vector<Piece>> plansOf(const HostFunction &function, const HostFunction *single) const;
  void collectFacts(const Run &run);
  void judgeRows();
  void judgeFacts(const HostFunction &function, const std::string &state, const std::vector<const RowFact *> &facts);
  bool judgeSlabs(const HostFunction &function, const std::string &state, const RowFact &fact);
  void judgeReused(const HostFunction &function, const std::string &state, const std::vector<const RowFact *> &facts);
  std::vector<uint64_t> dueRows(const RowFact &fact) const;
  bool isRight(const RowFact &fact) const;
  void judgeCounters(const std::vector<const RowFact *> &wrong);
  void checkEnds();
  void checkEnd(const HostFunction &function, uint64_t position, bool isBeyond);

  // Dependence.
  void perturb();
  void perturbToken(const HostFunction &function, const Run &plain, uint64_t token);
  void perturbSequence(const HostFunction &function, const Run &plain);
  std::vector<size_t> batchAxes(const HostFunction &function, const std::string &state) const;
  bool isSequenceAlone(const Tensor &before, const Tensor &after, size_t axis, uint64_t sequence) const;

  // Functions against each other.
  /// A token's rows that differ between two functions, and in which slabs.
  struct Difference {
    std::string state;
    uint64_t token;
    std::vector<size_t> slabs;
  };

  void compareRuns();
  void compareWith(const Run &single, const Run &run);
  bool compareCaches(const Step &due, const Step &found);
  bool compareRegisters(const Step &due, const Step &found);
  bool compareOutputs(const Run &single, const Step &step);
  std::optional<Difference> findDifference(const std::string &state, const Step &due, const Step &found) const;
  std::vector<std::vector<float>> rowsOf(const Step &step, const std::string &state, uint64_t token) const;
  std::string ownerOf(const Difference &difference, const Step &due, const Step &found) const;
  void judgeDifference(const Difference &difference, const Step &due, const Step &found);
  void judgeAttention(const HostFunction &function, const HostFunction &other, const std::string &what);
  bool dependsOnPosition(const HostFunction &function, const std::string &state) const;
  const char *attentionFault(const HostFunction &function) const;

  // Numbers.
  void checkNumbers();
  void checkRepeats();

  std::string doubtOf(const std::string &function) const;
  bool hasError(const HostFunction &function) const;
  bool hasError(const HostFunction &function, const std::string &state) const;
  void add(BugClass bugClass, const std::string &function, const std::string &state, const std::string &sentence,
           const std::string &written = "", const std::string &expected = "");

  const Program &program;
  const KnownFacts &known;
  std::vector<HostFunction> functions;
  Session session;
  std::vector<Run> runs; ///< the first is token by token, if a function can do that
  bool hasSingle = false;
  std::vector<RowFact> facts;
};

/// Are two rows, or outputs, the same but for what 16-bit arithmetic in another order rounds? `largest` is that of all
/// rows of the state; `isInteger` allows for one step.
bool isClose(const std::vector<float> &left, const std::vector<float> &right, float largest, bool isInteger);

} // namespace kvasir::imported

#endif
