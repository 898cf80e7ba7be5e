/* SPDX-License-Identifier: MIT
 *
 * The one line with which a plugin refuses a call, formatted without a C library.
 */
#ifndef KVASIR_CODEGEN_MESSAGE_H
#define KVASIR_CODEGEN_MESSAGE_H

#include "plugins/include/kvasir/plugin.h"

/* Where a line goes. All members of a team find the same fault; only one of them has a line to write it on. */
typedef struct kvasir_line {
  char *text;
  uint64_t capacity; /* bytes, the terminating 0 included; 0: nothing is written */
} kvasir_line;

/* Writes `format` to the line and returns `status`. The format knows %s (`name`), then %d (the next number, signed) and
 * %u (unsigned), for at most two numbers. A line that is too long is cut. */
kv_status kvasir_fail(kvasir_line line, kv_status status, const char *format, const char *name, uint64_t first,
                      uint64_t second) __attribute__((visibility("hidden")));

#endif
