/* SPDX-License-Identifier: MIT
 *
 * What the code of a plugin is made of: a constant table that `emit-plugin` generates, walked by entry.c. Nothing here
 * crosses a border, so the structs may change with the compiler.
 */
#ifndef KVASIR_CODEGEN_PROGRAM_H
#define KVASIR_CODEGEN_PROGRAM_H

#include "plugins/include/kvasir/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Extents of a tensor that only the call knows. */
enum {
  KVASIR_TOKENS = -1,
  KVASIR_WANTED = -2,
  KVASIR_SEQUENCES = -3,
  KVASIR_STORED = -4,
  KVASIR_OWN = -5 /* the function's own a; b is one less, and so on */
};

/* The two numbers of a message about a call. */
typedef struct kvasir_fault {
  int64_t found, expected;
} kvasir_fault;

/* What `run` returns beyond this is the number of a message in `refusals`, from 1. */
enum { KVASIR_REFUSED = 255 };

/* One compiled form of a function. */
typedef struct kvasir_code {
  kv_status (*run)(const kv_call *call, uint64_t member, uint64_t members);
  uint64_t (*scratch_bytes)(const kv_call *call, uint64_t members);
  uint64_t (*check)(const kv_call *call, kvasir_fault *fault); /* the message that applies, from 1; 0: none does */
  const char *const *messages;                                 /* formats of kvasir_fail; null where check is */
  const char *const *refusals;                                 /* what `run` finds only when it runs */
} kvasir_code;

/* An input or output as the caller must give it. */
typedef struct kvasir_tensor {
  const char *name;
  const int64_t *extents; /* [rank], or one of the numbers above */
  uint32_t rank;
  uint32_t element_bytes;
  int64_t limit; /* for token ids and layers (int32): 0 <= number < limit; 0: not checked */
} kvasir_tensor;

/* What all forms of a function share. */
typedef struct kvasir_function {
  const char *name;
  const kvasir_tensor *inputs;
  const kvasir_tensor *outputs;
  uint32_t num_inputs;
  uint32_t num_outputs;
  const uint8_t *writes; /* [slots] 1 where the function writes the slot */
  uint64_t max_tokens;   /* 0: it takes none */
} kvasir_function;

/* A variant's table; its first member is what the host sees, so that prepare and execute find the rest. */
typedef struct kvasir_variant {
  kv_plugin plugin;
  const kvasir_code *general; /* [functions] */
  const kvasir_code *single;  /* [functions] for calls of one token; run is null where there is none */
} kvasir_variant;

typedef struct kvasir_program {
  uint32_t num_slots;
  uint32_t num_functions;
  uint32_t num_variants;
  uint32_t reserved;
  const uint8_t *is_register; /* [slots] */
  const kvasir_function *functions;
  const kvasir_variant *variants;
} kvasir_program;

extern const kvasir_program kvasir_the_program __attribute__((visibility("hidden")));

/* Every variant's table points to these two. */
kv_status kvasir_prepare(const kv_plugin *plugin, const kv_call *call, kv_plan *plan)
    __attribute__((visibility("hidden")));
kv_status kvasir_execute(const kv_plugin *plugin, const kv_call *call, uint32_t member)
    __attribute__((visibility("hidden")));

#ifdef __cplusplus
}
#endif

#endif
