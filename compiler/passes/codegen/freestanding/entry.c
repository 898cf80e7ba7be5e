/* SPDX-License-Identifier: MIT
 *
 * What every plugin does around its generated code: choose the variant, say what a call needs, check the call before
 * its first write, and run it in a known floating-point mode.
 */
#include "compiler/passes/codegen/freestanding/message.h"
#include "compiler/passes/codegen/freestanding/program.h"

/* Round to nearest, no exception trapped, subnormals kept: the mode in which results are promised. */
#define MXCSR_PROMISED 0x1F80u

/* The last field that this code reads; a host of any later ABI gives it too. */
#define CALL_IS_WHOLE(call) KV_HAS(call, kv_call, message_bytes)

__attribute__((visibility("default"))) const kv_plugin *kvasir_plugin(const kv_host *host) {
  if (!KV_HAS(host, kv_host, variant) || host->abi != KV_ABI || host->variant >= kvasir_the_program.num_variants)
    return 0;
  return &kvasir_the_program.variants[host->variant].plugin;
}

static const kvasir_code *codeOf(const kv_plugin *plugin, const kv_call *call) {
  const kvasir_variant *variant = (const kvasir_variant *)plugin;
  if (call->num_tokens == 1 && variant->single[call->function].run)
    return &variant->single[call->function];
  return &variant->general[call->function];
}

/* A number that all members compute alike; prepare is asked before the team exists if it has one member. */
static uint64_t membersOf(const kv_call *call) { return call->team ? call->team->members : 1; }

static int hasOwnExtents(const kvasir_function *function) {
  for (uint32_t i = 0; i < function->num_inputs; ++i)
    for (uint32_t dim = 0; dim < function->inputs[i].rank; ++dim)
      if (function->inputs[i].extents[dim] <= KVASIR_OWN)
        return 1;
  return 0;
}

/* Of a function that takes no tokens. */
static kv_status checkNoTokens(const kv_call *call, kvasir_line line) {
  if (call->num_tokens || call->num_wanted || call->num_sequences != 1 || call->counts[0])
    return kvasir_fail(line, KV_BAD_INPUT, "a call of %u tokens in %u sequences, expected none in one", 0,
                       call->num_tokens, call->num_sequences);
  return KV_OK;
}

static kv_status checkShape(const kv_call *call, kvasir_line line) {
  if (call->function >= kvasir_the_program.num_functions)
    return kvasir_fail(line, KV_BAD_INPUT, "function %u is not one of the plugin's %u", 0, call->function,
                       kvasir_the_program.num_functions);
  if ((!KV_HAS(call, kv_call, extents) || !call->extents) &&
      hasOwnExtents(&kvasir_the_program.functions[call->function]))
    return kvasir_fail(line, KV_BAD_INPUT, "function %u is called without its own extents", 0, call->function, 0);
  if (!kvasir_the_program.functions[call->function].max_tokens)
    return checkNoTokens(call, line);
  if (!call->num_tokens || !call->num_sequences)
    return kvasir_fail(line, KV_BAD_INPUT, "a call of %u tokens in %u sequences", 0, call->num_tokens,
                       call->num_sequences);
  uint64_t numTokens = 0;
  for (uint64_t b = 0; b < call->num_sequences; ++b) {
    if (!call->counts[b])
      return kvasir_fail(line, KV_BAD_INPUT, "sequence %u adds no token", 0, b, 0);
    numTokens += call->counts[b];
  }
  if (numTokens != call->num_tokens)
    return kvasir_fail(line, KV_BAD_INPUT, "the sequences' counts make %u tokens, the call says %u", 0, numTokens,
                       call->num_tokens);
  for (uint64_t w = 0; w < call->num_wanted; ++w)
    if (call->wanted[w] >= call->num_tokens)
      return kvasir_fail(line, KV_BAD_INPUT, "token %u is wanted of a call of %u", 0, call->wanted[w],
                         call->num_tokens);
  return KV_OK;
}

kv_status kvasir_prepare(const kv_plugin *plugin, const kv_call *call, kv_plan *plan) {
  if (!CALL_IS_WHOLE(call) || !KV_HAS(plan, kv_plan, writes))
    return KV_UNSUPPORTED;
  const kvasir_line line = {call->message, call->message_bytes};
  kv_status status = checkShape(call, line);
  if (status)
    return status;
  plan->scratch_bytes = codeOf(plugin, call)->scratch_bytes(call, membersOf(call));
  const uint8_t *writes = kvasir_the_program.functions[call->function].writes;
  for (uint64_t slot = 0; slot < kvasir_the_program.num_slots; ++slot)
    for (uint64_t b = 0; b < call->num_sequences; ++b) {
      kv_rows *rows = &plan->writes[slot * call->num_sequences + b];
      uint64_t begin = kvasir_the_program.is_register[slot] ? 0 : call->starts[b];
      rows->begin = begin;
      rows->end = !writes[slot] ? begin : kvasir_the_program.is_register[slot] ? 1 : begin + call->counts[b];
    }
  return KV_OK;
}

