// SPDX-License-Identifier: MIT
#include "runtime/audit/caller.h"

#include "runtime/state/element.h"

#include <algorithm>

namespace kvasir::runtime::audit {
namespace {

/// A token of the batch: what inputs are made of.
struct Token {
  int32_t id;
  uint64_t position;
};

template <typename Number> void append(std::vector<uint8_t> &bytes, Number number) {
  const auto *raw = reinterpret_cast<const uint8_t *>(&number);
  bytes.insert(bytes.end(), raw, raw + sizeof number);
}

/// A number between -0.5 and 0.5 that is the id's own in this lane.
float embeddingOf(int32_t id, uint64_t lane) {
  const uint64_t mixed = (static_cast<uint64_t>(id) * 0x9e3779b97f4a7c15 + lane) * 0xbf58476d1ce4e5b9;
  return static_cast<float>(mixed >> 40) / 16777216.0f - 0.5f;
}

bool isIds(const TensorDescription &input) { return holdsIds(input) && input.shape.size() == 1; }
bool isPositions(const TensorDescription &input) {
  return input.role == TensorRole::positions && input.shape.size() == 1 &&
         (input.element == ElementType::i32 || input.element == ElementType::i64);
}
bool isEmbeddings(const TensorDescription &input) {
  return input.role == TensorRole::embeddings && input.element == ElementType::f32 && input.shape.size() == 2 &&
         input.shape[1].symbol == 0;
}

std::vector<uint8_t> makeInput(const TensorDescription &input, const std::vector<Token> &tokens) {
  std::vector<uint8_t> bytes;
  for (const Token &token : tokens) {
    if (isIds(input))
      append(bytes, token.id);
    else if (isPositions(input) && input.element == ElementType::i32)
      append(bytes, static_cast<int32_t>(token.position));
    else if (isPositions(input))
      append(bytes, static_cast<int64_t>(token.position));
    else
      for (uint64_t lane = 0; lane < input.shape[1].number; ++lane)
        append(bytes, embeddingOf(token.id, lane));
  }
  return bytes;
}

} // namespace

bool isCallable(const FunctionDescription &function) {
  return std::ranges::all_of(function.inputs, [](const TensorDescription &input) {
    return isSplit(input, 'T') && (isIds(input) || isPositions(input) || isEmbeddings(input));
  });
}

bool takesTokens(const FunctionDescription &function) {
  return std::ranges::any_of(function.inputs, [](const TensorDescription &input) { return isSplit(input, 'T'); });
}

std::vector<std::vector<uint8_t>> inputsOf(const FunctionDescription &function, std::span<const int32_t> ids,
                                           uint64_t start) {
  std::vector<Token> tokens;
  for (const int32_t id : ids)
    tokens.push_back({id, start + tokens.size()});
  std::vector<std::vector<uint8_t>> inputs;
  for (const TensorDescription &input : function.inputs)
    inputs.push_back(makeInput(input, tokens));
  return inputs;
}

std::vector<OutputRow> Caller::call(const std::vector<Feed> &feeds, Observer *observer, const CancelFlag *ownCancel) {
  CallRequest request;
  request.function = function;
  request.observer = observer;
  request.cancel = ownCancel ? ownCancel : cancel;
  std::vector<Token> tokens;
  for (const Feed &feed : feeds) {
    request.states.push_back(feed.state);
    request.counts.push_back(feed.ids.size());
    for (size_t i = 0; i < feed.ids.size(); ++i)
      tokens.push_back({feed.ids[i], feed.state->length() + i});
  }
  std::vector<std::vector<uint8_t>> inputs, outputs;
  std::vector<const uint8_t *> inputBytes;
  std::vector<uint8_t *> outputBytes;
  for (const TensorDescription &input : description().inputs)
    inputs.push_back(makeInput(input, tokens));
  for (const auto &input : inputs)
    inputBytes.push_back(input.data());
  for (const TensorDescription &output : description().outputs)
    outputs.emplace_back(denseBytes(output.element, resolveDims(output, request.sizes())));
  for (auto &output : outputs)
    outputBytes.push_back(output.data());
  runCall(model, request, inputBytes, outputBytes);
  return takeRows(outputs, feeds.size());
}

OutputRow Caller::call(State &state, std::span<const int32_t> ids, Observer *observer) {
  return call(std::vector<Feed>{{&state, ids}}, observer)[0];
}

std::vector<OutputRow> Caller::takeRows(const std::vector<std::vector<uint8_t>> &outputs, size_t numSequences) const {
  std::vector<OutputRow> rows(numSequences);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const TensorDescription &output = description().outputs[i];
    if (!isSplit(output, 'W'))
      continue;
    const uint64_t bits = elementBits(output.element), perRow = outputs[i].size() * 8 / bits / numSequences;
    for (size_t sequence = 0; sequence < numSequences; ++sequence)
      for (uint64_t element = 0; element < perRow; ++element)
        rows[sequence].push_back(loadElement(outputs[i].data(), (sequence * perRow + element) * bits, output.element));
  }
  return rows;
}

} // namespace kvasir::runtime::audit
