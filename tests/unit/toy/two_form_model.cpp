// SPDX-License-Identifier: MIT
#include "tests/unit/toy/two_form_model.h"

#include "runtime/state/element.h"

#include <cstring>

namespace kvasir::runtime {
namespace {

constexpr uint64_t kLayers = TWO_FORM_LAYERS, kRows = TWO_FORM_ROWS, kLanes = 4;
enum { kCache, kCacheRows, kCalls };
enum { kAdd, kSum, kAddRaised };

/// The rows of the state, wherever the function has them.
struct Rows {
  const kv_call *call;

  const kv_view &view(int slot) const { return call->views[slot]; }

  /// The block and the bit of one number, as the next one writes it.
  std::pair<uint8_t *, uint64_t> place(uint64_t row, uint64_t layer, uint64_t lane) const {
    if (call->function != kAddRaised)
      return {static_cast<uint8_t *>(view(kCache).out), ((row * kLayers + layer) * kLanes + lane) * 16};
    return {view(kCacheRows).blocks[row / KV_BLOCK_TOKENS],
            ((layer * KV_BLOCK_TOKENS + row % KV_BLOCK_TOKENS) * kLanes + lane) * 32};
  }

  ElementType element() const { return call->function == kAddRaised ? ElementType::f32 : ElementType::f16; }

  float load(uint64_t row, uint64_t layer, uint64_t lane) const {
    const auto [block, bit] = place(row, layer, lane);
    return loadElement(block, bit, element());
  }

