// SPDX-License-Identifier: MIT
#include "plugins/writer.h"

#include "plugins/digest.h"
#include "plugins/elf_image.h"
#include "plugins/plugin_image.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <iterator>
#include <sys/stat.h>
#include <unistd.h>

namespace kvasir {
namespace {

constexpr uint64_t kSectionBorder = 64;
constexpr const char *kDigests = "digests";

constexpr uint64_t alignTo(uint64_t size, uint64_t border) { return (size + border - 1) / border * border; }

void setHash(uint8_t (&field)[32], const Digest &digest) { std::copy(digest.begin(), digest.end(), std::begin(field)); }

template <typename T> std::span<const uint8_t> bytesOf(const T &value) {
  return {reinterpret_cast<const uint8_t *>(&value), sizeof value};
}

std::span<const uint8_t> bytesOf(const std::vector<kv_section> &directory) {
  return {reinterpret_cast<const uint8_t *>(directory.data()), directory.size() * sizeof(kv_section)};
}

std::string directoryOf(const std::string &path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

std::string temporaryName(const std::string &path) { return path + ".tmp-" + std::to_string(getpid()); }

} // namespace

Failure ArtefactWriter::failure(const std::string &why) const { return {"cannot write '" + path + "': " + why}; }

Failure ArtefactWriter::systemFailure() const {
  const int error = errno;
  if (error == ENOSPC || error == EDQUOT)
    return failure(std::string("the disk is full (") + std::strerror(error) + "), the file needs " +
                   std::to_string(manifest.file_size) + " bytes");
  return failure(std::strerror(error));
}

Result<std::unique_ptr<ArtefactWriter>> ArtefactWriter::begin(const std::string &path, std::span<const uint8_t> image,
                                                              const std::vector<Section> &sections,
                                                              uint64_t weightsSize) {
  std::unique_ptr<ArtefactWriter> writer(new ArtefactWriter(path));
  if (Status status = writer->create(); !status)
    return Failure{status.message()};
  if (Status status = writer->place(image, sections, weightsSize); !status)
    return Failure{status.message()};
  return writer;
}

ArtefactWriter::~ArtefactWriter() {
  if (!unfinishedPath.empty())
    unlink(unfinishedPath.c_str());
}

Status ArtefactWriter::create() {
  struct stat facts;
  if (stat(path.c_str(), &facts) == 0 && !S_ISREG(facts.st_mode))
    return failure("it is there already and is no regular file");
  // A file without a name is gone when its process is, however that ends. It gets its name through /proc.
  const bool canBeNamed = access("/proc/self/fd", X_OK) == 0;
  if (canBeNamed)
    file = FileDescriptor(open(directoryOf(path).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666));
  if (file)
    return Done{};
  if (canBeNamed && errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL)
    return systemFailure();
  const std::string name = temporaryName(path);
  unlink(name.c_str());
  file = FileDescriptor(open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666));
  if (!file)
    return systemFailure();
  unfinishedPath = name;
  return Done{};
}

Status ArtefactWriter::reserve(uint64_t size) {
  if (ftruncate(file.get(), off_t(size)) != 0)
    return systemFailure();
  if (size && fallocate(file.get(), 0, 0, off_t(size)) != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
    return systemFailure();
  return Done{};
}

Status ArtefactWriter::put(uint64_t offset, std::span<const uint8_t> bytes) {
  if (!writeFully(file.get(), offset, bytes))
    return systemFailure();
  return Done{};
}

Status ArtefactWriter::place(std::span<const uint8_t> image, const std::vector<Section> &sections,
                             uint64_t weightsSize) {
  manifest.file_size = image.size(); // for the message of a full disk
  if (Status status = put(0, image); !status)
    return status;
  Result<PluginImage> parsed = readPluginImage(file.get(), image.size());
  if (!parsed)
    return failure("the linked image " + parsed.message());
  manifest = parsed->manifest;
  manifestOffset = parsed->manifestOffset;
  manifest.image_size = image.size();

  for (const Section &section : sections)
    if (section.name.empty() || section.name.size() >= sizeof kv_section::name || section.name == kDigests)
      return failure("section '" + section.name + "' has no name, a long one or the writer's own");
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
  if (Status status = reserve(manifest.file_size); !status)
    return status;
  for (size_t i = 0; i < sections.size(); ++i)
    if (Status status = put(directory[i].offset, sections[i].bytes); !status)
      return status;
  return Done{};
}

Status ArtefactWriter::write(uint64_t offset, std::span<const uint8_t> bytes) {
  if (!liesInside(offset, bytes.size(), manifest.weights_size))
    return failure("weights at " + std::to_string(offset) + ", " + std::to_string(bytes.size()) +
                   " bytes, end after the " + std::to_string(manifest.weights_size) + " that were announced");
  return put(manifest.weights_offset + offset, bytes);
}

Status ArtefactWriter::seal() {
  if (manifest.weights_size) {
    Result<std::vector<Digest>> leaves = leafDigests(file.get(), manifest.weights_offset, manifest.weights_size);
    if (!leaves)
      return failure(leaves.message());
    kv_section &digests = directory.back();
    setHash(digests.hash, sha256(leafBytes(*leaves)));
    setHash(manifest.weights_root, sha256(leafBytes(*leaves)));
    if (Status status = put(digests.offset, leafBytes(*leaves)); !status)
      return status;
  }
  setHash(manifest.directory_hash, sha256(bytesOf(directory)));
  if (Status status = put(manifest.directory_offset, bytesOf(directory)); !status)
    return status;
  manifest.flags |= KV_SEALED;
  std::fill(std::begin(manifest.build_id), std::end(manifest.build_id), 0);
  if (Status status = put(manifestOffset, bytesOf(manifest)); !status)
    return status;
  Result<Digest> build = imageDigest(file.get(), manifest.image_size, 0, 0);
  if (!build)
    return failure(build.message());
  setHash(manifest.build_id, *build);
  return put(manifestOffset, bytesOf(manifest));
}

Status ArtefactWriter::publish() {
  if (fsync(file.get()) != 0)
    return systemFailure();
  if (unfinishedPath.empty()) {
    // linkat can't replace a file, rename can: the name in between lives for an instant.
    const std::string name = temporaryName(path);
    const std::string self = "/proc/self/fd/" + std::to_string(file.get());
    unlink(name.c_str());
    if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0)
      return systemFailure();
    unfinishedPath = name;
  }
  if (rename(unfinishedPath.c_str(), path.c_str()) != 0)
    return systemFailure();
  unfinishedPath.clear();
  return Done{};
}

Status ArtefactWriter::finish() {
  if (Status status = seal(); !status)
    return status;
  if (Result<PluginImage> sealed = readPluginImage(file.get(), manifest.file_size); !sealed)
    return failure("it would be refused: it " + sealed.message());
  return publish();
}

} // namespace kvasir
