/* SPDX-License-Identifier: MIT
 * The transformer as a plugin of a later version of the border would be, whose structs have one more field each:
 * `added` of a call is what it adds to every logit, 0 where the host does not know of it; of a plan it is an answer.
 * -DREADS_BLINDLY: without asking whether the field is there. */
#define kvasir_plugin transformer
#include "transformer.c"
#undef kvasir_plugin

static kv_status prepareGrown(const kv_plugin *plugin, const kv_call *call, kv_plan *plan) {
  if (KV_HAS(plan, kv_plan, added))
    plan->added = 42;
  return prepare(plugin, call, plan);
}

static kv_status executeGrown(const kv_plugin *plugin, const kv_call *call, uint32_t member) {
  const kv_status status = execute(plugin, call, member);
#ifdef READS_BLINDLY
  const uint64_t added = call->added;
#else
  const uint64_t added = KV_HAS(call, kv_call, added) ? call->added : 0;
#endif
  float *logits = call->outputs[0].bytes;
  for (uint64_t w = member; status == KV_OK && w < call->num_wanted; w += call->team->members)
    for (uint32_t v = 0; v < V; ++v)
      logits[w * V + v] += (float)added;
  return status;
}

static const kv_plugin grownTable = {sizeof(kv_plugin), KV_ABI, prepareGrown, executeGrown, 42};

__attribute__((visibility("default"))) const kv_plugin *kvasir_plugin(const kv_host *host) {
  const uint64_t added = KV_HAS(host, kv_host, added) ? host->added : 0;
  return added == 0 && transformer(host) ? &grownTable : 0;
}
