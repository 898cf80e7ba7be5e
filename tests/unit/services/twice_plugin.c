/* SPDX-License-Identifier: MIT
 * y = 2 x: by the service where there is one, else by itself, which gives one more so that tests see it. */
#include "twice.h"

#include "kvasir/manifest.h"
#include "kvasir/plugin.h"

#ifndef TWICE_NAME
#define TWICE_NAME "twice" /* the service's */
#endif

KV_PLUGIN_NOTE(
    "{\"format\": 1,"
    " \"model\": {\"name\": \"twice\", \"architecture\": \"\", \"context\": 0, \"vocabulary\": 0, \"extents\": {}},"
    " \"backend\": \"by hand\", \"verified\": false,"
    " \"numerics\": {\"id\": \"by-service\", \"invariant\": false, \"activations\": \"exact\"},"
    " \"variants\": [], \"slots\": [],"
    " \"functions\": [{\"name\": \"twice\", \"max_tokens\": 0,"
    "   \"inputs\": [{\"name\": \"x\", \"element\": \"f32\", \"shape\": [1], \"role\": \"other\"}],"
    "   \"outputs\": [{\"name\": \"y\", \"element\": \"f32\", \"shape\": [1], \"role\": \"other\"}]}],"
    " \"waivers\": [],"
    " \"services\": [{\"name\": \"" TWICE_NAME "\", \"version\": 1, \"needs\": \"numbers\","
    "   \"fallback\": {\"id\": \"by-itself\", \"invariant\": true}}]}",
    "twice");

static kv_status prepare(const kv_plugin *plugin, const kv_call *call, kv_plan *plan) {
  (void)plugin, (void)call;
  plan->scratch_bytes = 0;
  return KV_OK;
}

static kv_status execute(const kv_plugin *plugin, const kv_call *call, uint32_t member) {
  (void)plugin;
  if (member != 0)
    return KV_OK;
  const float x = *(const float *)call->inputs[0].bytes;
  const twice_table *service = KV_HAS(call, kv_call, services) && call->services ? call->services[0] : 0;
  *(float *)call->outputs[0].bytes = service ? service->twice(x) : x + x + 1;
  return KV_OK;
}

static const kv_plugin table = {sizeof(kv_plugin), KV_ABI, prepare, execute};

__attribute__((visibility("default"))) const kv_plugin *kvasir_plugin(const kv_host *host) {
  return host->abi == KV_ABI ? &table : 0;
}
