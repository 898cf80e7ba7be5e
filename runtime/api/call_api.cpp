// SPDX-License-Identifier: MIT
#include "runtime/api/border.h"
#include "runtime/api/handles.h"

using namespace kvasir;
using namespace kvasir::runtime;

namespace {

Wanted wantedFrom(uint32_t wanted) {
  if (wanted > KVASIR_WANTED_NONE)
    throw Error(KV_BAD_INPUT, "wanted is " + std::to_string(wanted) + ", which is none of last, all, none");
  return static_cast<Wanted>(wanted);
}

FormWish wishFrom(uint32_t form) {
  if (form > KVASIR_WISH_OPAQUE)
    throw Error(KV_BAD_INPUT, "the form is " + std::to_string(form) + ", which is none of automatic, opaque");
  return static_cast<FormWish>(form);
}

CallRequest requestFrom(const kvasir_call_options *given) {
  const auto options = readOptions(given);
  CallRequest request;
  request.wanted = wantedFrom(options.wanted);
  request.form = wishFrom(options.form);
  request.cancel = options.cancel ? &options.cancel->flag : nullptr;
  if (options.audit && !options.audit->live)
    throw Error(KV_BAD_INPUT, "the audit of the call was made by kvasir_audit_run and watches nothing");
  request.observer = options.audit ? options.audit->live->observer() : nullptr;
  return request;
}

// The border's numbers are those of ElementType.
constexpr bool isNumber(uint32_t number, ElementType element) { return number == static_cast<uint32_t>(element); }
static_assert(isNumber(KVASIR_F32, ElementType::f32) && isNumber(KVASIR_F16, ElementType::f16) &&
              isNumber(KVASIR_BF16, ElementType::bf16) && isNumber(KVASIR_I8, ElementType::i8) &&
              isNumber(KVASIR_U8, ElementType::u8) && isNumber(KVASIR_I32, ElementType::i32) &&
              isNumber(KVASIR_I64, ElementType::i64) && isNumber(KVASIR_F64, ElementType::f64));

NamedInput inputFrom(const kvasir_tensor &tensor) {
  requireGiven(tensor.name, "the name of an input");
  if (tensor.rank > 8 || tensor.element > KVASIR_F64 || (tensor.element > KVASIR_U8 && tensor.element < KVASIR_I32))
    throw Error(KV_BAD_INPUT,
                "input '" + std::string(tensor.name) + "' has an unknown element type or more than 8 dims");
  NamedInput input{
      tensor.name, tensor.bytes, static_cast<ElementType>(tensor.element), {tensor.dims, tensor.dims + tensor.rank}};
  const uint64_t needed = denseBytes(input.element, input.dims);
  if (tensor.size_bytes != needed || (needed && !tensor.bytes))
    throw Error(KV_BAD_INPUT, "input '" + input.name + "' has " + std::to_string(tensor.size_bytes) +
                                  " bytes; its shape needs " + std::to_string(needed));
  return input;
}

} // namespace

kvasir_cancel *kvasir_cancel_make(void) { return new (std::nothrow) kvasir_cancel; }

void kvasir_cancel_free(kvasir_cancel *cancel) { delete cancel; }

void kvasir_cancel_request(kvasir_cancel *cancel) { cancel->flag.store(true, std::memory_order_relaxed); }

void kvasir_cancel_clear(kvasir_cancel *cancel) { cancel->flag.store(false, std::memory_order_relaxed); }

kv_status kvasir_predict(const kvasir_sequence *sequences, uint64_t num_sequences, const kvasir_call_options *options,
                         float *logits, uint64_t num_floats, char *message, size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    CallRequest request = requestFrom(options);
    if (num_sequences == 0)
      throw Error(KV_BAD_INPUT, "the call has no sequences");
    requireGiven(sequences, "sequences");
    std::vector<int32_t> ids;
    for (const auto *sequence = sequences; sequence != sequences + num_sequences; ++sequence) {
      requireGiven(sequence->state, "the state of a sequence");
      requireGiven(sequence->num_ids ? sequence->ids : static_cast<const void *>(sequence), "the ids of a sequence");
      request.states.push_back(sequence->state->state.get());
      request.counts.push_back(sequence->num_ids);
      ids.insert(ids.end(), sequence->ids, sequence->ids + sequence->num_ids);
    }
    Model &model = *sequences->state->model;
    const uint64_t needed = request.sizes().wanted * model.description().model.vocabularySize;
    if (num_floats < needed)
      throw Error(KV_BAD_INPUT, "the logits need room for " + std::to_string(needed) + " floats; there is room for " +
                                    std::to_string(num_floats));
    requireGiven(needed ? logits : static_cast<const void *>(sequences), "logits");
    predict(model, std::move(request), ids, logits);
  });
}

kv_status kvasir_call(kvasir_model *handle, const char *function, kvasir_state *const *states, const uint64_t *counts,
                      uint64_t num_states, const kvasir_tensor *inputs, uint64_t num_inputs,
                      const kvasir_call_options *options, kvasir_result **result, char *message, size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(handle, "model");
    requireGiven(function, "function");
    requireGiven(result, "result");
    Model &model = *handle->model;
    CallRequest request = requestFrom(options);
    request.function = model.findFunction(function);
    std::vector<NamedInput> named;
    for (uint64_t i = 0; i < num_inputs; ++i)
      named.push_back(inputFrom(inputs[i]));
    for (uint64_t i = 0; i < num_states; ++i) {
      requireGiven(states[i], "a state of the call");
      request.states.push_back(states[i]->state.get());
    }
    if (counts)
      request.counts.assign(counts, counts + num_states);
    else if (num_states <= 1)
      request.counts = {tokensInInputs(model.description().functions[request.function], named)};
    *result = new kvasir_result{callFunction(model, request, named)};
  });
}

uint64_t kvasir_result_count(const kvasir_result *result) { return result->call.outputs.size(); }

kvasir_tensor kvasir_result_tensor(const kvasir_result *result, uint64_t index) {
  const NamedOutput &output = result->call.outputs[index];
  kvasir_tensor tensor{output.name.c_str(),
                       output.bytes.data(),
                       output.bytes.size(),
                       static_cast<uint32_t>(output.element),
                       static_cast<uint32_t>(output.dims.size()),
                       {}};
  std::ranges::copy(output.dims, tensor.dims);
  return tensor;
}

uint32_t kvasir_result_form(const kvasir_result *result) { return static_cast<uint32_t>(result->call.form); }

const char *kvasir_result_reason(const kvasir_result *result) { return result->call.whyOpaque.c_str(); }

void kvasir_result_free(kvasir_result *result) { delete result; }
