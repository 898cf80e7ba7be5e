// SPDX-License-Identifier: MIT
// What a host would pass to the functions of an imported language model: found out from shapes and names.
#ifndef KVASIR_RUNTIME_IMPORTED_HOST_H
#define KVASIR_RUNTIME_IMPORTED_HOST_H

#include "runtime/imported/program.h"

#include <optional>

namespace kvasir::imported {

/// How a call says where its tokens go.
enum class PositionStyle {
  input,    ///< an input holds the number of tokens before the call, or the position of each
  width,    ///< the mask is as wide as the tokens before the call and in it
  internal, ///< the state itself knows, or there are no positions
};

/// How the rows of a cache follow the tokens.
enum class CacheStyle {
  linear, ///< row = position
  ring,   ///< row = position modulo the number of rows, behind rows that the first tokens keep
  shift,  ///< the last row is the last token's; others move to the front
};

/// A cache, as a host must know it.
struct CacheForm {
  CacheStyle style = CacheStyle::linear;
  uint64_t numRows = 0;         ///< 0: there are no caches
  uint64_t window = UINT64_MAX; ///< tokens that a token sees, itself among them
  uint64_t numSinks = 0;        ///< rows of a ring that its first tokens keep; they are seen, too

  bool operator==(const CacheForm &) const = default;

  /// Where token number `token`, counted from the first of all, is when `end` tokens have been written.
  uint64_t rowOf(uint64_t token, uint64_t end) const {
    if (style == CacheStyle::shift)
      return token + numRows - end;
    return style == CacheStyle::linear || token < numSinks ? token
                                                           : numSinks + (token - numSinks) % (numRows - numSinks);
  }

  /// Is its row still there?
  bool holds(uint64_t token, uint64_t end) const {
    return token < end &&
           (style == CacheStyle::linear ? token < numRows : token < numSinks || token + numRows - numSinks >= end);
  }

  /// The tokens that token number `last` sees are itself, those from here on, and the sinks.
  uint64_t firstSeen(uint64_t last) const { return last + 1 > window ? last + 1 - window : 0; }
};

/// One function as a host sees it.
struct HostFunction {
  const FunctionDescription *function = nullptr;
  std::string tokenInput, positionInput, maskInput; ///< empty where it has none; of several the first
  size_t tokenAxis = 0;                             ///< of the token input
  bool takesVectors = false;                        ///< embeddings of tokens instead of their ids
  uint64_t leastTokens = 1, mostTokens = 1;         ///< of one call
  std::vector<uint64_t> allowedTokens;              ///< these only, if there are any
  uint64_t batch = 1;                               ///< sequences: the first dim of the tokens
  uint64_t idsPerToken = 1;                         ///< as many codebooks: the last dim of the tokens
  PositionStyle style = PositionStyle::internal;

  const std::string &name() const { return function->name; }
  bool isAnyLength() const { return leastTokens < mostTokens; }
  bool takes(uint64_t numTokens) const;
  const TensorDescription *find(const std::string &input) const;
  /// Is it filled with the number of tokens before the call?
  bool isPosition(const TensorDescription &input) const;
  bool isMask(const TensorDescription &input) const;
  /// Those that are 1, since nothing says what they are.
  std::vector<std::string> guessedInputs() const;
};

/// Nothing if no input looks like token ids or their embeddings.
std::optional<HostFunction> hostFunctionOf(const FunctionDescription &function);

/// A call of some tokens at a position.
struct HostCall {
  const HostFunction *function;
  std::vector<int32_t> ids; ///< [batch][tokens][idsPerToken]
  uint64_t position = 0;    ///< tokens before the call

  uint64_t numTokens() const { return ids.size() / (function->batch * function->idsPerToken); }
};

/// What the inputs of a call are: ids or made up embeddings, positions, causal masks (0 where a token looks, -65504
/// where it must not; of integers and bools 1 and 0), and 1 for each other input. A mask is of the cache that has as
/// many rows as it has columns, with or without the new tokens; of none, it is of the first.
Tensors inputsOf(const HostCall &call, const std::vector<CacheForm> &caches);

/// For a call of any function, where nothing says what is right: of a language model what a host would pass, else small
/// numbers; another `number`, others. The smallest extents that are allowed.
Tensors madeUpInputs(const FunctionDescription &function, uint64_t number);

/// What of it was made up, a line for each input of the function: "causal_mask: 0 for …".
std::vector<std::string> inventionsOf(const HostFunction &function, const std::vector<CacheForm> &caches);

} // namespace kvasir::imported

#endif
