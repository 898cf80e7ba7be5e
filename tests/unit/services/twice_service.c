/* SPDX-License-Identifier: MIT
 * Service "twice". It does what plugins need that need "numbers", and nothing for others. */
#include "twice.h"

#include "kvasir/service.h"

#include <string.h>

#ifndef TWICE_NAME
#define TWICE_NAME "twice"
#endif
#ifndef TWICE_VERSION
#define TWICE_VERSION 1
#endif

static float twice(float number) { return number + number; }

static const twice_table table = {twice};

static void say(const char *line, char *message, uint64_t message_bytes) {
  strncpy(message, line, message_bytes - 1);
  message[message_bytes - 1] = 0;
}

static kv_status check(const kv_service *service, const char *needs, char *message, uint64_t message_bytes) {
  (void)service;
  if (strcmp(needs, "numbers") == 0)
    return KV_OK;
  say("it doubles numbers only", message, message_bytes);
  return KV_UNSUPPORTED;
}

static const kv_service service = {sizeof(kv_service),        KV_SERVICE_ABI, TWICE_VERSION, 0, TWICE_NAME,
                                   "adds a number to itself", &table,         check};

__attribute__((visibility("default"))) const kv_service *kvasir_service(char *message, uint64_t message_bytes) {
#ifdef TWICE_REFUSES
  say("this machine can't add", message, message_bytes);
  return 0;
#endif
  (void)message, (void)message_bytes;
  return &service;
}
