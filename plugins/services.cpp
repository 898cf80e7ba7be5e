// SPDX-License-Identifier: MIT
#include "plugins/services.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>

namespace kvasir {
namespace {

constexpr size_t kMessageBytes = 512;

using Opened = Result<const kv_service *>;

std::string lineOf(const char *message, const char *otherwise) {
  const std::string line(message, strnlen(message, kMessageBytes));
  return line.empty() ? otherwise : line;
}

/// The folder of the library or program that this code is in.
std::filesystem::path ownFolder() {
  Dl_info found = {};
  std::error_code error;
  const bool isNamed = dladdr(reinterpret_cast<const void *>(&ownFolder), &found) && found.dli_fname &&
                       std::strchr(found.dli_fname, '/');
  std::filesystem::path self = isNamed ? std::filesystem::canonical(found.dli_fname, error) : std::filesystem::path();
  if (self.empty())
    self = std::filesystem::read_symlink("/proc/self/exe", error);
  return self.parent_path();
}

/// The first library of the name; nothing if no folder has one.
std::optional<std::string> findLibrary(const std::string &name) {
  std::error_code error;
  for (const std::string &folder : serviceFolders())
    if (const std::string path = folder + "/libkvasir-service-" + name + ".so"; std::filesystem::exists(path, error))
      return path;
  return std::nullopt;
}

Opened openLibrary(const std::string &name, const std::string &path) {
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library)
    return Failure{std::string("the system's loader refuses it: ") + dlerror()};
  const auto make = reinterpret_cast<kvasir_service_fn>(dlsym(library, "kvasir_service"));
  if (!make)
    return Failure{"'" + path + "' does not export the function kvasir_service"};
  char message[kMessageBytes] = "";
  const kv_service *service = make(message, sizeof message);
  if (!service)
    return Failure{lineOf(message, "it declines this process, and does not say why")};
  if (!KV_HAS(service, kv_service, check) || service->abi != KV_SERVICE_ABI)
    return Failure{"'" + path + "' was made for another service ABI than " + std::to_string(KV_SERVICE_ABI)};
  if (!service->name || !service->about || !service->table || !service->check)
    return Failure{"'" + path + "' has no name, about, table or check"};
  if (service->name != name)
    return Failure{"'" + path + "' is the service '" + lineOf(service->name, "") + "'"};
  return service;
}

/// Opens the library of this name, once; what was found is remembered unless nothing was.
Opened openOnce(const std::string &name) {
  static std::mutex mutex;
  static auto &known = *new std::map<std::string, Opened>; // lives as long as the libraries
  const std::lock_guard lock(mutex);
  if (const auto found = known.find(name); found != known.end())
    return found->second;
  const std::optional<std::string> path = findLibrary(name);
  if (!path)
    return Failure{"libkvasir-service-" + name +
                   ".so is in no folder that is searched; name its folder in "
                   "KVASIR_SERVICE_PATH"};
  return known.emplace(name, openLibrary(name, *path)).first->second;
}

} // namespace

std::vector<std::string> serviceFolders() {
  std::vector<std::string> folders;
  if (const char *given = std::getenv("KVASIR_SERVICE_PATH"))
    for (std::string_view rest = given; !rest.empty();) {
      const size_t end = std::min(rest.find(':'), rest.size());
      if (end)
        folders.emplace_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  const std::filesystem::path own = ownFolder();
  for (const char *beside : {"kvasir/services", "../lib/kvasir/services", "../" KVASIR_LIBDIR "/kvasir/services"})
    folders.push_back((own / beside).lexically_normal().string());
  return folders;
}

Result<const kv_service *> offerService(const ServiceDescription &wanted) {
  const char *switched = std::getenv("KVASIR_SERVICES");
  if (switched && std::string_view(switched) == "none")
    return Failure{"the environment says KVASIR_SERVICES=none"};
  Opened opened = openOnce(wanted.name);
  if (!opened)
    return opened;
  const kv_service &service = **opened;
  if (service.version != wanted.version)
    return Failure{"it is version " + std::to_string(service.version) + ", the plugin was made for " +
                   std::to_string(wanted.version)};
  char message[kMessageBytes] = "";
  if (service.check(&service, wanted.needs.c_str(), message, sizeof message) != KV_OK)
    return Failure{lineOf(message, "it declines what the plugin needs")};
  return opened;
}

} // namespace kvasir
