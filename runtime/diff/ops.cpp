// SPDX-License-Identifier: MIT
#include "runtime/diff/ops.h"

#include "runtime/audit/caller.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace kvasir::runtime::diff {
namespace {

const FunctionDescription *findProbe(const Model &model, const std::string &name) {
  const auto &functions = model.description().functions;
  const auto found = std::ranges::find(functions, name, &FunctionDescription::name);
  return found == functions.end() ? nullptr : &*found;
}

/// K: the length of a row of the first tensor of f32.
uint64_t columnsOf(const FunctionDescription &probe) {
  for (const auto *side : {&probe.inputs, &probe.outputs})
    for (const TensorDescription &tensor : *side)
      if (tensor.element == ElementType::f32 && !tensor.shape.empty() && tensor.shape.back().symbol == 0)
        return tensor.shape.back().number;
  return 1;
}

bool isCompared(const NamedOutput &output) {
  return output.element == ElementType::f32 || output.element == ElementType::i32;
}

bool isReshape(const std::string &op) { return op == "tensor.expand_shape" || op == "tensor.collapse_shape"; }

std::vector<size_t> lastUsesIn(const FunctionGraph &graph) {
  std::vector<size_t> lastUses(graph.numTensors, 0);
  for (size_t step = 0; step < graph.steps.size(); ++step)
    for (const size_t tensor : graph.steps[step].inputs)
      lastUses[tensor] = step;
  return lastUses;
}

} // namespace

OpByOp::OpByOp(const SideBySide &sides, const FunctionGraph &graph, const CancelFlag *cancel)
    : sides(sides), graph(graph), cancel(cancel), a(sides.a().model.makeState(0)), b(sides.b().model.makeState(0)),
      lastUses(lastUsesIn(graph)) {}

void OpByOp::run(Report &report, uint64_t first, uint64_t count) {
  start = first;
  tokens = count;
  tensors.assign(graph.numTensors, {});
  appended.clear();
  const Model &model = sides.a().model;
  const FunctionDescription &function = model.description().functions[model.findFunction(graph.name)];
  const auto inputs = audit::inputsOf(function, std::span(sides.a().plan.ids).subspan(start, tokens), start);
  for (size_t i = 0; i < std::min(graph.inputs.size(), inputs.size()); ++i)
    tensors[graph.inputs[i]] = {function.inputs[i].element, inputs[i]};
  for (size_t step = 0; step < graph.steps.size(); ++step) {
    runStep(report, step);
    for (const size_t tensor : graph.steps[step].inputs)
      if (lastUses[tensor] <= step)
        tensors[tensor].bytes = {};
  }
}

void OpByOp::runStep(Report &report, size_t index) {
  const Step &step = graph.steps[index];
  if (isReshape(step.op)) {
    tensors[step.outputs[0]] = tensors[step.inputs[0]];
  } else if (step.op == "kv.positions") {
    std::vector<int64_t> positions(tokens);
    for (uint64_t t = 0; t < tokens; ++t)
      positions[t] = static_cast<int64_t>(start + t);
    const auto *bytes = reinterpret_cast<const uint8_t *>(positions.data());
    tensors[step.outputs[0]] = {ElementType::i64, {bytes, bytes + tokens * sizeof positions[0]}};
  } else if (step.probe.empty() || !runProbe(report, step)) {
    if (std::ranges::find(left, index) == left.end())
      left.push_back(index);
    if (step.appends && step.op == "kv.append")
      appended[{step.appends->slot, step.appends->layer}] = {start, floatsOf(step.inputs[0])};
    else if (step.op == "arith.addf")
      add(step);
    else if (step.op == "kv.attend" && step.keys)
      attend(step);
  }
}

bool OpByOp::runProbe(Report &report, const Step &step) {
  const FunctionDescription *probe = findProbe(sides.a().model, step.probe);
  const FunctionDescription *other = findProbe(sides.b().model, step.probe);
  if (!probe)
    return false;
  layer = static_cast<int32_t>(step.layer.value_or(0));
  const auto inputs = inputsOf(*probe, step);
  if (!inputs)
    return false;
  const auto results = call(sides.a(), *a, *probe, *inputs);
  for (size_t i = 0; i < std::min(results.size(), step.outputs.size()); ++i)
    tensors[step.outputs[i]] = {results[i].element, results[i].bytes};
  if (!other || other->inputs != probe->inputs || other->outputs != probe->outputs)
    return false;
  const auto others = call(sides.b(), *b, *other, *inputs);
  for (size_t i = 0; i < results.size(); ++i)
    if (isCompared(results[i])) // integers are chosen, not rounded
      compare(report, step, results[i], others[i],
              results[i].element == ElementType::i32 ? 0 : sides.tolerances().ofOp(columnsOf(*probe)));
  return true;
}

