// SPDX-License-Identifier: MIT
#include "plugins/plugin_image.h"

#include "plugins/elf_image.h"
#include "plugins/file_io.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace kvasir {
namespace {

constexpr uint64_t kMaxDescriptionBytes = 1 << 20;
constexpr uint64_t kMaxManifestBytes = 4096;
constexpr uint64_t kMaxImageBytes = 256 << 20;
constexpr uint64_t kMaxSections = 64;
/// What format 1 began with.
constexpr uint64_t kMinManifestBytes = offsetof(kv_manifest, producer) + sizeof(kv_manifest::producer);

std::string bytesText(uint64_t bytes) { return std::to_string(bytes) + " bytes"; }

/// Printable ASCII before a 0?
bool isPlain(const char *text, size_t capacity) {
  const char *end = std::find(text, text + capacity, '\0');
  return end != text + capacity && std::all_of(text, end, [](char c) { return c >= 0x20 && c <= 0x7e; });
}

Status readManifest(int fd, FileRange note, PluginImage &image) {
  kv_manifest &manifest = image.manifest;
  if (note.size < kMinManifestBytes ||
      !readFully(fd, note.offset, {reinterpret_cast<uint8_t *>(&manifest), std::min(note.size, sizeof manifest)}))
    return Failure{"has a manifest of " + bytesText(note.size) + ", expected at least " +
                   std::to_string(kMinManifestBytes)};
  if (manifest.format != KV_FORMAT)
    return Failure{"has manifest format " + std::to_string(manifest.format) + ", this host reads format " +
                   std::to_string(KV_FORMAT) + "; compile it again"};
  if (manifest.size < kMinManifestBytes || manifest.size > kMaxManifestBytes ||
      manifest.description_size > kMaxDescriptionBytes ||
      uint64_t(manifest.size) + manifest.description_size != note.size)
    return Failure{"has a manifest of " + bytesText(manifest.size) + " and a description of " +
                   bytesText(manifest.description_size) + " in a note of " + bytesText(note.size)};
  if (manifest.abi_min > manifest.abi_max || manifest.abi_min == 0)
    return Failure{"has the empty ABI range " + std::to_string(manifest.abi_min) + " to " +
                   std::to_string(manifest.abi_max)};
  if (!isPlain(manifest.name, sizeof manifest.name) || !isPlain(manifest.producer, sizeof manifest.producer))
    return Failure{"has a manifest whose name or producer is not plain text"};
  image.manifestOffset = note.offset;
  image.description.resize(manifest.description_size);
  if (!readFully(fd, note.offset + manifest.size,
                 {reinterpret_cast<uint8_t *>(image.description.data()), image.description.size()}))
    return Failure{"has a description that can't be read"};
  return Done{};
}

/// Before the load policy, whose refusals of constructors and imports would not say where those come from.
Status checkSanitizer(const kv_manifest &manifest) {
  if (manifest.flags & KV_SANITIZED)
    return Failure{"was built with a sanitizer, whose runtime a plugin can't have; build it without, or link its "
                   "source into a host that was"};
  return Done{};
}

Status checkUnsealed(const kv_manifest &manifest) {
  const bool empty = !manifest.file_size && !manifest.image_size && !manifest.directory_offset &&
                     !manifest.directory_size && !manifest.weights_offset && !manifest.weights_size;
  if (!empty)
    return Failure{"is not sealed, but its manifest names sizes and places: it is damaged or not finished"};
  return Done{};
}

/// Image, sections, directory and weights follow each other; the weights or the directory end the file.
Status checkPlaces(const kv_manifest &manifest, uint64_t fileSize) {
  if (manifest.file_size != fileSize)
    return Failure{"is " + bytesText(fileSize) + " long, its manifest says " + std::to_string(manifest.file_size) +
                   ": it is cut short, grown or not finished"};
  if (manifest.image_size > fileSize)
    return Failure{"has an image of " + bytesText(manifest.image_size) + " in a file of " + std::to_string(fileSize)};
  const uint64_t weightsBegin = manifest.weights_size ? manifest.weights_offset : fileSize;
  if (weightsBegin > fileSize || manifest.weights_size != fileSize - weightsBegin ||
      (manifest.weights_size && weightsBegin % KV_WEIGHTS_BORDER))
    return Failure{"has weights at " + std::to_string(manifest.weights_offset) + ", " +
                   bytesText(manifest.weights_size) + ", that do not end the file (" + std::to_string(fileSize) +
                   ") from a border of " + std::to_string(KV_WEIGHTS_BORDER)};
  if (manifest.directory_offset < manifest.image_size || manifest.directory_size % sizeof(kv_section) ||
      manifest.directory_size > kMaxSections * sizeof(kv_section) ||
      !liesInside(manifest.directory_offset, manifest.directory_size, weightsBegin))
    return Failure{"has a directory at " + std::to_string(manifest.directory_offset) + ", " +
                   bytesText(manifest.directory_size) + ", that does not lie between its image and its weights"};
  return Done{};
}

} // namespace

Status checkAbi(const kv_manifest &manifest) {
  if (manifest.abi_min > KV_ABI || manifest.abi_max < KV_ABI)
    return Failure{"needs plugin ABI " + std::to_string(manifest.abi_min) + " to " + std::to_string(manifest.abi_max) +
                   ", this host has " + std::to_string(KV_ABI) + "; compile it again"};
  return Done{};
}

Result<PluginImage> readPluginImage(int fd, uint64_t fileSize) {
  Result<ElfImage> elf = ElfImage::open(fd, fileSize);
  if (!elf)
    return Failure{elf.message()};
  Result<FileRange> note = elf->findNote();
  if (!note)
    return Failure{note.message()};
  PluginImage image;
  if (Status status = readManifest(fd, *note, image); !status)
    return Failure{status.message()};
  if (Status status = checkSanitizer(image.manifest); !status)
    return Failure{status.message()};
  const bool sealed = image.manifest.flags & KV_SEALED;
  if (Status status = sealed ? checkPlaces(image.manifest, fileSize) : checkUnsealed(image.manifest); !status)
    return Failure{status.message()};
  image.imageSize = sealed ? image.manifest.image_size : fileSize;
  if (image.imageSize > kMaxImageBytes)
    return Failure{"has an image of " + bytesText(image.imageSize) + ", at most " + std::to_string(kMaxImageBytes) +
                   " are allowed"};
  if (elf->mappedEnd() > image.imageSize || image.manifestOffset > image.imageSize)
    return Failure{"has segments up to byte " + std::to_string(elf->mappedEnd()) + ", its image ends at " +
                   std::to_string(image.imageSize)};
  if (Status status = elf->checkDynamic(); !status) {
    // Another ABI may allow more, and its number says more.
    const Status fits = checkAbi(image.manifest);
    return Failure{fits ? status.message() : fits.message()};
  }
  return image;
}

} // namespace kvasir