  void store(uint64_t row, uint64_t layer, uint64_t lane, float value) const {
    const auto [block, bit] = place(row, layer, lane);
    storeElement(block, bit, element(), value);
  }
};

template <typename T> const T *input(const kv_call *call, uint64_t index) {
  return static_cast<const T *>(call->inputs[index].bytes);
}

uint64_t tokensOf(const kv_call *call) { return call->inputs[0].size_bytes / sizeof(int32_t); }

int64_t startOf(const kv_call *call) {
  return call->function == kAddRaised ? static_cast<int64_t>(call->starts[0]) : input<int32_t>(call, 1)[0];
}

kv_status refuse(const kv_call *call, const char *line) {
  if (call->message_bytes > std::strlen(line))
    std::strcpy(call->message, line);
  return KV_BAD_INPUT;
}

kv_status prepare(const kv_plugin *, const kv_call *call, kv_plan *plan) {
  plan->writes[kCache] = {0, call->function != kAddRaised};
  plan->writes[kCalls] = {0, 1};
  plan->writes[kCacheRows] = {0, 0};
  if (call->function == kAddRaised)
    plan->writes[kCacheRows] = {call->starts[0], call->starts[0] + call->counts[0]};
  return KV_OK;
}

/// The sum of the rows that a token sees; rows behind the last one that the form has are none of its business.
float sumFor(const Rows &rows, uint64_t token, uint64_t width, uint64_t numHeld) {
  const float *mask = input<float>(rows.call, 2) + token * width;
  float sum = 0;
  for (uint64_t row = 0; row < std::min(width, numHeld); ++row)
    for (uint64_t i = 0; mask[row] == 0 && i < kLayers * kLanes; ++i)
      sum += rows.load(row, i / kLanes, i % kLanes) * static_cast<float>(row + 1);
  return sum;
}

kv_status add(const kv_call *call, uint32_t member) {
  const Rows rows{call};
  const uint64_t tokens = tokensOf(call), width = call->inputs[2].size_bytes / sizeof(float) / tokens;
  const auto start = static_cast<uint64_t>(startOf(call));
  const uint64_t numHeld = call->function == kAddRaised ? start + tokens : kRows;
  for (uint64_t token = 0; token < tokens; ++token) {
    const int32_t id = input<int32_t>(call, 0)[token];
    for (uint64_t i = 0; member == 0 && i < kLayers * kLanes; ++i)
      rows.store(start + token, i / kLanes, i % kLanes,
                 static_cast<float>(id + static_cast<int32_t>(i / kLanes)) + static_cast<float>(i % kLanes) / 4);
    if (const kv_status status = call->team->barrier(call->team, member); status != KV_OK)
      return status;
    if (id == TWO_FORM_FAILS)
      return KV_FAILED;
  }
  for (uint64_t token = 0; member == 0 && token < tokens; ++token)
    static_cast<float *>(call->outputs[0].bytes)[token] = sumFor(rows, token, width, numHeld);
  return call->team->barrier(call->team, member);
}

float sumOfAll(const Rows &rows) {
  float sum = 0;
  for (uint64_t i = 0; i < kRows * kLayers * kLanes; ++i)
    sum += rows.load(i / (kLayers * kLanes), i / kLanes % kLayers, i % kLanes);
  return sum;
}

/// Why this call is none; null if it is one. Asked by every member.
const char *whyNot(const kv_call *call) {
  if (call->function == kSum)
    return nullptr;
  for (uint64_t token = 0; token < tokensOf(call); ++token)
    if (call->function == kAddRaised && input<int32_t>(call, 0)[token] == TWO_FORM_REFUSES)
      return "the raised form does not like it";
  const int64_t start = startOf(call);
  return start < 0 || static_cast<uint64_t>(start) + tokensOf(call) > kRows ? "no such rows" : nullptr;
}

kv_status execute(const kv_plugin *, const kv_call *call, uint32_t member) {
  if (const char *reason = whyNot(call))
    return member == 0 ? refuse(call, reason) : kv_status{KV_BAD_INPUT};
  if (member == 0) {
    if (call->function != kAddRaised)
      std::memcpy(call->views[kCache].out, call->views[kCache].in, kRows * kLayers * kLanes * 2);
    *reinterpret_cast<float *>(call->views[kCalls].out) = *reinterpret_cast<const float *>(call->views[kCalls].in) + 1;
  }
  if (call->function != kSum)
    return add(call, member);
  if (member == 0)
    *static_cast<float *>(call->outputs[0].bytes) = sumOfAll({call});
  return call->team->barrier(call->team, member);
}

constexpr kv_plugin kPlugin = {sizeof(kv_plugin), KV_ABI, prepare, execute};

SlotDescription registerOf(const char *name, std::vector<uint64_t> shape, uint64_t numElements, ElementType element) {
  SlotDescription slot;
  slot.name = name;
  slot.kind = SlotKind::reg;
  slot.shape = std::move(shape);
  const uint64_t bits = elementBits(element);
  slot.layout = {
      numElements * bits / 8,
      {{PlaneRole::value, element, 0, {{Axis::lane, numElements, bits}, {Axis::layer, 1, numElements * bits}}}}};
  return slot;
}

SlotDescription rowsSlot() {
  SlotDescription slot;
  slot.name = "cache.rows";
  slot.layers = kLayers;
  slot.heads = slot.width = 2;
  const uint64_t layerBits = KV_BLOCK_TOKENS * kLanes * 32;
  slot.layout = {kLayers * layerBits / 8,
                 {{PlaneRole::value,
                   ElementType::f32,
                   0,
                   {{Axis::lane, 2, 32},
                    {Axis::head, 2, 64},
                    {Axis::token, KV_BLOCK_TOKENS, kLanes * 32},
                    {Axis::layer, kLayers, layerBits}}}}};
  slot.from = RowsOrigin{"cache", kRows, 0, kLanes, 2, kLayers * kLanes, 1};
  return slot;
}

FunctionDescription addFunction(const char *name, uint64_t maxTokens, char tokens) {
  FunctionDescription add;
  add.name = name;
  add.maxTokens = maxTokens;
  add.inputs = {{"ids", ElementType::i32, {{0, 1}, {tokens, 0}}},
                {"pos", ElementType::i32, {{0, 1}}},
                {"mask", ElementType::f32, {{tokens, 0}, {'b', 0}}}};
  add.outputs = {{"y", ElementType::f32, {{tokens, 0}}}};
  add.extents = {{'b', 1, kRows, {}, 0, {}}};
  return add;
}

} // namespace

const kv_plugin *twoFormPlugin() { return &kPlugin; }

Description twoFormDescription() {
  Description description;
  description.slots = {registerOf("cache", {kRows, kLayers, kLanes}, kRows * kLayers * kLanes, ElementType::f16),
                       rowsSlot(), registerOf("calls", {1}, 1, ElementType::f32)};
  FunctionDescription add = addFunction("add", 0, 'a');
  add.extents.push_back({'a', 1, kRows, {}, 0, {}});
  add.raised = RaisedForm{"add.raised",
                          {{"ids", BindField::count, 1, std::nullopt},
                           {"pos", BindField::start, std::nullopt, std::nullopt},
                           {"mask", BindField::causal, std::nullopt, -10000}}};
  FunctionDescription sum;
  sum.name = "sum";
  sum.maxTokens = 0;
  sum.outputs = {{"y", ElementType::f32, {{0, 1}}}};
  description.functions = {add, sum, addFunction("add.raised", 200, 'T')};
  return description;
}

std::shared_ptr<Model> makeTwoFormModel(uint32_t threads, const kv_plugin *plugin) {
  return std::make_shared<Model>(Program{plugin ? plugin : &kPlugin, twoFormDescription(), nullptr, nullptr, nullptr},
                                 ModelOptions{threads, Pinning::off});
}

} // namespace kvasir::runtime
