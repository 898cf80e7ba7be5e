// SPDX-License-Identifier: MIT
#include "runtime/tools/function_calls.h"

#include "plugins/description.h"
#include "runtime/state/element.h"
#include "runtime/tools/failed.h"
#include "runtime/tools/inspect_text.h"
#include "runtime/tools/interrupt.h"
#include "runtime/tools/npy_tensor.h"
#include "runtime/tools/output.h"
#include "runtime/tools/saved_conversation.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

namespace kvasir::tools {
namespace {

constexpr const char *kCall = "--call", *kInput = "--input", *kOutput = "--output";

NamedText split(const std::string &option, const std::string &given) {
  const size_t at = given.find('=');
  if (at == std::string::npos || at == 0 || at + 1 == given.size())
    throw Misused(option + " '" + given + "' is not NAME=FILE");
  return {given.substr(0, at), given.substr(at + 1)};
}

std::string list(const std::vector<TensorDescription> &tensors) {
  std::string text;
  for (const TensorDescription &tensor : tensors)
    text += (text.empty() ? "" : ", ") + tensor.name + " " + shapeText(tensor);
  return text.empty() ? "none" : text;
}

const FunctionDescription &findFunction(const Description &description, const std::string &name) {
  std::string names;
  for (const FunctionDescription &function : description.functions) {
    if (isRaisedForm(description, function))
      continue;
    if (function.name == name)
      return function;
    names += (names.empty() ? "" : ", ") + function.name;
  }
  throw Failed("no function is called '" + name + "'; there are: " + (names.empty() ? "none" : names));
}

const TensorDescription &findTensor(const FunctionDescription &function, const char *kind,
                                    const std::vector<TensorDescription> &tensors, const std::string &name) {
  const auto found = std::ranges::find(tensors, name, &TensorDescription::name);
  if (found == tensors.end())
    throw Failed("function " + function.name + " has no " + kind + " '" + name + "'; it has: " + list(tensors));
  return *found;
}

/// Numbers of a command line have the shape that the function asks for, as far as their count says it.
std::vector<uint64_t> dimsOfNumbers(const TensorDescription &wanted, uint64_t count) {
  uint64_t known = 1;
  size_t numFree = 0;
  for (const Dimension &dim : wanted.shape) {
    known *= dim.symbol ? 1 : dim.number;
    numFree += dim.symbol != 0;
  }
  if (numFree > 1 || known == 0 || count % known != 0 || (numFree == 0 && count != known))
    throw Failed("input " + wanted.name + " is " + shapeText(wanted) + ", which " + std::to_string(count) +
                 " numbers don't fill; give a .npy file");
  std::vector<uint64_t> dims;
  for (const Dimension &dim : wanted.shape)
    dims.push_back(dim.symbol ? count / known : dim.number);
  return dims;
}

/// A call whose names were found and whose inputs were read.
struct ReadyCall {
  const FunctionCall *call;
  const FunctionDescription *function;
  std::vector<std::vector<uint8_t>> elements;
  std::vector<Input> inputs;
};

void readInput(ReadyCall &ready, const NamedText &given) {
  const TensorDescription &wanted = findTensor(*ready.function, "input", ready.function->inputs, given.name);
  std::optional<NpyTensor> numbers = tensorOfNumbers(given.text);
  const NpyTensor tensor = numbers ? std::move(*numbers) : readNpy(given.text);
  const auto dims = numbers ? dimsOfNumbers(wanted, tensor.numElements()) : tensor.dims;
  ready.elements.push_back(convertElements("input " + given.name, tensor, wanted.element));
  const auto &elements = ready.elements.back();
  ready.inputs.emplace_back(given.name, elements.data(), elements.size(), static_cast<uint32_t>(wanted.element), dims);
}

ReadyCall prepare(const Description &description, const FunctionCall &call) {
  ReadyCall ready{&call, &findFunction(description, call.function), {}, {}};
  for (const NamedText &given : call.inputs)
    readInput(ready, given);
  for (const TensorDescription &wanted : ready.function->inputs)
    if (std::ranges::find(call.inputs, wanted.name, &NamedText::name) == call.inputs.end())
      throw Failed("function " + call.function + " needs " + kInput + " " + wanted.name +
                   "=FILE; its inputs are: " + list(ready.function->inputs));
  for (const NamedText &output : call.outputs)
    findTensor(*ready.function, "output", ready.function->outputs, output.name);
  return ready;
}

/// "logits f32[1, 96]: 0.25, -1.5, … (96)"
std::string shortText(const kvasir_tensor &tensor) {
  constexpr uint64_t kShown = 8;
  const auto type = static_cast<ElementType>(tensor.element);
  std::string dims, values;
  for (uint32_t i = 0; i < tensor.rank; ++i)
    dims += (i ? ", " : "") + std::to_string(tensor.dims[i]);
  const uint64_t bits = elementBits(type), count = tensor.size_bytes * 8 / bits;
  for (uint64_t i = 0; i < std::min(count, kShown); ++i) {
    char number[32];
    std::snprintf(number, sizeof number, "%.7g",
                  runtime::loadElement(static_cast<const uint8_t *>(tensor.bytes), i * bits, type));
    values += (i ? ", " : "") + std::string(number);
  }
  return std::string(tensor.name) + " " + elementName(type) + "[" + dims + "]: " + values +
         (count > kShown ? ", … (" + std::to_string(count) + ")" : "") + "\n";
}

void giveOutputs(const FunctionCall &call, const Outputs &outputs) {
  for (const NamedText &wanted : call.outputs) {
    const kvasir_tensor tensor = outputs[wanted.name];
    writeNpy(wanted.text, static_cast<ElementType>(tensor.element), {tensor.dims, tensor.dims + tensor.rank},
             tensor.bytes);
  }
  for (uint64_t i = 0; call.outputs.empty() && i < outputs.count(); ++i)
    printNow(call.function + ": " + shortText(outputs[i]));
}

/// "prefill: raised\n", "prefill: opaque, since input 'mask' is not causal: …\n"; nothing of a function of one form.
std::string formText(const std::string &function, const Outputs &outputs) {
  if (outputs.form() == Form::single)
    return "";
  return function + (outputs.form() == Form::raised ? ": raised" : ": opaque, since " + std::string(outputs.reason())) +
         "\n";
}

} // namespace

void addCallOptions(CLI::App &command, CallOptions &options) {
  const auto add = [&](const char *name, std::vector<std::string> &values, const char *help) {
    return command.add_option(name, values, help)->allow_extra_args(false);
  };
  add(kCall, options.functions, "call this function, with the inputs and outputs behind it; again for the next call")
      ->type_name("FUNCTION");
  add(kInput, options.inputs, "an input of the call: a .npy file, or its numbers: 33,7,0")->type_name("NAME=FILE");
  add(kOutput, options.outputs, "write an output of the call to this .npy file; without one all are printed in short")
      ->type_name("NAME=FILE");
  command.add_flag("--opaque", options.isOpaque, "call functions of two forms in the one over whole registers");
  command.add_flag("--verbose", options.isVerbose,
                   "say of each call of a function of two forms which one ran, and why");
}

std::vector<FunctionCall> callsOf(const CLI::App &command, const CallOptions &options) {
  std::vector<FunctionCall> calls;
  size_t numInputs = 0, numOutputs = 0;
  for (const CLI::Option *option : command.parse_order()) {
    const std::string name = "--" + (option->get_lnames().empty() ? "" : option->get_lnames()[0]);
    if (name == kCall)
      calls.push_back({options.functions[calls.size()], {}, {}});
    if (name != kInput && name != kOutput)
      continue;
    const bool isInput = name == kInput;
    const NamedText given = split(name, isInput ? options.inputs[numInputs++] : options.outputs[numOutputs++]);
    if (calls.empty())
      throw Misused(name + " " + given.name + " is in front of the first " + kCall);
    (isInput ? calls.back().inputs : calls.back().outputs).push_back(given);
  }
  return calls;
}

int runCalls(const std::string &path, const std::string &stateFile, const ModelOptions &options,
             const std::vector<FunctionCall> &calls, const CallOptions &given) {
  const Interrupt interrupt;
  const Model model(path, options);
  const Result<Description> description = descriptionFromJson(model.description());
  if (!description)
    throw Failed("'" + path + "': " + description.message());
  std::vector<ReadyCall> ready;
  for (const FunctionCall &call : calls)
    ready.push_back(prepare(*description, call));
  SavedConversation saved(model, stateFile);
  const kvasir::CallOptions how{Wanted::all, &interrupt.cancel(), nullptr,
                                given.isOpaque ? Wish::opaque : Wish::automatic};
  for (const ReadyCall &each : ready) {
    const Outputs outputs = model.call(each.call->function, saved.state(), each.inputs, how);
    if (given.isVerbose)
      std::fputs(formText(each.call->function, outputs).c_str(), stderr);
    giveOutputs(*each.call, outputs);
  }
  saved.save();
  return kDone;
}

} // namespace kvasir::tools