static uint64_t sizeOf(const kvasir_tensor *tensor, const kv_call *call) {
  uint64_t sizeBytes = tensor->element_bytes;
  for (uint32_t i = 0; i < tensor->rank; ++i) {
    int64_t extent = tensor->extents[i];
    sizeBytes *= extent == KVASIR_TOKENS      ? call->num_tokens
                 : extent == KVASIR_WANTED    ? call->num_wanted
                 : extent == KVASIR_SEQUENCES ? call->num_sequences
                 : extent == KVASIR_STORED    ? call->starts[0] + call->counts[0]
                 : extent <= KVASIR_OWN       ? call->extents[KVASIR_OWN - extent]
                                              : (uint64_t)extent;
  }
  return sizeBytes;
}

static kv_status checkTensors(const kv_call *call, const kvasir_tensor *tensors, uint32_t count, const kv_tensor *given,
                              kvasir_line line) {
  for (uint32_t i = 0; i < count; ++i) {
    uint64_t sizeBytes = sizeOf(&tensors[i], call);
    if (given[i].size_bytes != sizeBytes)
      return kvasir_fail(line, KV_BAD_INPUT, "%s has %u bytes, expected %u", tensors[i].name, given[i].size_bytes,
                         sizeBytes);
    const int32_t *ids = tensors[i].limit ? given[i].bytes : 0;
    for (uint64_t t = 0; ids && t < sizeBytes / sizeof *ids; ++t)
      if (ids[t] < 0 || ids[t] >= tensors[i].limit)
        return kvasir_fail(line, KV_BAD_INPUT, "%s has the number %d, expected one of 0 to %u", tensors[i].name,
                           (uint64_t)(int64_t)ids[t], (uint64_t)tensors[i].limit - 1);
  }
  return KV_OK;
}

static kv_status checkCapacity(const kv_call *call, kvasir_line line) {
  for (uint64_t slot = 0; slot < kvasir_the_program.num_slots; ++slot) {
    if (kvasir_the_program.is_register[slot])
      continue;
    for (uint64_t b = 0; b < call->num_sequences; ++b) {
      uint64_t numRows = call->starts[b] + call->counts[b];
      uint64_t numHeld = call->views[slot * call->num_sequences + b].num_blocks * KV_BLOCK_TOKENS;
      if (numRows > numHeld)
        return kvasir_fail(line, KV_CAPACITY, "the call makes %u rows, the state has blocks for %u", 0, numRows,
                           numHeld);
    }
  }
  return KV_OK;
}

/* What the program itself asks of a call. */
static kv_status checkPromises(const kvasir_code *code, const kv_call *call, kvasir_line line) {
  kvasir_fault fault;
  const uint64_t number = code->check ? code->check(call, &fault) : 0;
  if (!number)
    return KV_OK;
  return kvasir_fail(line, KV_BAD_INPUT, code->messages[number - 1], 0, (uint64_t)fault.found,
                     (uint64_t)fault.expected);
}

/* All that can be wrong with a call, found before its first write and by all members alike. */
static kv_status checkCall(const kv_plugin *plugin, const kv_call *call, kvasir_line line) {
  kv_status status = checkShape(call, line);
  if (status)
    return status;
  const kvasir_function *function = &kvasir_the_program.functions[call->function];
  status = checkTensors(call, function->inputs, function->num_inputs, call->inputs, line);
  if (!status)
    status = checkTensors(call, function->outputs, function->num_outputs, call->outputs, line);
  if (!status)
    status = checkCapacity(call, line);
  if (!status)
    status = checkPromises(codeOf(plugin, call), call, line);
  if (status)
    return status;
  uint64_t scratchBytes = codeOf(plugin, call)->scratch_bytes(call, membersOf(call));
  if (call->scratch_bytes < scratchBytes)
    return kvasir_fail(line, KV_BAD_INPUT, "scratch has %u bytes, the call needs %u", 0, call->scratch_bytes,
                       scratchBytes);
  if ((uintptr_t)call->scratch % 64)
    return kvasir_fail(line, KV_BAD_INPUT, "scratch is not aligned to %u bytes", 0, 64, 0);
  return KV_OK;
}

kv_status kvasir_execute(const kv_plugin *plugin, const kv_call *call, uint32_t member) {
  if (!CALL_IS_WHOLE(call))
    return KV_UNSUPPORTED;
  const kvasir_line line = {call->message, member == 0 ? call->message_bytes : 0};
  kv_status status = checkCall(plugin, call, line);
  if (status)
    return status;
  uint32_t callersMode = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(MXCSR_PROMISED);
  status = codeOf(plugin, call)->run(call, member, membersOf(call));
  __builtin_ia32_ldmxcsr(callersMode);
  if (status > KVASIR_REFUSED)
    return kvasir_fail(line, KV_BAD_INPUT, codeOf(plugin, call)->refusals[status - KVASIR_REFUSED - 1], 0, 0, 0);
  return status;
}
