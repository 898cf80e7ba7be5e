// SPDX-License-Identifier: MIT
// Run-time services, from a name to an open library (kvasir/service.h).
#ifndef KVASIR_PLUGINS_SERVICES_H
#define KVASIR_PLUGINS_SERVICES_H

#include "kvasir/service.h"
#include "plugins/description.h"
#include "plugins/result.h"

#include <string>
#include <vector>

namespace kvasir {

/// Whether a host gives plugins services: their libraries may want what it forbids, such as pages that are written and
/// executed.
enum class ServiceUse { offered, none };

/// Where `libkvasir-service-NAME.so` is looked for: the folders of the environment's KVASIR_SERVICE_PATH, then
/// kvasir/services beside this code's own library or program, and in the lib folder beside that one's.
std::vector<std::string> serviceFolders();

/// The service that a plugin lists, if it is there, opens, has that version and does what the plugin needs; else one
/// line that says why not. A library is opened once a process and stays. May be called from any thread. The
/// environment's KVASIR_SERVICES=none refuses all.
Result<const kv_service *> offerService(const ServiceDescription &wanted);

} // namespace kvasir

#endif
