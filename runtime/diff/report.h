// SPDX-License-Identifier: MIT
// What a comparison of two plugins found.
#ifndef KVASIR_RUNTIME_DIFF_REPORT_H
#define KVASIR_RUNTIME_DIFF_REPORT_H

#include "runtime/diff/difference.h"

#include <optional>
#include <string>
#include <vector>

namespace kvasir::runtime::diff {

/// Where rows were compared.
struct Place {
  std::string function;
  uint64_t callTokens = 0; ///< T of the call
  std::string op, kind;    ///< "blk.3.append_k", "kv.append"; empty if the plugins don't say
  std::string slot;        ///< or the output's name
  bool isOutput = false, isRegister = false, isInteger = false;
  uint64_t layer = 0, row = 0, width = 0; ///< width: of a head; elements are counted through the heads
  int32_t token = -1;                     ///< its id
};

struct Finding {
  Place place;
  Difference difference;
};

/// All rows of one slot, or one output, that were compared.
struct Compared {
  std::string name;
  bool isOutput = false;
  uint64_t numRows = 0;
  std::optional<Finding> largest; ///< by the share of the tolerance; none if all bits are equal
};

/// One op alone, in all layers and calls.
struct ComparedOp {
  std::string at, op; ///< "blk.{layer}.attn_q", "lm.linear"
  uint64_t numCalls = 0;
  std::optional<Finding> largest;
};

struct Subject {
  std::string path, model, backend, numerics, fingerprint;
};

struct Report {
  Subject a, b;
  bool isSameModel = false;
  bool promisesEqualBits = false;
  uint64_t numTokens = 0, numCalls = 0;
  std::vector<Compared> compared;
  uint64_t numEnlarged = 0;     ///< rows that rounding explains only since A's model enlarges it
  uint64_t numRerouted = 0;     ///< rows further apart since rounding chose other experts, as it does in A as often
  std::optional<Finding> first; ///< the first that rounding does not explain
  std::string origin;           ///< of B's row there, if it is a row of A's elsewhere: "layer 3 of slot v"
  std::string suspects;         ///< ops that may be at fault where ops were compared and none is
  std::vector<ComparedOp> ops;  ///< --ops
  std::optional<Finding> firstOp;
  std::string programs;           ///< the first op in which the programs differ, as they are written; or empty
  std::vector<std::string> notes; ///< what could not be compared, and why

  bool areEqual() const { return !first && !firstOp; }
  const char *result() const;  ///< "equal" to the bit, within "rounding", or "different"
  std::string verdict() const; ///< one sentence
  std::string text() const;
  std::string json() const;
};

} // namespace kvasir::runtime::diff

#endif
