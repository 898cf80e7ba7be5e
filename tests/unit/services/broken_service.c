/* SPDX-License-Identifier: MIT
 * Services that break one rule of kvasir/service.h each, for tests: BROKEN is the rule. */
#include "kvasir/service.h"

#include <stddef.h>
#include <string.h>

#define NAMED 1
#define UNNAMED 2
#define ABI 3
#define SHORT 4
#define NO_TABLE 5
#define NO_CHECK 6
#define NO_ABOUT 7
#define UNTERMINATED 8
#define SILENT 9
#define EMPTY 10

#if BROKEN != EMPTY
static kv_status check(const kv_service *service, const char *needs, char *message, uint64_t message_bytes) {
  (void)service, (void)needs;
  if (BROKEN == UNTERMINATED)
    memset(message, 'x', message_bytes);
  return BROKEN == UNTERMINATED || BROKEN == SILENT ? KV_UNSUPPORTED : KV_OK;
}

static const kv_service service = {
    BROKEN == SHORT ? offsetof(kv_service, check) : sizeof(kv_service),
    BROKEN == ABI ? KV_SERVICE_ABI + 1 : KV_SERVICE_ABI,
    1,
    0,
    BROKEN == NAMED     ? "another"
    : BROKEN == UNNAMED ? NULL
                        : NAME,
    BROKEN == NO_ABOUT ? NULL : "breaks a rule",
    BROKEN == NO_TABLE ? NULL : NAME,
    BROKEN == NO_CHECK ? NULL : check,
};

__attribute__((visibility("default"))) const kv_service *kvasir_service(char *message, uint64_t message_bytes) {
  (void)message, (void)message_bytes;
  return &service;
}
#endif
