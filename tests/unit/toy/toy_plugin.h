/* SPDX-License-Identifier: MIT
 * The toy plugin, linked into a test. */
#ifndef KVASIR_TESTS_UNIT_TOY_PLUGIN_H
#define KVASIR_TESTS_UNIT_TOY_PLUGIN_H

#include "kvasir/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TOY_VOCABULARY = 64, TOY_CONTEXT = 1000, TOY_MAX_TOKENS = 50 };

/* Functions: ids [T] -> logits [W, V]; the same, but declaring one row too few; () -> the register [1]. */
enum { TOY_FORWARD = 0, TOY_DECLARES_LESS = 1, TOY_READ = 2 };

/* Ids that make the plugin fail after it has written its rows, and wait at barriers until it is cancelled. */
enum { TOY_FAILS = 60, TOY_WAITS = 61 };

const kv_plugin *toy_plugin(void);

#ifdef __cplusplus
}
#endif

#endif
