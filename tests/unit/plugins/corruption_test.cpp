// SPDX-License-Identifier: MIT
// 500 corrupted files: damage is refused in one line or harmless, and never a crash.
#include "plugins/loader.h"
#include "tests/unit/plugins/fixture.h"

#include <random>

using namespace kvasir;
using namespace kvasir::test;

namespace {

/// One kind of damage a round: cut, one bit, a run of junk, a huge number, a run moved.
Bytes corrupt(Bytes bytes, int round, uint64_t headBytes, std::mt19937_64 &random) {
  // Half of all damage goes to the headers and the note, where structure is.
  const uint64_t limit = round % 2 ? headBytes : bytes.size();
  const uint64_t at = random() % (limit - 8);
  switch (round % 5) {
  case 0:
    bytes.resize(random() % bytes.size());
    break;
  case 1:
    bytes[at] ^= uint8_t(1 << random() % 8);
    break;
  case 2:
    for (uint64_t i = at; i < std::min<uint64_t>(at + random() % 64 + 1, bytes.size()); ++i)
      bytes[i] = uint8_t(random());
    break;
  case 3: {
    const uint64_t huge[] = {UINT64_MAX, UINT64_MAX >> 1, uint64_t(1) << 32, UINT32_MAX, bytes.size() - 1};
    std::memcpy(&bytes[at / 4 * 4], &huge[random() % 5], random() % 2 ? 8 : 4);
    break;
  }
  default:
    bytes.insert(bytes.begin() + std::ptrdiff_t(at), random() % 100 + 1, uint8_t(0));
  }
  return bytes;
}

bool isOneLine(const std::string &message) { return !message.empty() && message.find('\n') == std::string::npos; }

/// The same bytes before the weights, outside the padding between parts?
bool hasSameStructure(const Bytes &bytes, const Bytes &whole, const kv_manifest &manifest) {
  return bytes.size() == whole.size() &&
         std::equal(bytes.begin(), bytes.begin() + long(manifest.image_size), whole.begin());
}

} // namespace

TEST_CASE("500 corrupted files") {
  TemporaryFolder folder;
  const std::string path = folder.file("a.kvasir");
  const Bytes weights = exampleWeights(20000);
  sealPlainPlugin(path, weights);
  const Bytes whole = readBytes(path);
  const kv_manifest manifest = PluginFile::open(path)->manifest();
  std::mt19937_64 random(20261125);
  int numRefused = 0, numNamed = 0, numHarmless = 0;
  for (int round = 0; round < 500; ++round) {
    CAPTURE(round);
    const Bytes bytes = corrupt(whole, round, 2048, random);
    writeBytes(path, bytes);
    auto plugin = LoadedPlugin::load(path);
    if (!plugin) {
      CHECK(isOneLine(plugin.message()));
      ++numRefused;
      continue;
    }
    CHECK(hasSameStructure(bytes, whole, manifest));
    const PluginFile &file = (*plugin)->file();
    const Status sections = file.verifySections(), loadedWeights = file.verifyWeights();
    const bool same = std::equal(weights.begin(), weights.end(), (*plugin)->weights().begin());
    if (sections)
      CHECK(bool(loadedWeights) == same);
    numNamed += !sections || !loadedWeights;
    numHarmless += sections && loadedWeights;
  }
  MESSAGE(numRefused << " refused at load, " << numNamed << " named by verification, " << numHarmless << " in padding");
  CHECK(numRefused > 250);
  CHECK(numNamed > 0);
}
