// SPDX-License-Identifier: MIT
#include "runtime/diff/graph.h"

#include "plugins/json_reader.h"

#include <map>

namespace kvasir::runtime::diff {
namespace {

// A model of 200 layers of 40 ops has 8000 steps, which take and make 30,000 tensors; hostile loops in loops stop here.
constexpr size_t kMaxSteps = 1 << 16, kMaxTensors = 1 << 20;
constexpr size_t kMaxList = 1 << 16;
constexpr uint64_t kMaxLayer = 1 << 16;
constexpr size_t kMaxName = 200;

/// Reads one function. A number of the file stands for another tensor in each turn of a loop.
class Unroller {
public:
  Unroller(FunctionGraph &function, std::optional<Failure> &failure) : function(function), failure(failure) {}

  void read(const JsonReader &json) {
    function.name = json.member("name").text(kMaxName);
    function.inputs = defineAll(json.member("inputs"));
    readBody(json.member("body"));
    function.outputs = useAll(json.member("outputs"));
    function.numTensors = numTensors;
  }

private:
  std::vector<size_t> defineAll(const JsonReader &list) {
    std::vector<size_t> defined;
    for (size_t i = 0, size = sizeOf(list); i < size; ++i)
      defined.push_back(tensors[list.element(i).number(0, kMaxNumber)] = numTensors++);
    return defined;
  }

  /// Of a list of tensors; all lists that are read have a limit, too.
  size_t sizeOf(const JsonReader &list) {
    const size_t size = list.size(kMaxList);
    numNamed += size;
    if (numNamed > kMaxTensors)
      return list.fail("is a list too many"), 0;
    return size;
  }

  std::vector<size_t> useAll(const JsonReader &list) {
    std::vector<size_t> used;
    for (size_t i = 0, size = sizeOf(list); i < size; ++i) {
      const JsonReader element = list.element(i);
      const auto found = tensors.find(element.number(0, kMaxNumber));
      if (found == tensors.end())
        element.fail("is a tensor that nothing has made");
      else
        used.push_back(found->second);
    }
    return used;
  }

  void readBody(const JsonReader &body) {
    for (size_t i = 0, size = body.size(kMaxList); i < size && !failure; ++i)
      body.element(i).has("loop") ? readLoop(body.element(i)) : readStep(body.element(i));
  }

  /// {"loop": [from, to], "layer": n, "in": […], "arguments": […], "body": […], "yield": […], "out": […]}
  void readLoop(const JsonReader &json) {
    const JsonReader range = json.member("loop");
    if (range.size(2) != 2)
      return range.fail("is not [from, to]");
    const uint64_t from = range.element(0).number(0, kMaxLayer), to = range.element(1).number(0, kMaxLayer);
    const uint64_t variable = json.member("layer").number(0, kMaxNumber);
    std::vector<size_t> carried = useAll(json.member("in"));
    for (uint64_t layer = from; layer < to && !failure; ++layer) {
      if (++numTurns > kMaxSteps)
        return json.fail("is one layer too many");
      layers[variable] = layer;
      turn = layer;
      lastLayer.reset();
      rename(json.member("arguments"), carried);
      readBody(json.member("body"));
      carried = useAll(json.member("yield"));
    }
    turn.reset();
    lastLayer.reset();
    rename(json.member("out"), carried);
  }

  void rename(const JsonReader &numbers, const std::vector<size_t> &values) {
    if (sizeOf(numbers) != values.size())
      return numbers.fail("does not go with what is carried");
    for (size_t i = 0; i < values.size(); ++i)
      tensors[numbers.element(i).number(0, kMaxNumber)] = values[i];
  }

  /// A number, or [a loop's variable, what is added, what the variable is multiplied by before: 1 where it is missing].
  uint64_t readLayer(const JsonReader &json) {
    if (!json.json().is_array())
      return json.number(0, kMaxLayer);
    const size_t size = json.size(3);
    if (size < 2)
      return json.fail("is no layer"), 0;
    const auto found = layers.find(json.element(0).number(0, kMaxNumber));
    if (found == layers.end())
      return json.fail("is a layer of no loop"), 0;
    const uint64_t times = size == 3 ? json.element(2).number(0, kMaxLayer) : 1;
    return found->second * times + json.element(1).number(0, kMaxLayer);
  }