std::optional<std::vector<NamedInput>> OpByOp::inputsOf(const FunctionDescription &probe, const Step &step) const {
  std::vector<NamedInput> inputs;
  const Sizes sizes{1, tokens, tokens, tokens};
  for (size_t i = 0; i < probe.inputs.size(); ++i) {
    const TensorDescription &input = probe.inputs[i];
    const auto dims = resolveDims(input, sizes);
    if (i >= step.inputs.size()) { // the layer is the last
      inputs.push_back({input.name, &layer, ElementType::i32, dims});
      continue;
    }
    const Tensor &tensor = tensors[step.inputs[i]];
    if (tensor.element != input.element || tensor.bytes.empty() ||
        tensor.bytes.size() != denseBytes(input.element, dims))
      return std::nullopt;
    inputs.push_back({input.name, tensor.bytes.data(), input.element, dims});
  }
  return inputs;
}

std::vector<NamedOutput> OpByOp::call(const Side &side, State &state, const FunctionDescription &probe,
                                      const std::vector<NamedInput> &inputs) const {
  CallRequest request;
  request.function = side.model.findFunction(probe.name);
  request.states = {&state};
  request.counts = {tokens};
  request.wanted = Wanted::all;
  request.cancel = cancel;
  return callFunction(side.model, request, inputs).outputs;
}

void OpByOp::compare(Report &report, const Step &step, const NamedOutput &one, const NamedOutput &other,
                     double tolerance) const {
  auto compared = std::ranges::find_if(report.ops, [&](const ComparedOp &op) { return op.at == step.place; });
  if (compared == report.ops.end())
    compared = report.ops.insert(compared, {step.place, step.op, 0, std::nullopt});
  ++compared->numCalls;
  const std::vector<float> rows = numbersOf(one.bytes, one.element), others = numbersOf(other.bytes, other.element);
  const uint64_t width = rows.size() / tokens;
  double scale = 0;
  for (const float number : rows)
    scale = std::isfinite(number) ? std::max(scale, std::fabs(double{number})) : scale;
  for (uint64_t row = 0; row < tokens && others.size() == rows.size(); ++row) {
    const Difference difference = differenceOf(std::span(rows).subspan(row * width, width),
                                               std::span(others).subspan(row * width, width), tolerance, scale);
    if (difference.share == 0)
      continue;
    Place place;
    place.function = graph.name;
    place.callTokens = tokens;
    place.op = step.at;
    place.kind = step.op;
    place.isInteger = one.element == ElementType::i32;
    place.layer = step.layer.value_or(0);
    place.row = start + row;
    place.token = sides.a().plan.ids[place.row];
    if (!compared->largest || difference.share > compared->largest->difference.share)
      compared->largest = {place, difference};
    if (difference.isBeyond() && !report.firstOp)
      report.firstOp = {place, difference};
  }
}

void OpByOp::add(const Step &step) {
  auto sum = floatsOf(step.inputs[0]);
  const auto added = floatsOf(step.inputs[1]);
  if (sum.empty() || sum.size() != added.size())
    return;
  for (size_t i = 0; i < sum.size(); ++i)
    sum[i] += added[i];
  setFloats(step.outputs[0], sum);
}

void OpByOp::attend(const Step &step) {
  const auto queries = floatsOf(step.inputs[0]);
  if (queries.empty())
    return;
  const auto attended =
      diff::attend(*sides.a().state, step, start, queries, tokens, appended[{step.keys->slot, step.keys->layer}],
                   appended[{step.values->slot, step.values->layer}]);
  if (attended)
    setFloats(step.outputs[0], *attended);
}

std::vector<float> OpByOp::floatsOf(size_t tensor) const {
  const Tensor &from = tensors[tensor];
  if (from.element != ElementType::f32)
    return {};
  std::vector<float> numbers(from.bytes.size() / sizeof(float));
  std::memcpy(numbers.data(), from.bytes.data(), from.bytes.size());
  return numbers;
}

void OpByOp::setFloats(size_t tensor, const std::vector<float> &numbers) {
  const auto *bytes = reinterpret_cast<const uint8_t *>(numbers.data());
  tensors[tensor] = {ElementType::f32, {bytes, bytes + numbers.size() * sizeof(float)}};
}

} // namespace kvasir::runtime::diff
