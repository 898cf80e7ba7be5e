/* SPDX-License-Identifier: MIT
 *
 * Run-time services: C11 and C++, self-contained.
 *
 * A service is what a backend needs at run time and generated code can't hold, such as a library that generates its own
 * code. It is a shared library of its own, `libkvasir-service-NAME.so`, that exports one symbol, `kvasir_service`. A
 * host opens it when the first plugin that lists it is loaded, keeps it until the process ends, and hands its table to
 * plugins in kv_call.services. A plugin can do without: each place that calls a service has generated code beside it.
 *
 * The rules of kvasir/plugin.h hold here, too.
 */
#ifndef KVASIR_SERVICE_H
#define KVASIR_SERVICE_H

#include "kvasir/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever a field changes meaning. */
#define KV_SERVICE_ABI 1

typedef struct kv_service {
  uint32_t size;
  uint32_t abi;        /* KV_SERVICE_ABI */
  uint32_t version;    /* of the table; a plugin takes exactly the one that it was made for */
  uint32_t reserved;
  const char *name;    /* as in the library's name: small letters, digits and - */
  const char *about;   /* one line for people: what does the work, and how */
  const void *table;   /* what plugins call; name and version say what it is */
  /* May this plugin use it? `needs` is what the plugin's description says, one line in the service's own words.
   * Else the reason is written to `message`, and the plugin runs without. Called once a plugin is loaded, from any
   * thread. */
  kv_status (*check)(const struct kv_service *service, const char *needs, char *message, uint64_t message_bytes);
} kv_service;

/* The one exported symbol. The service is constant and valid for good. Null, with the reason in `message`, where this
 * process or machine can't have it. Called once a process. */
typedef const kv_service *(*kvasir_service_fn)(char *message, uint64_t message_bytes);

#ifdef __cplusplus
}
#endif

#endif
