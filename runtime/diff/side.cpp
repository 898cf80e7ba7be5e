// SPDX-License-Identifier: MIT
#include "runtime/diff/side.h"

#include "runtime/state/element.h"

namespace kvasir::runtime::diff {

std::vector<float> numbersOf(const std::vector<uint8_t> &bytes, ElementType element, uint64_t first, uint64_t count) {
  const uint64_t bits = elementBits(element);
  std::vector<float> numbers(count);
  for (size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = loadElement(bytes.data(), (first + i) * bits, element);
  return numbers;
}

std::vector<float> numbersOf(const std::vector<uint8_t> &bytes, ElementType element) {
  return numbersOf(bytes, element, 0, bytes.size() * 8 / elementBits(element));
}

uint64_t widthOf(const TensorDescription &output) {
  uint64_t width = 1;
  for (size_t i = 1; i < output.shape.size(); ++i)
    width *= output.shape[i].number;
  return isSplit(output, 'W') || isSplit(output, 'T') ? width : 0;
}

Outputs Side::call(std::span<const int32_t> ids, uint64_t start, Wanted wanted, const CancelFlag *cancel) const {
  const FunctionDescription &function = functionFor(ids.size());
  CallRequest request;
  request.function = ids.size() == 1 ? plan.step : plan.prefill;
  request.states = {state.get()};
  request.counts = {ids.size()};
  request.wanted = wanted;
  request.cancel = cancel;
  const auto inputs = audit::inputsOf(function, ids, start);
  Outputs outputs;
  std::vector<const uint8_t *> inputBytes;
  std::vector<uint8_t *> outputBytes;
  for (const auto &input : inputs)
    inputBytes.push_back(input.data());
  for (const TensorDescription &output : function.outputs)
    outputs.emplace_back(denseBytes(output.element, resolveDims(output, request.sizes())));
  for (auto &output : outputs)
    outputBytes.push_back(output.data());
  runCall(model, request, inputBytes, outputBytes);
  return outputs;
}

} // namespace kvasir::runtime::diff
