// SPDX-License-Identifier: MIT
#include "plugins/note.h"

#include "kvasir/manifest.h"
#include "plugins/cpu_features.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace kvasir {
namespace {

/// Printable ASCII of the text, cut to fit, 0-terminated (the field is zero).
template <size_t N> void setPlain(char (&field)[N], const std::string &text) {
  for (size_t i = 0; i < std::min(text.size(), N - 1); ++i)
    field[i] = text[i] >= 0x20 && text[i] <= 0x7e ? text[i] : '?';
}

void append(std::vector<uint8_t> &bytes, const void *from, size_t size) {
  const auto *begin = static_cast<const uint8_t *>(from);
  bytes.insert(bytes.end(), begin, begin + size);
}

/// The features that every variant needs.
Result<CpuFeatures> commonFeatures(const std::vector<VariantDescription> &variants) {
  CpuFeatures common = {};
  for (size_t i = 0; i < variants.size(); ++i) {
    CpuFeatures needed = {};
    for (const std::string &name : variants[i].features) {
      const std::optional<CpuFeatures> feature = cpuFeatureFromName(name);
      if (!feature)
        return Failure{"variant '" + variants[i].name + "' needs the CPU feature '" + name +
                       "', which no loader knows; append it to plugins/cpu_features.cpp"};
      needed = {needed[0] | (*feature)[0], needed[1] | (*feature)[1]};
    }
    common = i ? CpuFeatures{common[0] & needed[0], common[1] & needed[1]} : needed;
  }
  return common;
}

} // namespace

Result<std::vector<uint8_t>> makeNote(const Description &description, const NoteFacts &facts) {
  const std::string text = descriptionToJson(description);
  if (Result<Description> again = descriptionFromJson(text); !again)
    return Failure{again.message()};
  Result<CpuFeatures> features = commonFeatures(description.variants);
  if (!features)
    return Failure{features.message()};
  kv_manifest manifest = {};
  manifest.size = sizeof manifest;
  manifest.format = KV_FORMAT;
  manifest.abi_min = manifest.abi_max = KV_ABI;
  manifest.kind = KV_KIND_MODEL;
  manifest.page_bytes = 4096;
  manifest.description_size = uint32_t(text.size());
  std::copy(features->begin(), features->end(), std::begin(manifest.cpu_features));
  const Digest schema = schemaHash(description.slots);
  std::copy(schema.begin(), schema.end(), std::begin(manifest.schema_hash));
  std::copy(facts.fingerprint.begin(), facts.fingerprint.end(), std::begin(manifest.fingerprint));
  setPlain(manifest.name, description.model.name);
  setPlain(manifest.producer, facts.producer);

  const uint32_t header[] = {sizeof KV_NOTE_NAME, uint32_t(sizeof manifest + text.size()), KV_NOTE_TYPE};
  std::vector<uint8_t> note;
  append(note, header, sizeof header);
  append(note, KV_NOTE_NAME, sizeof KV_NOTE_NAME);
  note.resize((note.size() + 3) / 4 * 4);
  append(note, &manifest, sizeof manifest);
  append(note, text.data(), text.size());
  note.resize((note.size() + 3) / 4 * 4);
  return note;
}

} // namespace kvasir
