// SPDX-License-Identifier: MIT
#include "compiler/mutate/player.h"

#include "compiler/mutate/inputs.h"

#include <cstring>

using namespace kvasir;

namespace {
uint32_t elementNumber(ElementType element) {
  constexpr std::pair<ElementType, uint32_t> kNumbers[] = {
      {ElementType::f32, KVASIR_F32}, {ElementType::f16, KVASIR_F16}, {ElementType::bf16, KVASIR_BF16},
      {ElementType::i8, KVASIR_I8},   {ElementType::i32, KVASIR_I32}, {ElementType::i64, KVASIR_I64}};
  for (auto [type, number] : kNumbers)
    if (type == element)
      return number;
  return KVASIR_F64;
}

kvasir_tensor tensorOf(const InputTensor &input) {
  kvasir_tensor tensor{input.name.c_str(), input.bytes.data(), input.bytes.size(), elementNumber(input.element), 0, {}};
  for (uint64_t dim : input.dims)
    if (tensor.rank < 8)
      tensor.dims[tensor.rank++] = dim;
  return tensor;
}

std::string nameOf(const char *kind, size_t number, const SlotDescription &slot, uint64_t layer) {
  return kind + slot.name + ", layer " + std::to_string(layer) + " of sequence " + std::to_string(number);
}

std::string bytesOf(const void *bytes, size_t size) { return {static_cast<const char *>(bytes), size}; }
} // namespace

Player::~Player() {
  for (kvasir_state *state : states)
    kvasir_state_free(state);
  kvasir_model_free(model);
}

std::string Player::open(const std::string &path) {
  char message[512] = "";
  kvasir_model_options options = {};
  options.size = sizeof options;
  options.threads = 1;
  options.pinning = KVASIR_PIN_OFF;
  if (kvasir_model_open(path.c_str(), &options, &model, message, sizeof message) != KV_OK)
    return message;
  for (kvasir_state *&state : states)
    if (kvasir_state_make(model, nullptr, &state, message, sizeof message) != KV_OK)
      return message;
  return "";
}

std::vector<Observation> Player::play(const Step &step) {
  std::vector<Observation> seen(1);
  kv_status status = KV_OK;
  switch (step.kind) {
  case Step::Kind::call:
    status = call(step, seen);
    break;
  case Step::Kind::truncate:
    status = kvasir_state_truncate(states[step.state], step.length, nullptr, nullptr, 0);
    break;
  case Step::Kind::reset:
    status = kvasir_state_reset(states[step.state], nullptr, 0);
    break;
  }
  seen[0] = {"the status", kvasir_status_name(status)};
  for (size_t number = 0; number < kNumStates; ++number)
    lookAtState(number, seen);
  return seen;
}

kv_status Player::call(const Step &step, std::vector<Observation> &seen) {
  std::vector<kvasir_state *> batch;
  std::vector<uint64_t> counts, starts;
  for (const Part &part : step.parts) {
    batch.push_back(states[part.state]);
    counts.push_back(part.count);
    starts.push_back(kvasir_state_length(states[part.state]));
  }
  const std::vector<InputTensor> inputs = makeInputs(description, step, starts, random);
  std::vector<kvasir_tensor> tensors;
  for (const InputTensor &input : inputs)
    tensors.push_back(tensorOf(input));
  kvasir_call_options options = {sizeof options,
                                 counts.size() > 1 ? KVASIR_WANTED_LAST : KVASIR_WANTED_ALL,
                                 nullptr,
                                 nullptr,
                                 KVASIR_WISH_AUTOMATIC,
                                 0};
  kvasir_result *result = nullptr;
  const std::string &name = description.functions[step.function].name;
  const kv_status status = kvasir_call(model, name.c_str(), batch.data(), counts.data(), batch.size(), tensors.data(),
                                       tensors.size(), &options, &result, nullptr, 0);
  if (status != KV_OK)
    return status;
  for (uint64_t i = 0; i < kvasir_result_count(result); ++i) {
    const kvasir_tensor output = kvasir_result_tensor(result, i);
    const uint64_t rows = output.rank && output.dims[0] ? output.dims[0] : 1;
    seen.push_back(
        {std::string("output ") + output.name, bytesOf(output.bytes, output.size_bytes), output.size_bytes / rows});
  }
  kvasir_result_free(result);
  return status;
}

void Player::lookAtState(size_t number, std::vector<Observation> &seen) {
  const uint64_t length = kvasir_state_length(states[number]);
  seen.push_back({"the length of sequence " + std::to_string(number), bytesOf(&length, sizeof length)});
  for (const SlotDescription &slot : description.slots)
    for (uint64_t layer = 0; layer < slot.layers; ++layer)
      seen.push_back(slot.kind == SlotKind::cache ? lookAtRows(number, slot, layer)
                                                  : lookAtRegister(number, slot, layer));
}

/// Rows that a window let go are left out.
Observation Player::lookAtRows(size_t number, const SlotDescription &slot, uint64_t layer) {
  const uint64_t length = kvasir_state_length(states[number]), width = slot.heads * slot.width;
  Observation seen{nameOf("slot ", number, slot, layer), {}, width * sizeof(float)};
  uint64_t first = slot.windowTokens && length >= slot.windowTokens ? length - slot.windowTokens + 1 : 0;
  std::vector<float> rows((length - first) * width);
  const kv_status status = kvasir_state_rows(states[number], slot.name.c_str(), layer, first, length - first,
                                             rows.data(), rows.size(), nullptr, 0);
  seen.bytes = status == KV_OK ? bytesOf(rows.data(), rows.size() * sizeof(float)) : kvasir_status_name(status);
  return seen;
}

Observation Player::lookAtRegister(size_t number, const SlotDescription &slot, uint64_t layer) {
  uint64_t numElements = 1;
  for (uint64_t extent : slot.shape)
    numElements *= extent;
  std::vector<float> values(numElements);
  const kv_status status =
      kvasir_state_register(states[number], slot.name.c_str(), layer, values.data(), values.size(), nullptr, 0);
  return {nameOf("register ", number, slot, layer),
          status == KV_OK ? bytesOf(values.data(), values.size() * sizeof(float)) : kvasir_status_name(status)};
}
