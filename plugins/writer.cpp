// SPDX-License-Identifier: MIT
#include "plugins/writer.h"

#include "plugins/alignment.h"
#include "plugins/digest.h"
#include "plugins/elf_image.h"
#include "plugins/plugin_image.h"

#include <algorithm>
#include <iterator>

namespace kvasir {
namespace {

constexpr uint64_t kSectionBorder = 64;
constexpr const char *kDigests = "digests";

void setHash(uint8_t (&field)[32], const Digest &digest) { std::copy(digest.begin(), digest.end(), std::begin(field)); }

template <typename T> std::span<const uint8_t> bytesOf(const T &value) {
  return {reinterpret_cast<const uint8_t *>(&value), sizeof value};
}

std::span<const uint8_t> bytesOf(const std::vector<kv_section> &directory) {
  return {reinterpret_cast<const uint8_t *>(directory.data()), directory.size() * sizeof(kv_section)};
}

} // namespace

Result<std::unique_ptr<ArtefactWriter>> ArtefactWriter::begin(const std::string &path, std::span<const uint8_t> image,
                                                              const std::vector<Section> &sections,
                                                              uint64_t weightsSize) {
  Result<std::unique_ptr<NewFile>> file = NewFile::begin(path);
  if (!file)
    return Failure{file.message()};
  std::unique_ptr<ArtefactWriter> writer(new ArtefactWriter(std::move(*file)));
  if (Status status = writer->place(image, sections, weightsSize); !status)
    return Failure{status.message()};
  return writer;
}

Status ArtefactWriter::place(std::span<const uint8_t> image, const std::vector<Section> &sections,
                             uint64_t weightsSize) {
  file->announce(image.size());
  if (Status status = file->put(0, image); !status)
    return status;
  Result<PluginImage> parsed = readPluginImage(file->descriptor(), image.size());
  if (!parsed)
    return file->failure("the linked image " + parsed.message());
  manifest = parsed->manifest;
  manifestOffset = parsed->manifestOffset;
  manifest.image_size = image.size();

  for (const Section &section : sections)
    if (section.name.empty() || section.name.size() >= sizeof kv_section::name || section.name == kDigests)
      return file->failure("section '" + section.name + "' has no name, a long one or the writer's own");
  uint64_t end = image.size();
  auto addSection = [&](const std::string &name, std::span<const uint8_t> bytes, uint64_t size) {
    kv_section entry = {};
    name.copy(entry.name, sizeof entry.name - 1);
    entry.offset = alignTo(end, kSectionBorder);
    entry.size = size;
    setHash(entry.hash, sha256(bytes));
    end = entry.offset + size;
    directory.push_back(entry);
  };
  for (const Section &section : sections)
    addSection(section.name, section.bytes, section.bytes.size());
  if (weightsSize)
    addSection(kDigests, {}, alignTo(weightsSize, KV_DIGEST_LEAF_BYTES) / KV_DIGEST_LEAF_BYTES * sizeof(Digest));

  manifest.directory_offset = alignTo(end, kSectionBorder);
  manifest.directory_size = directory.size() * sizeof(kv_section);
  end = manifest.directory_offset + manifest.directory_size;
  manifest.weights_offset = weightsSize ? alignTo(end, KV_WEIGHTS_BORDER) : 0;
  manifest.weights_size = weightsSize;
  manifest.file_size = weightsSize ? manifest.weights_offset + weightsSize : end;
  if (Status status = file->reserve(manifest.file_size); !status)
    return status;
  if (weightsSize)
    weights.emplace(*file, manifest.weights_offset, manifest.file_size);
  for (size_t i = 0; i < sections.size(); ++i)
    if (Status status = file->put(directory[i].offset, sections[i].bytes); !status)
      return status;
  return Done{};
}

Status ArtefactWriter::write(uint64_t offset, std::span<const uint8_t> bytes) {
  if (!liesInside(offset, bytes.size(), manifest.weights_size))
    return file->failure("weights at " + std::to_string(offset) + ", " + std::to_string(bytes.size()) +
                         " bytes, end after the " + std::to_string(manifest.weights_size) + " that were announced");
  return weights ? weights->put(manifest.weights_offset + offset, bytes) : Done{};
}

Status ArtefactWriter::seal() {
  if (manifest.weights_size) {
    if (Status status = weights->flush(); !status)
      return status;
    Result<std::vector<Digest>> leaves =
        leafDigests(file->descriptor(), manifest.weights_offset, manifest.weights_size);
    if (!leaves)
      return file->failure(leaves.message());
    kv_section &digests = directory.back();
    setHash(digests.hash, sha256(leafBytes(*leaves)));
    setHash(manifest.weights_root, sha256(leafBytes(*leaves)));
    if (Status status = file->put(digests.offset, leafBytes(*leaves)); !status)
      return status;
  }
  setHash(manifest.directory_hash, sha256(bytesOf(directory)));
  if (Status status = file->put(manifest.directory_offset, bytesOf(directory)); !status)
    return status;
  manifest.flags |= KV_SEALED;
  std::fill(std::begin(manifest.build_id), std::end(manifest.build_id), 0);
  if (Status status = file->put(manifestOffset, bytesOf(manifest)); !status)
    return status;
  Result<Digest> build = imageDigest(file->descriptor(), manifest.image_size, 0, 0);
  if (!build)
    return file->failure(build.message());
  setHash(manifest.build_id, *build);
  return file->put(manifestOffset, bytesOf(manifest));
}

Status ArtefactWriter::finish() {
  if (Status status = seal(); !status)
    return status;
  if (Result<PluginImage> sealed = readPluginImage(file->descriptor(), manifest.file_size); !sealed)
    return file->failure("it would be refused: it " + sealed.message());
  return file->publish();
}

} // namespace kvasir
