// SPDX-License-Identifier: MIT
#include "plugins/loader.h"

#include "plugins/cpu_features.h"
#include "plugins/plugin_image.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

namespace kvasir {
namespace {

constexpr const char *kCompileAgain = "; compile it again on this machine or with another --target";

/// Is a plugin of this manifest for this host? Nothing of the file has run yet.
Status checkManifest(const kv_manifest &manifest) {
  if (manifest.kind != KV_KIND_MODEL)
    return Failure{"is of kind " + std::to_string(manifest.kind) +
                   (manifest.kind == KV_KIND_BACKEND ? " (a backend)" : "") + ", a model is of kind " +
                   std::to_string(KV_KIND_MODEL)};
  if (Status status = checkAbi(manifest); !status)
    return status;
  if (manifest.flags & ~uint32_t(KV_SEALED))
    return Failure{"has flags that this host does not know (" + std::to_string(manifest.flags) + ")"};
  const long pageBytes = sysconf(_SC_PAGESIZE);
  if (manifest.page_bytes % uint64_t(pageBytes) != 0 || manifest.page_bytes == 0)
    return Failure{"is laid out for pages of " + std::to_string(manifest.page_bytes) + " bytes, this machine has " +
                   std::to_string(pageBytes)};
  const std::string missing =
      cpuFeatureNames(missingCpuFeatures({manifest.cpu_features[0], manifest.cpu_features[1]}, hostCpuFeatures()));
  if (!missing.empty())
    return Failure{"needs CPU features that this machine lacks: " + missing + kCompileAgain};
  return Done{};
}

/// What the machine lacks for a variant; empty if it can run it.
std::string missingFor(const VariantDescription &variant, const CpuFeatures &host) {
  std::string missing;
  for (const std::string &name : variant.features) {
    const std::optional<CpuFeatures> feature = cpuFeatureFromName(name);
    if (!feature || missingCpuFeatures(*feature, host) != CpuFeatures{})
      missing += (missing.empty() ? "" : " ") + name;
  }
  return missing;
}

} // namespace

Result<std::unique_ptr<LoadedPlugin>> LoadedPlugin::load(const std::string &path, const LoadOptions &options) {
  auto refuse = [&](const std::string &why) { return Failure{"cannot load '" + path + "': " + why}; };
  Result<PluginFile> file = PluginFile::open(path, options.codeCopy);
  if (!file)
    return refuse(file.message());
  if (Status status = checkManifest(file->manifest()); !status)
    return refuse(status.message());
  std::unique_ptr<LoadedPlugin> loaded(new LoadedPlugin(std::move(*file)));
  const char *environment = std::getenv("KVASIR_VARIANT");
  const std::string wanted = options.variant.empty() && environment ? environment : options.variant;
  if (Status status = loaded->chooseVariant(wanted); !status)
    return refuse(status.message());
  if (Status status = loaded->mapWeights(options.weights); !status)
    return refuse(status.message());
  if (options.verifyWeights)
    if (Status status = loaded->pluginFile.verifyWeights(); !status)
      return refuse(status.message());
  loaded->findServices(options.services);
  if (Status status = loaded->openCode(); !status)
    return refuse(status.message());
  return loaded;
}

LoadedPlugin::~LoadedPlugin() {
  if (library)
    dlclose(library);
  if (weightBytes)
    munmap(const_cast<uint8_t *>(weightBytes), pluginFile.manifest().weights_size);
}

std::string LoadedPlugin::variantName() const {
  const auto &variants = description().variants;
  return variants.empty() ? "any" : variants[variantIndex].name;
}

Status LoadedPlugin::chooseVariant(const std::string &wanted) {
  const auto &variants = description().variants;
  if (variants.empty() && wanted.empty())
    return Done{};
  const CpuFeatures host = hostCpuFeatures();
  std::string names, lacks;
  for (uint32_t i = 0; i < variants.size(); ++i) {
    names += (i ? ", " : "") + variants[i].name;
    if (!wanted.empty() && variants[i].name != wanted)
      continue;
    const std::string missing = missingFor(variants[i], host);
    if (missing.empty()) {
      variantIndex = i;
      return Done{};
    }
    lacks += (lacks.empty() ? "" : "; ") + variants[i].name + " needs " + missing;
  }
  if (lacks.empty())
    return Failure{"has no variant '" + wanted + "'; it has " + (names.empty() ? "none" : names)};
  return Failure{"has no variant for this machine, which lacks CPU features: " + lacks + kCompileAgain};
}

Status LoadedPlugin::mapWeights(WeightsAccess access) {
  const kv_manifest &manifest = pluginFile.manifest();
  const uint64_t size = manifest.weights_size;
  if (size == 0)
    return Done{};
  const bool copied = access == WeightsAccess::copy;
  void *bytes =
      copied ? mapForCopy(size)
             : mmap(nullptr, size, PROT_READ, MAP_SHARED, pluginFile.descriptor(), off_t(manifest.weights_offset));
  if (bytes == MAP_FAILED)
    return Failure{"its weights can't be mapped: " + systemError()};
  weightBytes = static_cast<const uint8_t *>(bytes); // unmapped by the destructor from here on
  if (copied) {
    if (!readFully(pluginFile.descriptor(), manifest.weights_offset, {static_cast<uint8_t *>(bytes), size}))
      return Failure{"was cut short while its weights were read"};
    mprotect(bytes, size, PROT_READ);
  }
  // EFAULT, and no signal, if the file was cut since. EINVAL: older than Linux 5.14, where nothing is lost but time.
  if (access == WeightsAccess::populate && madvise(bytes, size, MADV_POPULATE_READ) != 0 && errno != EINVAL)
    return Failure{"its weights can't be read in: " + systemError()};
  return Done{};
}

/// Code without one of its services computes as its fallback does.
void LoadedPlugin::findServices(ServiceUse use) {
  for (const ServiceDescription &wanted : described.services) {
    const Result<const kv_service *> service =
        use == ServiceUse::offered ? offerService(wanted) : Failure{"the host gives none"};
    serviceTables.push_back(service ? (*service)->table : nullptr);
    if (!service)
      described.numerics.id = wanted.fallback, described.numerics.invariant = wanted.fallbackInvariant;
  }
}

Status LoadedPlugin::openCode() {
  const std::string path = "/proc/self/fd/" + std::to_string(pluginFile.codeDescriptor());
  if (access(path.c_str(), R_OK) != 0)
    return Failure{"its code can't be reached as " + path + ": is /proc mounted?"};
  library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return Failure{std::string("the system's loader refuses it: ") + dlerror()};
  const auto makePlugin = reinterpret_cast<kvasir_plugin_fn>(dlsym(library, "kvasir_plugin"));
  if (!makePlugin)
    return Failure{"does not export the function kvasir_plugin"};
  const kv_host host = {sizeof(kv_host), KV_ABI, variantIndex, 0};
  plugin = makePlugin(&host);
  if (!plugin)
    return Failure{"declined this host (ABI " + std::to_string(KV_ABI) + ", variant " + variantName() + ")"};
  if (!KV_HAS(plugin, kv_plugin, execute) || !plugin->prepare || !plugin->execute)
    return Failure{"has no function prepare, or none called execute"};
  return Done{};
}

} // namespace kvasir