  SlotLayer readSlot(const JsonReader &json) {
    return {json.member("slot").text(kMaxName), readLayer(json.member("layer"))};
  }

  void readStep(const JsonReader &json) {
    if (function.steps.size() == kMaxSteps)
      return json.fail("is one op too many");
    Step step;
    step.op = json.member("op").text(kMaxName);
    step.place = json.member("at").text(kMaxName);
    step.inputs = useAll(json.member("in"));
    if (json.has("probe"))
      step.probe = json.member("probe").text(kMaxName);
    if (json.has("layer"))
      lastLayer = step.layer = readLayer(json.member("layer"));
    if (json.has("appends"))
      step.appends = readSlot(json.member("appends"));
    if (json.has("keys") && json.has("values"))
      readAttention(json, step);
    step.at = nameLayer(step);
    step.outputs = defineAll(json.member("out"));
    requireArity(json, step);
    function.steps.push_back(std::move(step));
  }

  /// Of ops that a host computes itself.
  static void requireArity(const JsonReader &json, const Step &step) {
    struct Arity {
      const char *op;
      size_t inputs, outputs;
    };
    constexpr Arity kArities[] = {{"arith.addf", 2, 1},
                                  {"kv.append", 1, 0},
                                  {"kv.attend", 1, 1},
                                  {"kv.positions", 0, 1},
                                  {"tensor.collapse_shape", 1, 1},
                                  {"tensor.expand_shape", 1, 1}};
    for (const auto &[op, inputs, outputs] : kArities)
      if (step.op == op && (step.inputs.size() != inputs || step.outputs.size() != outputs))
        json.fail("takes or makes another number of tensors than " + step.op);
  }

  void readAttention(const JsonReader &json, Step &step) {
    const auto real = [&](const char *key) {
      const Json &number = json.member(key).json();
      return number.is_number() ? number.get<double>() : 0.0;
    };
    step.keys = readSlot(json.member("keys"));
    step.values = readSlot(json.member("values"));
    step.scale = real("scale");
    if (json.has("softcap"))
      step.softcap = real("softcap");
    if (json.has("window"))
      step.windowTokens = json.member("window").number(0, UINT32_MAX);
    step.isCausal = !json.has("mask");
    step.hasSinks = json.has("sinks");
  }

  /// "blk.{layer}.attn_q" to "blk.3.attn_q", "rope" to "rope of layer 3": the layer of its weights, or of those before
  /// it in a turn of a loop, of its slot, or the loop's.
  std::string nameLayer(const Step &step) const {
    const std::string mark = "{layer}";
    std::string name = step.place;
    const std::optional<uint64_t> own = step.layer     ? step.layer
                                        : step.appends ? std::optional(step.appends->layer)
                                                       : turn;
    const std::optional<uint64_t> layer = lastLayer ? lastLayer : own;
    if (const size_t place = name.find(mark); place != std::string::npos && layer)
      name.replace(place, mark.size(), std::to_string(*layer));
    else if (own)
      name += " of layer " + std::to_string(*own);
    return name;
  }

  static constexpr uint64_t kMaxNumber = 1 << 24;

  FunctionGraph &function;
  std::optional<Failure> &failure;
  size_t numTensors = 0, numNamed = 0, numTurns = 0;
  std::optional<uint64_t> turn;        ///< of the innermost loop
  std::optional<uint64_t> lastLayer;   ///< that a step had weights of, in this turn
  std::map<uint64_t, size_t> tensors;  ///< of the file's numbers, in this turn
  std::map<uint64_t, uint64_t> layers; ///< of loops' variables
};

} // namespace

Result<std::vector<FunctionGraph>> readGraphs(std::span<const uint8_t> section) {
  const Result<Json> json = parseJson({reinterpret_cast<const char *>(section.data()), section.size()});
  if (!json)
    return Failure{"graph: " + json.message()};
  std::optional<Failure> failure;
  const JsonReader reader(*json, "graph", failure);
  reader.member("format").number(1, 1);
  const JsonReader functions = reader.member("functions");
  std::vector<FunctionGraph> graphs;
  for (size_t i = 0, size = functions.size(kMaxList); i < size && !failure; ++i)
    Unroller(graphs.emplace_back(), failure).read(functions.element(i));
  if (failure)
    return *failure;
  return graphs;
}

} // namespace kvasir::runtime::diff
