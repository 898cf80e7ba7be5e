/* SPDX-License-Identifier: MIT
 * Plugins that are wrong in one way each (-DODD_…), or that have variants. A constructor that runs ends the test. */
#include "kvasir/manifest.h"
#include "kvasir/plugin.h"

#ifdef ODD_ABI
#undef KV_ABI
#define KV_ABI ODD_ABI
#endif

#ifndef ODD_VARIANTS
#define ODD_VARIANTS ""
#endif
#ifndef ODD_FORMAT
#define ODD_FORMAT "1"
#endif

#ifndef ODD_NO_NOTE
KV_PLUGIN_NOTE("{\"format\": " ODD_FORMAT
               ", \"model\": {\"name\": \"odd\", \"architecture\": \"\", \"context\": 0, \"vocabulary\": 0,"
               " \"extents\": {}}, \"backend\": \"\", \"verified\": false,"
               " \"numerics\": {\"id\": \"\", \"invariant\": true, \"activations\": \"exact\"},"
               " \"variants\": [" ODD_VARIANTS "], \"slots\": [], \"functions\": [], \"waivers\": []}",
               "odd");
#endif

#ifdef ODD_TWO_NOTES
#define kvasir_note kvasir_second_note
KV_PLUGIN_NOTE("{}", "second");
#endif

#ifdef ODD_CONSTRUCTOR
__attribute__((constructor)) static void runsAtLoad(void) { __builtin_trap(); }
#endif

#ifdef ODD_DESTRUCTOR
__attribute__((destructor)) static void runsAtUnload(void) { __builtin_trap(); }
#endif

#ifdef ODD_IFUNC
static int first(void) { return 1; }
static void *choose(void) {
  __builtin_trap();
  return (void *)first;
}
int chosen(void) __attribute__((ifunc("choose")));
int (*const kept)(void) = chosen;
#endif

#ifdef ODD_IMPORT
extern void *malloc(unsigned long);
void *(*const kept)(unsigned long) = malloc;
#endif

#ifdef ODD_CALL
extern void *malloc(unsigned long);
__attribute__((visibility("default"))) void *calls(void) { return malloc(1); }
#endif

#ifdef ODD_TLS
static __thread int counter = 3;
__attribute__((visibility("default"))) int counts(void) { return counter++; }
#endif

static kv_status prepare(const kv_plugin *plugin, const kv_call *call, kv_plan *plan) { return KV_OK; }
static kv_status execute(const kv_plugin *plugin, const kv_call *call, uint32_t member) { return KV_OK; }

/* Also keeps one relocation in every odd plugin. */
static const kv_plugin table = {sizeof(kv_plugin), KV_ABI, prepare,
#ifdef ODD_NO_EXECUTE
                                0
#else
                                execute
#endif
};

#ifndef ODD_NO_EXPORT
__attribute__((visibility("default"))) const kv_plugin *kvasir_plugin(const kv_host *host) {
#ifdef ODD_DECLINES
  return 0;
#endif
#ifdef ODD_TRAPS
  __builtin_trap();
#endif
  return &table;
}
#else
__attribute__((visibility("default"))) const kv_plugin *keepsTable(void) { return &table; }
#endif
