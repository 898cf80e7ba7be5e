/* SPDX-License-Identifier: MIT
 * What tests know of the toy plugin. */
#ifndef KVASIR_TESTS_UNIT_TOY_PLUGIN_H
#define KVASIR_TESTS_UNIT_TOY_PLUGIN_H

#include "kvasir/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TOY_VOCABULARY = 64, TOY_CONTEXT = 1000, TOY_MAX_TOKENS = 50 };

/* Functions: ids [T] -> logits [W, V]; the same, but declaring one row too few; () -> the register [1]. */
enum { TOY_FORWARD = 0, TOY_DECLARES_LESS = 1, TOY_READ = 2 };

/* Ids: after TOY_ENDS the model ends its text with TOY_END; the next two make the plugin fail after it has written its
 * rows, and wait at barriers until it is cancelled. */
enum { TOY_ENDS = 59, TOY_FAILS = 60, TOY_WAITS = 61, TOY_HALF_CHARACTER = 62, TOY_END = 63 };

/* What members say they are about to do (plugins/steps.h). */
enum { TOY_APPENDS = 1, TOY_LOGITS = 2, TOY_STEPS = 2 };

/* clang-format off */
#define TOY_DESCRIPTION \
  "{\"format\": 1," \
  " \"model\": {\"name\": \"toy\", \"architecture\": \"toy\", \"context\": 1000, \"vocabulary\": 64," \
  "             \"extents\": {}}," \
  " \"backend\": \"by hand\", \"verified\": true," \
  " \"numerics\": {\"id\": \"f32\", \"invariant\": true, \"activations\": \"exact\"}, \"variants\": []," \
  " \"slots\": [" \
  "  {\"name\": \"k\", \"kind\": \"cache\", \"layers\": 2, \"heads\": 1, \"width\": 2," \
  "   \"layout\": {\"size_bytes\": 4096, \"planes\": [{\"role\": \"value\", \"element\": \"f32\", \"offset_bits\": 0," \
  "              \"digits\": [[\"lane\", 2, 32], [\"token\", 128, 64], [\"layer\", 2, 8192]]}]}}," \
  "  {\"name\": \"v\", \"kind\": \"cache\", \"layers\": 2, \"heads\": 1, \"width\": 1," \
  "   \"layout\": {\"size_bytes\": 512, \"planes\": [{\"role\": \"value\", \"element\": \"bf16\", \"offset_bits\": 0," \
  "              \"digits\": [[\"layer\", 2, 16], [\"token\", 128, 32]]}]}}," \
  "  {\"name\": \"sum\", \"kind\": \"register\", \"layers\": 1, \"shape\": [1]," \
  "   \"layout\": {\"size_bytes\": 4, \"planes\": [{\"role\": \"value\", \"element\": \"f32\", \"offset_bits\": 0," \
  "              \"digits\": []}]}}]," \
  " \"functions\": [" \
  "  {\"name\": \"forward\", \"max_tokens\": 50," \
  "   \"inputs\": [{\"name\": \"ids\", \"element\": \"i32\", \"shape\": [\"T\"], \"role\": \"ids\"}]," \
  "   \"outputs\": [{\"name\": \"logits\", \"element\": \"f32\", \"shape\": [\"W\", 64], \"role\": \"logits\"}]}," \
  "  {\"name\": \"declares_less\", \"max_tokens\": 50," \
  "   \"inputs\": [{\"name\": \"ids\", \"element\": \"i32\", \"shape\": [\"T\"], \"role\": \"ids\"}]," \
  "   \"outputs\": [{\"name\": \"logits\", \"element\": \"f32\", \"shape\": [\"W\", 64], \"role\": \"logits\"}]}," \
  "  {\"name\": \"read\", \"max_tokens\": 50," \
  "   \"inputs\": []," \
  "   \"outputs\": [{\"name\": \"sum\", \"element\": \"f32\", \"shape\": [1], \"role\": \"other\"}]}]," \
  " \"waivers\": []}"
/* clang-format on */

const kv_plugin *kvasir_plugin(const kv_host *host);

#ifdef __cplusplus
}
#endif

#endif
