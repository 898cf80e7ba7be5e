// SPDX-License-Identifier: MIT
#include "plugins/plugin_file.h"

#include "plugins/elf_image.h"
#include "plugins/plugin_image.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace kvasir {
namespace {

constexpr unsigned kMfdExec = 0x10; // Linux 6.3: MFD_EXEC, asked for where memory files are not executable by default
constexpr size_t kMaxNamedLeaves = 4;
constexpr size_t kMaxNamedTensors = 16; // of a leaf

bool isZero(const uint8_t (&hash)[32]) {
  return std::all_of(std::begin(hash), std::end(hash), [](uint8_t byte) { return byte == 0; });
}

bool isEqual(const Digest &digest, const uint8_t (&hash)[32]) {
  return std::equal(digest.begin(), digest.end(), std::begin(hash));
}

std::string_view nameOf(const kv_section &section) {
  return {section.name, strnlen(section.name, sizeof section.name)};
}

FileDescriptor makeMemoryFile() {
  const int fd = memfd_create("kvasir-plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING | kMfdExec);
  if (fd >= 0 || errno != EINVAL)
    return FileDescriptor(fd);
  return FileDescriptor(memfd_create("kvasir-plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING));
}

/// "MiB 17 (blk.3.attn_q.weight), MiB 90 (output.weight) and 3 more".
std::string describeLeaves(const std::vector<size_t> &leaves, const std::vector<WeightTensor> &tensors) {
  std::string text;
  for (size_t i = 0; i < std::min(leaves.size(), kMaxNamedLeaves); ++i) {
    const uint64_t begin = leaves[i] * uint64_t(KV_DIGEST_LEAF_BYTES);
    const std::vector<std::string> held =
        tensorsInRange(tensors, begin, begin + KV_DIGEST_LEAF_BYTES, kMaxNamedTensors + 1);
    std::string names;
    for (size_t name = 0; name < std::min(held.size(), kMaxNamedTensors); ++name)
      names += (name ? " " : "") + held[name];
    names += held.size() > kMaxNamedTensors ? " and more" : "";
    text += (i ? ", MiB " : "MiB ") + std::to_string(leaves[i]) + (names.empty() ? "" : " (" + names + ")");
  }
  if (leaves.size() > kMaxNamedLeaves)
    text += " and " + std::to_string(leaves.size() - kMaxNamedLeaves) + " more";
  return text;
}

/// Files that are given for plugins by mistake.
struct Stranger {
  std::string_view begin;
  const char *what;
  bool isSource;
};
constexpr Stranger kStrangers[] = {
    {"GGUF", "is a GGUF model", true},
    {"KVSTATE\n", "is a saved conversation, not a model; `kvasir run MODEL --state` goes on from it", false},
};
constexpr std::string_view kPackageEnding = ".mlpackage";

std::string withCommand(const std::string &what, std::filesystem::path source) {
  const std::string compiler = "; compile it first: kvasir-compile " + source.string() + " -o ";
  return what + compiler + source.replace_extension(".kvasir").string();
}

/// What is wrong with a file that is none of ours but known.
Status checkFamiliar(int fd, const std::string &path) {
  std::array<uint8_t, 8> begin = {};
  if (!readFully(fd, 0, begin))
    return Done{}; // what it is too short for is said by others
  const std::string_view text(reinterpret_cast<const char *>(begin.data()), begin.size());
  for (const Stranger &stranger : kStrangers)
    if (text.starts_with(stranger.begin))
      return Failure{stranger.isSource ? withCommand(stranger.what, path) : stranger.what};
  return Done{};
}

Status checkKind(const struct stat &facts, std::string path) {
  if (S_ISREG(facts.st_mode))
    return Done{};
  while (path.size() > 1 && path.ends_with('/'))
    path.pop_back();
  if (S_ISDIR(facts.st_mode) && path.ends_with(kPackageEnding))
    return Failure{withCommand("is a Core ML package", path)};
  return Failure{"is no regular file"};
}

} // namespace

Result<PluginFile> PluginFile::open(const std::string &path, CodeCopy copy) {
  PluginFile plugin;
  struct stat facts;
  plugin.file =
      FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)); // a FIFO must not hang us
  if (!plugin.file || fstat(plugin.file.get(), &facts) != 0)
    return Failure{systemError()};
  if (Status status = checkKind(facts, path); !status)
    return Failure{status.message()};
  if (Status status = checkFamiliar(plugin.file.get(), path); !status)
    return Failure{status.message()};
  Result<PluginImage> image = readPluginImage(plugin.file.get(), uint64_t(facts.st_size));
  if (image && copy == CodeCopy::sealed) {
    if (Status status = plugin.copyCode(image->imageSize); !status)
      return Failure{status.message()};
    image = readPluginImage(plugin.code.get(), uint64_t(facts.st_size));
  }
  if (!image)
    return Failure{image.message()};
  plugin.header = image->manifest;
  if (Status status = plugin.checkImage(image->manifestOffset, image->imageSize); !status)
    return Failure{status.message()};
  Result<Description> description = descriptionFromJson(image->description);
  if (!description)
    return Failure{"has a bad description: " + description.message()};
  plugin.content = std::move(*description);
  plugin.schemaDigest = schemaHash(plugin.content.slots);
  if (!isZero(plugin.header.schema_hash) && !isEqual(plugin.schemaDigest, plugin.header.schema_hash))
    return Failure{"has a schema hash that is not that of its slots; compile it again"};
  if (Status status = plugin.readDirectory(); !status)
    return Failure{status.message()};
  return plugin;
}

Status PluginFile::copyCode(uint64_t imageSize) {
  code = makeMemoryFile();
  if (!code)
    return Failure{"can't be copied to memory: " + systemError()};
  std::vector<uint8_t> bytes(imageSize);
  if (!readFully(file.get(), 0, bytes))
    return Failure{"was cut short while it was read"};
  if (!writeFully(code.get(), 0, bytes) ||
      fcntl(code.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return Failure{"can't be copied to sealed memory: " + systemError()};
  return Done{};
}

Status PluginFile::checkImage(uint64_t manifestOffset, uint64_t imageSize) {
  if (!isSealed())
    return Done{};
  Result<Digest> found = imageDigest(codeDescriptor(), imageSize, manifestOffset + offsetof(kv_manifest, build_id),
                                     sizeof header.build_id);
  if (!found)
    return Failure{found.message()};
  if (!isEqual(*found, header.build_id))
    return Failure{"is damaged: the hash of its code is " + shortHex(*found) + ", its manifest says " +
                   shortHex(header.build_id)};
  return Done{};
}

Status PluginFile::readDirectory() {
  directory.resize(header.directory_size / sizeof(kv_section));
  const std::span<uint8_t> bytes(reinterpret_cast<uint8_t *>(directory.data()), header.directory_size);
  if (!readFully(file.get(), header.directory_offset, bytes))
    return Failure{"was cut short while its directory was read"};
  if (isSealed() && !isEqual(sha256(bytes), header.directory_hash))
    return Failure{"is damaged: its directory does not have the hash that its manifest says"};
  return checkSections();
}

Status PluginFile::checkSections() const {
  for (const kv_section &section : directory) {
    const std::string_view name = nameOf(section);
    if (name.empty() || name.size() == sizeof section.name ||
        !std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7f; }))
      return Failure{"has a section whose name is no plain text"};
    if (section.offset < header.image_size || !liesInside(section.offset, section.size, header.directory_offset))
      return Failure{"has section '" + std::string(name) + "' at " + std::to_string(section.offset) + ", " +
                     std::to_string(section.size) + " bytes, not between its image and its directory"};
  }
  return Done{};
}

Result<std::vector<uint8_t>> PluginFile::section(std::string_view name) const {
  for (const kv_section &section : directory) {
    if (nameOf(section) != name)
      continue;
    std::vector<uint8_t> bytes(section.size);
    if (!readFully(file.get(), section.offset, bytes))
      return Failure{"was cut short while section '" + std::string(name) + "' was read"};
    if (!isEqual(sha256(bytes), section.hash))
      return Failure{"is damaged: section '" + std::string(name) + "' does not have its hash"};
    return bytes;
  }
  return Failure{"has no section '" + std::string(name) + "'"};
}

Status PluginFile::verifySections() const {
  for (const kv_section &entry : directory)
    if (Result<std::vector<uint8_t>> bytes = section(nameOf(entry)); !bytes)
      return Failure{bytes.message()};
  return Done{};
}

Result<std::vector<WeightTensor>> PluginFile::tensors() const {
  auto isTensors = [](const kv_section &section) { return nameOf(section) == "tensors"; };
  if (std::none_of(directory.begin(), directory.end(), isTensors))
    return std::vector<WeightTensor>();
  Result<std::vector<uint8_t>> bytes = section("tensors");
  if (!bytes)
    return Failure{bytes.message()};
  return tensorsFromJson({reinterpret_cast<const char *>(bytes->data()), bytes->size()}, header.weights_size);
}

Status PluginFile::verifyWeights() const {
  if (!header.weights_size)
    return Done{};
  Result<std::vector<uint8_t>> expected = section("digests");
  if (!expected)
    return Failure{expected.message()};
  if (!isEqual(sha256(*expected), header.weights_root))
    return Failure{"is damaged: the digests of its weights do not have the root that its manifest says"};
  Result<std::vector<Digest>> found = leafDigests(file.get(), header.weights_offset, header.weights_size);
  if (!found)
    return Failure{found.message()};
  if (expected->size() != found->size() * sizeof(Digest))
    return Failure{"has " + std::to_string(expected->size() / sizeof(Digest)) + " digests for " +
                   std::to_string(found->size()) + " MiB of weights"};
  std::vector<size_t> damaged;
  for (size_t leaf = 0; leaf < found->size(); ++leaf)
    if (!std::equal((*found)[leaf].begin(), (*found)[leaf].end(), expected->begin() + leaf * sizeof(Digest)))
      damaged.push_back(leaf);
  if (damaged.empty())
    return Done{};
  Result<std::vector<WeightTensor>> table = tensors();
  return Failure{"has damaged weights in " + std::to_string(damaged.size()) + " of " + std::to_string(found->size()) +
                 " MiB: " + describeLeaves(damaged, table ? *table : std::vector<WeightTensor>()) +
                 "; fetch or compile it again"};
}

Status PluginFile::stillWhole() const {
  struct stat facts;
  if (fstat(file.get(), &facts) != 0)
    return Failure{systemError()};
  if (isSealed() && uint64_t(facts.st_size) != header.file_size)
    return Failure{"file was cut or grown to " + std::to_string(facts.st_size) +
                   " bytes while in use, its manifest says " + std::to_string(header.file_size)};
  return Done{};
}

} // namespace kvasir
