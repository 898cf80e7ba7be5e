// SPDX-License-Identifier: MIT
#include "runtime/model/call.h"

#include "runtime/model/execution.h"
#include "runtime/model/forms.h"

#include <algorithm>
#include <numeric>

namespace kvasir::runtime {
namespace {

/// Of a function that takes no tokens: one sequence, which gets none.
void requireNoTokens(const FunctionDescription &function, const CallRequest &request) {
  if (request.states.size() > 1)
    throw Error(KV_BAD_INPUT, "function " + function.name + " takes one state, the call has " +
                                  std::to_string(request.states.size()));
  if (request.counts != std::vector<uint64_t>{0})
    throw Error(KV_BAD_INPUT, "function " + function.name + " takes no tokens; give no counts, or 0");
}

void requireStates(const Model &model, const CallRequest &request) {
  const auto &states = request.states;
  const FunctionDescription &function = model.description().functions[request.function];
  if (function.maxTokens == 0)
    requireNoTokens(function, request);
  if (states.empty() && (model.slots()->size() != 0 || request.counts.empty()))
    throw Error(KV_BAD_INPUT, "the call has no sequences");
  if (!states.empty() && states.size() != request.counts.size())
    throw Error(KV_BAD_INPUT, "the call has " + std::to_string(states.size()) + " states and " +
                                  std::to_string(request.counts.size()) + " counts of tokens");
  for (size_t i = 0; i < states.size(); ++i) {
    if (&states[i]->slots() != model.slots().get())
      throw Error(KV_BAD_INPUT, "state " + std::to_string(i) + " of the call belongs to another model");
    if (std::find(states.begin(), states.begin() + i, states[i]) != states.begin() + i)
      throw Error(KV_BAD_INPUT, "state " + std::to_string(i) + " of the call is in it twice");
  }
  if (function.maxTokens == 0)
    return;
  const auto empty = std::ranges::find(request.counts, uint64_t{0});
  if (empty != request.counts.end())
    throw Error(KV_BAD_INPUT,
                "sequence " + std::to_string(empty - request.counts.begin()) + " of the call has no new tokens");
}

/// A longer call is several executes; that works only where each tensor can be cut by tokens. The first that can't be;
/// null: none.
const TensorDescription *findUncuttable(const FunctionDescription &function) {
  for (const TensorDescription &input : function.inputs)
    if (hasSymbol(input) && !isSplit(input, 'T'))
      return &input;
  for (const TensorDescription &output : function.outputs)
    if (!isSplit(output, 'T') && !isSplit(output, 'W'))
      return &output;
  return nullptr;
}

std::vector<Chunk> cutCall(const Model &model, const CallRequest &request) {
  const FunctionDescription &function = model.description().functions[request.function];
  const TensorDescription *const uncuttable = findUncuttable(function);
  auto chunks =
      cutBatch(request.counts, request.wanted, uncuttable ? function.maxTokens : model.cutTokens(request.function));
  if (uncuttable && chunks.size() > 1)
    throw Error(KV_BAD_INPUT, "function " + function.name + " takes at most " + std::to_string(function.maxTokens) +
                                  " tokens at once, and '" + uncuttable->name + "' can't be cut by tokens");
  return chunks;
}

void requireIds(const std::vector<int32_t> &ids, uint64_t vocabulary) {
  for (size_t i = 0; i < ids.size(); ++i)
    if (ids[i] < 0 || static_cast<uint64_t>(ids[i]) >= vocabulary)
      throw Error(KV_BAD_INPUT, "token " + std::to_string(ids[i]) + " at place " + std::to_string(i) +
                                    " is outside the vocabulary of " + std::to_string(vocabulary));
}

/// Runs the raised form, or says why it did not run. What it refuses is for the opaque form to say.
std::string runRaised(Model &model, const RaisedCall &call, const std::vector<uint8_t *> &outputs) {
  if (!call.whyNot.empty())
    return call.whyNot;
  try {
    runCall(model, call.request, call.inputs, outputs);
  } catch (const Error &error) {
    if (error.status() != KV_BAD_INPUT && error.status() != KV_CAPACITY && error.status() != KV_UNSUPPORTED)
      throw;
    return error.what();
  }
  return "";
}

} // namespace

Sizes CallRequest::sizes() const {
  const uint64_t tokens = std::accumulate(counts.begin(), counts.end(), uint64_t{0});
  const uint64_t held = states.size() == 1 ? start.value_or(states[0]->length()) : 0;
  return {counts.size(), tokens, tokens ? countWanted(wanted, counts) : 0, counts.size() == 1 ? held + tokens : 0,
          extents};
}

void runCall(Model &model, const CallRequest &request, const std::vector<const uint8_t *> &inputs,
             const std::vector<uint8_t *> &outputs) {
  requireStates(model, request);
  model.requireWhole();
  const FunctionDescription &function = model.description().functions[request.function];
  const auto chunks = cutCall(model, request);

  std::vector<Transaction> transactions;
  for (size_t i = 0; i < request.states.size(); ++i) {
    transactions.emplace_back(*request.states[i]);
    if (function.maxTokens == 0 && model.slots()->hasOrigins())
      transactions.back().startAt(0); // all rows in the registers
    else if (request.start)
      transactions.back().startAt(*request.start);
    transactions.back().requireRoom(request.counts[i]);
  }
  for (const Chunk &chunk : chunks) {
    for (const Run &run : chunk.runs)
      if (!transactions.empty())
        transactions[run.sequence].prepareRows(run.count);
    Model::Turn turn(model);
    Execution(model, request, chunk, transactions, inputs, outputs).run(turn);
  }
  for (Transaction &transaction : transactions)
    transaction.commit();
}

CallResult callFunction(Model &model, CallRequest request, const std::vector<NamedInput> &inputs) {
  const FunctionDescription &function = model.description().functions[request.function];
  request.extents = ownExtents(function, inputs);
  const auto ordered = orderInputs(function, request.sizes(), inputs);
  for (size_t i = 0; i < ordered.size(); ++i)
    if (holdsIds(function.inputs[i])) {
      const auto *ids = reinterpret_cast<const int32_t *>(ordered[i]);
      const uint64_t sizeBytes = denseBytes(ElementType::i32, resolveDims(function.inputs[i], request.sizes()));
      requireIds({ids, ids + sizeBytes / sizeof *ids}, model.description().model.vocabularySize);
    }
  CallResult result;
  std::vector<uint8_t *> bytes;
  for (const TensorDescription &output : function.outputs) {
    const auto dims = resolveDims(output, request.sizes());
    result.outputs.push_back(
        {output.name, output.element, dims, std::vector<uint8_t>(denseBytes(output.element, dims))});
    bytes.push_back(result.outputs.back().bytes.data());
  }
  if (function.raised) {
    result.whyOpaque = runRaised(model, raiseCall(model, request, inputs, result.outputs), bytes);
    result.form = result.whyOpaque.empty() ? Form::raised : Form::opaque;
  }
  if (result.form != Form::raised)
    runCall(model, request, ordered, bytes);
  return result;
}

uint64_t tokensInInputs(const FunctionDescription &function, const std::vector<NamedInput> &inputs) {
  if (function.maxTokens == 0)
    return 0;
  for (const TensorDescription &wanted : function.inputs)
    for (const NamedInput &input : inputs)
      for (size_t dim = 0; input.name == wanted.name && dim < std::min(wanted.shape.size(), input.dims.size()); ++dim)
        if (wanted.shape[dim].symbol == 'T')
          return input.dims[dim];
  return 1;
}

void predict(Model &model, CallRequest request, const std::vector<int32_t> &ids, float *logits) {
  request.function = model.predictFunction();
  const FunctionDescription &function = model.description().functions[request.function];
  if (function.inputs.size() != 1 || function.outputs.size() != 1)
    throw Error(KV_UNSUPPORTED, "function " + function.name +
                                    " has inputs or outputs beside ids and logits; call it by "
                                    "its name");
  requireIds(ids, model.description().model.vocabularySize);
  runCall(model, request, {reinterpret_cast<const uint8_t *>(ids.data())}, {reinterpret_cast<uint8_t *>(logits)});
}

} // namespace kvasir::runtime
