// SPDX-License-Identifier: MIT
// Did each token reach its row? Asked of the functions of an imported language model by calling them.
#ifndef KVASIR_RUNTIME_IMPORTED_PACKAGE_AUDIT_H
#define KVASIR_RUNTIME_IMPORTED_PACKAGE_AUDIT_H

#include "runtime/imported/attention_probe.h"
#include "runtime/imported/package_finding.h"
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
  std::string whyNothing;              ///< why no call was made, or functions not compared; empty if all was done

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
  void findRings();
  void findRingsOf(const HostFunction &function, uint64_t numRows);
  void findFilled();
  void findCounters();
  bool isPlayed(const HostFunction &function) const;
  bool isFirstOnly(const HostFunction &function) const;
  bool canBePlaced(const HostFunction &function) const;
  uint64_t chunkOf(const HostFunction &function) const;
  std::vector<uint64_t> farPositions(uint64_t numTokens) const;
  uint64_t mostTokens() const;

  // Rows.
  void watchEach();
  void makeRuns();
  void makeSeries(bool takesVectors);
  const HostFunction *findReference(bool takesVectors) const;
  std::vector<std::vector<Piece>> plansOf(const HostFunction &function, const HostFunction *reference) const;
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
  void checkCounters();
  void checkCounter(const HostFunction &function, const std::string &counter, uint64_t position);

  // Dependence.
  void perturb();
  void perturbToken(const HostFunction &function, const Run &plain, uint64_t token);
  void perturbSequence(const HostFunction &function, const Run &plain);
  std::vector<size_t> batchAxes(const HostFunction &function, const std::string &state) const;
  bool isSequenceAlone(const Tensor &before, const Tensor &after, size_t axis, uint64_t sequence) const;

  std::vector<std::vector<float>> rowsAlone(const HostFunction &function, const std::string &state, uint64_t position,
                                            bool isFilled = false) const;
  bool dependsOnPosition(const HostFunction &function, const std::string &state) const;
  void checkPhases();
  void checkPhase(const HostFunction &function, const std::string &state, uint64_t position);

  // What is attended to.
  void checkAttention();
  void checkAttentionOf(const HostFunction &function, uint64_t numTokens);
  void checkUnwritten(const HostFunction &function, AttentionProbe &probe, uint64_t position);
  /// Does anything depend on any of its rows?
  bool checkEarlier(const HostFunction &function, AttentionProbe &probe, const SlabGroup &group, size_t numGroups,
                    const std::vector<uint64_t> &positions, uint64_t numTokens);
  std::vector<SlabGroup> slabGroups() const;

  // Functions against each other.
  /// A token's rows that differ between two functions, and in which slabs.
  struct Difference {
    std::string state;
    uint64_t token;
    std::vector<size_t> slabs;
  };

  /// Runs of functions that take their tokens alike: as ids, or as embeddings.
  struct Series {
    const HostFunction *reference; ///< that of the shortest calls; null if none goes on by itself
    Run shortest;                  ///< its calls alone
    std::vector<Run> runs;
  };

  void compareRuns();
  void compareFar();
  void compareAt(uint64_t position, const Piece &piece, const Series &like);
  Tensors longState(const Step &step, uint64_t position) const;
  void compareWith(const Run &shortest, const Run &run);
  bool compareCaches(uint64_t start, const Step &due, const Step &found);
  bool compareRegisters(const Step &due, const Step &found);
  bool compareOutputs(const Run &shortest, const Step &step);
  std::optional<Difference> findDifference(const std::string &state, uint64_t start, const Step &due,
                                           const Step &found) const;
  std::vector<std::vector<float>> rowsOf(const Step &step, const std::string &state, uint64_t token) const;
  std::string ownerOf(const Difference &difference, const Step &due, const Step &found) const;
  void judgeDifference(const Difference &difference, const Step &due, const Step &found);

  // Numbers.
  void checkNumbers();
  uint64_t numScalesOf(const std::string &state) const;
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
  std::vector<Series> series;
  std::set<std::string> filledElsewhere; ///< states that functions without tokens fill as a whole
  std::vector<RowFact> facts;
};

/// Of its shortest call.
uint64_t leastTokensOf(const HostFunction &function);

/// Are two rows, or outputs, the same but for what 16-bit arithmetic in another order rounds? `largest` is that of all
/// rows of the state; `isInteger` allows for one step.
bool isClose(const std::vector<float> &left, const std::vector<float> &right, float largest, bool isInteger);

} // namespace kvasir::imported

#endif
