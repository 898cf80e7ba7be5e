// SPDX-License-Identifier: MIT
// Plugins to test with: those that CMake builds from plain C, and sealed files made from them.
#ifndef KVASIR_TESTS_UNIT_PLUGINS_FIXTURE_H
#define KVASIR_TESTS_UNIT_PLUGINS_FIXTURE_H

#include "kvasir/manifest.h"
#include "plugins/tensors.h"
#include "plugins/writer.h"

#include <cstdlib>
#include <cstring>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

namespace kvasir::test {

using Bytes = std::vector<uint8_t>;

/// A folder that is gone at the end of the test.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "kvasir-test-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  std::string file(const std::string &name) const { return (path / name).string(); }

  std::filesystem::path path;
};

/// The path of a plugin that tests/unit/plugins builds.
inline std::string builtPlugin(const std::string &name) {
  return std::string(KVASIR_TEST_PLUGINS) + "/" + name + ".kvasir";
}

inline Bytes readBytes(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file, path);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void writeBytes(const std::string &path, const Bytes &bytes) {
  std::filesystem::remove(path); // a new inode: others may still map the old one
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char *>(bytes.data()), std::streamsize(bytes.size()));
  REQUIRE(file.flush());
}

/// Changes the manifest inside a file's bytes.
inline void patchManifest(Bytes &bytes, const std::function<void(kv_manifest &)> &patch) {
  const char key[] = KV_NOTE_NAME "\0";
  for (size_t at = 0; at + sizeof(kv_manifest) < bytes.size(); ++at)
    if (std::memcmp(&bytes[at], key, 8) == 0) {
      kv_manifest manifest;
      std::memcpy(&manifest, &bytes[at + 8], sizeof manifest);
      if (manifest.format != KV_FORMAT)
        continue;
      patch(manifest);
      std::memcpy(&bytes[at + 8], &manifest, sizeof manifest);
      return;
    }
  FAIL("the file has no manifest");
}

/// Weights whose bytes follow from their places; the first is `first`.
inline Bytes exampleWeights(size_t size, uint8_t first = 100) {
  Bytes weights(size);
  for (size_t i = 0; i < size; ++i)
    weights[i] = uint8_t(first + i * 7 + i / 251);
  return weights;
}

/// A family of four layers in the first half of the weights, one tensor in the second.
inline std::vector<WeightTensor> exampleTensors(uint64_t weightsSize) {
  const uint64_t half = weightsSize / 2;
  return {{"blk.{}.attn_q.weight", "bytes", 4, 0, half / 4, half / 4, {}},
          {"output.weight", "bytes", 1, half, half, half, {}}};
}

/// The plain plugin, sealed, with a tensor table, a tokenizer and weights.
inline void sealPlainPlugin(const std::string &path, const Bytes &weights) {
  const std::string table = tensorsToJson(exampleTensors(weights.size()));
  const std::vector<Section> sections = {{"tensors", {table.begin(), table.end()}}, {"tokenizer", Bytes(1000, 'v')}};
  auto writer = ArtefactWriter::begin(path, readBytes(builtPlugin("plain_plugin")), sections, weights.size());
  REQUIRE_MESSAGE(writer, writer.message());
  const size_t half = weights.size() / 2;
  REQUIRE((*writer)->write(half, {weights.data() + half, weights.size() - half}));
  REQUIRE((*writer)->write(0, {weights.data(), half}));
  Status status = (*writer)->finish();
  REQUIRE_MESSAGE(status, status.message());
}

} // namespace kvasir::test

#endif
