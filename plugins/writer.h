// SPDX-License-Identifier: MIT
// Writes a plugin's file: image, sections, directory, weights. The file appears under its name whole, or not at all.
#ifndef KVASIR_PLUGINS_WRITER_H
#define KVASIR_PLUGINS_WRITER_H

#include "kvasir/manifest.h"
#include "plugins/window_writer.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace kvasir {

/// A named run of bytes behind the image: "tensors", "tokenizer". "digests" is the writer's own.
struct Section {
  std::string name; ///< 1 to 31 characters
  std::vector<uint8_t> bytes;
};

class ArtefactWriter {
public:
  /// Begins a file for the linked image, whose note comes from makeNote, and reserves the disk for all of it. Fails if
  /// the disk is full, or if a loader would refuse the image.
  static Result<std::unique_ptr<ArtefactWriter>> begin(const std::string &path, std::span<const uint8_t> image,
                                                       const std::vector<Section> &sections, uint64_t weightsSize);

  /// Writes bytes of the weights. May be called from many threads, for different bytes; what is never written is zero.
  Status write(uint64_t offset, std::span<const uint8_t> bytes);

  /// Seals the file (digests, directory, build id), brings it to the disk, and gives it its name.
  /// Cost: 40 ms for 90 MB of weights on two cores, and the disk's time.
  Status finish();

private:
  explicit ArtefactWriter(std::unique_ptr<NewFile> file) : file(std::move(file)) {}

  Status place(std::span<const uint8_t> image, const std::vector<Section> &sections, uint64_t weightsSize);
  Status seal();

  std::unique_ptr<NewFile> file;
  std::optional<WindowWriter> weights;
  kv_manifest manifest = {};
  uint64_t manifestOffset = 0;
  std::vector<kv_section> directory;
};

} // namespace kvasir

#endif
