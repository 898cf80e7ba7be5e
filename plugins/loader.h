// SPDX-License-Identifier: MIT
// Loads a plugin: everything is checked before any of its code runs, and what was checked is what runs.
#ifndef KVASIR_PLUGINS_LOADER_H
#define KVASIR_PLUGINS_LOADER_H

#include "kvasir/plugin.h"
#include "plugins/plugin_file.h"
#include "plugins/services.h"

#include <memory>
#include <string>

namespace kvasir {

/// How the weights get to memory.
enum class WeightsAccess {
  map,      ///< no work at load; pages are read when they are first needed
  populate, ///< mapped, and read in before load returns
  copy      ///< a private copy: what happens to the file afterwards does no harm; costs their size in memory
};

struct LoadOptions {
  WeightsAccess weights = WeightsAccess::map;
  bool verifyWeights = false;
  /// The variant to run, for tests; empty: what the environment's KVASIR_VARIANT says, else the first that this machine
  /// can run.
  std::string variant = {};
  CodeCopy codeCopy = CodeCopy::sealed;
  ServiceUse services = ServiceUse::offered;
};

/// A plugin whose code is in the process. Its functions may be called from any thread.
class LoadedPlugin {
public:
  /// Loads the file, or says in one line "cannot load 'path': …". Cost: 0.3 ms and no memory for the weights, with
  /// WeightsAccess::map. May be called from any thread; the same file may be loaded more than once.
  static Result<std::unique_ptr<LoadedPlugin>> load(const std::string &path, const LoadOptions &options = {});

  LoadedPlugin(const LoadedPlugin &) = delete;
  LoadedPlugin &operator=(const LoadedPlugin &) = delete;
  ~LoadedPlugin();

  const PluginFile &file() const { return pluginFile; }

  /// The file's, but with the numerics that the code has here: of a fallback where a service is not offered.
  const Description &description() const { return described; }

  /// The tables of the services that the description lists, as kv_call.services; null for one that is not offered.
  const std::vector<const void *> &services() const { return serviceTables; }

  /// prepare and execute, both there.
  const kv_plugin &table() const { return *plugin; }

  std::span<const uint8_t> weights() const { return {weightBytes, pluginFile.manifest().weights_size}; }

  /// Index into the description's variants, and its name ("any" where the description lists none).
  uint32_t variant() const { return variantIndex; }
  std::string variantName() const;

private:
  explicit LoadedPlugin(PluginFile file) : pluginFile(std::move(file)), described(pluginFile.description()) {}

  Status chooseVariant(const std::string &wanted);
  Status mapWeights(WeightsAccess access);
  void findServices(ServiceUse use);
  Status openCode();

  PluginFile pluginFile; // its descriptors close last
  Description described;
  std::vector<const void *> serviceTables;
  uint32_t variantIndex = 0;
  const uint8_t *weightBytes = nullptr;
  void *library = nullptr;
  const kv_plugin *plugin = nullptr;
};

} // namespace kvasir

#endif
