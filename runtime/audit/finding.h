// SPDX-License-Identifier: MIT
// What an audit found, put together from single rows into sentences.
#ifndef KVASIR_RUNTIME_AUDIT_FINDING_H
#define KVASIR_RUNTIME_AUDIT_FINDING_H

#include "plugins/description.h"
#include "runtime/audit/row_set.h"

#include <compare>
#include <map>
#include <string>
#include <vector>

namespace kvasir::runtime::audit {

/// Classes of findings, the most telling first.
enum class Kind : uint8_t {
  failed,             ///< a call that must succeed did not
  notWritten,         ///< rows that the call declared and did not write
  partlyWritten,      ///< rows of which some elements were not written
  otherSequence,      ///< rows that are written only when another sequence is in the batch
  beyond,             ///< rows after those of the call were written
  committed,          ///< rows that were there before the call were changed
  onError,            ///< the same by a call that did not succeed
  registerNotWritten, ///< declared and not written
  registerUndeclared, ///< written and not declared
  registerInPlace,    ///< the committed value was changed
  registerOnError,    ///< the same by a call that did not succeed
  outputNotWritten,
  nondeterministic,  ///< equal runs give different rows
  readsUnwritten,    ///< rows depend on what the call's own rows held before it
  wrongSlot,         ///< rows hold what belongs to another slot
  wrongLayer,        ///< … to another layer
  wrongRow,          ///< … to another row
  wrongSequence,     ///< … to another sequence of the batch
  notCausal,         ///< rows depend on a later token
  ownTokenIgnored,   ///< rows do not depend on their own token
  unattended,        ///< rows do not depend on the tokens before them in the call
  prefillDiffers,    ///< one call and token by token give different rows
  chunksDiffer,      ///< so do several calls
  batchDiffers,      ///< alone and in a batch
  othersDiffer,      ///< from another plugin of the model
  afterCancelDiffers ///< the call after a cancelled one
};

/// A short name for programs: "not-written".
const char *kindName(Kind kind);

/// Follows: where something else is wrong as well, so that this need not be a fault of its own.
enum class Severity : uint8_t { error, follows };

/// A place of no slot (outputs) has this for a slot.
inline constexpr size_t kNoSlot = ~size_t{0};

/// What rows must share to be said in one sentence.
struct Topic {
  Kind kind;
  std::string check;    ///< "rows", "decode", …
  std::string function; ///< name
  size_t slot = kNoSlot;
  size_t sequence = 0, numSequences = 1; ///< of the call's batch
  bool isStep = false;                   ///< calls of one token
  std::string detail;                    ///< where rows came from, an output's name, a message
  int64_t shift = 0;                     ///< wrongRow: the rows' own place, from where they are

  auto operator<=>(const Topic &) const = default;
};

struct Finding {
  Topic topic;
  Severity severity;
  uint64_t firstLayer, endLayer;
  RowSet rows;
  std::vector<uint64_t> callTokens; ///< of each call that did it
  double amount;                    ///< elements written, or how much differs, where the kind has one
  std::string sentence;
};

/// Collects single rows and makes sentences of them.
class FindingBook {
public:
  /// `manyFunctions`: sentences name the function.
  FindingBook(const std::vector<SlotDescription> &slots, bool manyFunctions)
      : slots(slots), namesFunctions(manyFunctions) {}

  /// `amount`: the largest of a finding is kept.
  void add(const Topic &topic, uint64_t layer, uint64_t row, uint64_t callTokens, uint64_t callStart,
           double amount = 0);

  bool empty() const { return drafts.empty(); }
  bool has(Kind kind, const std::string &check, size_t slot) const;

  /// All that was found, errors first, then in the order of kinds, then of checks.
  std::vector<Finding> finish() const;

private:
  struct Draft {
    std::map<uint64_t, RowSet> layers;
    std::map<uint64_t, uint64_t> calls; ///< tokens by the row that they start at
    double amount = 0;
  };

  Topic relabelled(const Topic &topic) const;
  void addFindings(const Topic &topic, const Draft &draft, std::vector<Finding> &findings) const;
  std::string completeSlots(const Topic &topic) const;
  std::string sentence(const Finding &finding) const;
  std::string place(const Finding &finding) const;
  Severity severityOf(const Topic &topic) const;

  const std::vector<SlotDescription> &slots;
  const bool namesFunctions;
  std::map<Topic, Draft> drafts;
  std::vector<std::string> checks; ///< in the order in which they found something first
};

/// "the call of 8 tokens", "4 calls of 1 token each", "3 calls of 512, 512 and 176 tokens".
std::string callsText(const std::vector<uint64_t> &tokens);

} // namespace kvasir::runtime::audit

#endif
