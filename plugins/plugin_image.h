// SPDX-License-Identifier: MIT
// The image of a plugin with its manifest and description, read without running it.
#ifndef KVASIR_PLUGINS_PLUGIN_IMAGE_H
#define KVASIR_PLUGINS_PLUGIN_IMAGE_H

#include "kvasir/manifest.h"
#include "plugins/result.h"

#include <cstdint>
#include <string>

namespace kvasir {

struct PluginImage {
  kv_manifest manifest = {};
  uint64_t manifestOffset = 0; ///< in the file
  uint64_t imageSize = 0;      ///< the shared object is bytes [0, imageSize)
  std::string description;     ///< JSON, not yet parsed
};

/// Reads the image from a file of `fileSize` bytes, of which `fd` needs to have only the image; bytes are hostile.
/// What it returns obeys the load policy, and every place that its manifest names lies inside the file.
Result<PluginImage> readPluginImage(int fd, uint64_t fileSize);

/// Is the plugin made for this host's KV_ABI?
Status checkAbi(const kv_manifest &manifest);

} // namespace kvasir

#endif
