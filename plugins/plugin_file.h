// SPDX-License-Identifier: MIT
// A plugin's file: everything that it says, read and checked without running any of its code.
#ifndef KVASIR_PLUGINS_PLUGIN_FILE_H
#define KVASIR_PLUGINS_PLUGIN_FILE_H

#include "kvasir/manifest.h"
#include "plugins/description.h"
#include "plugins/file_io.h"
#include "plugins/result.h"
#include "plugins/tensors.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvasir {

/// Whether the code is copied to a sealed memory file, so that what was checked is what runs. Off only where the system
/// forbids memory files to be executed.
enum class CodeCopy { sealed, none };

class PluginFile {
public:
  /// Opens and checks: structure, load policy, hashes of image and directory. Sections are checked as they are read,
  /// the weights by verifyWeights. Cost: 0.3 ms and the image's size in memory. The failure is the reason alone,
  /// without the path.
  static Result<PluginFile> open(const std::string &path, CodeCopy copy = CodeCopy::sealed);

  const kv_manifest &manifest() const { return header; }
  const Description &description() const { return content; }
  const Digest &schema() const { return schemaDigest; } ///< schemaHash of the description's slots

  /// Was it made by the compiler, with hashes over all of it?
  bool isSealed() const { return header.flags & KV_SEALED; }

  const std::vector<kv_section> &sections() const { return directory; }

  /// The bytes of a section, checked against their hash. Fails if there is none of the name.
  Result<std::vector<uint8_t>> section(std::string_view name) const;

  /// Reads every section, so that damage in any is found.
  Status verifySections() const;

  /// Section "tensors", or no tensors if there is none.
  Result<std::vector<WeightTensor>> tensors() const;

  /// Reads all weights and compares them with their digests. The failure names each damaged MiB and its tensors.
  /// Cost: 90 MB in 40 ms on two cores, when they are cached.
  Status verifyWeights() const;

  /// Fails if the file was cut or grown since: the mapped weights behind its new end can't be read. To be asked before
  /// every call. Cost: one fstat.
  Status stillWhole() const;

  int descriptor() const { return file.get(); }

  /// Where the checked code is. It must stay open as long as the library is: ld.so knows libraries by path, and the
  /// next file with this descriptor's number would be taken for this one.
  int codeDescriptor() const { return code ? code.get() : file.get(); }

private:
  PluginFile() = default;

  Status copyCode(uint64_t imageSize);
  Status checkImage(uint64_t manifestOffset, uint64_t imageSize);
  Status readDirectory();
  Status checkSections() const;

  FileDescriptor file, code;
  kv_manifest header = {};
  Description content;
  Digest schemaDigest = {};
  std::vector<kv_section> directory;
};

} // namespace kvasir

#endif
