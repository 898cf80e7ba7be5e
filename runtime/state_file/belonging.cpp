// SPDX-License-Identifier: MIT
// Whose state a file holds.
#include "kvasir/manifest.h"
#include "runtime/state_file/saved_state.h"

#include <algorithm>

namespace kvasir::runtime {
namespace {

[[noreturn]] void refuseForeign(const std::string &reason) { throw Error(KV_UNSUPPORTED, reason); }

void requireSameLayouts(const std::vector<SlotDescription> &saved, const std::vector<SlotDescription> &own,
                        const std::string &numerics) {
  for (size_t slot = 0; slot < own.size(); ++slot)
    if (!(saved[slot].layout == own[slot].layout))
      refuseForeign("stores slot " + own[slot].name + " in another layout than this plugin with numerics '" + numerics +
                    "'");
}

} // namespace

void requireSameModel(const StateFile &file, const Model &model) {
  const auto &saved = file.conversation();
  const Description &description = model.description();
  if (saved.abi != KV_ABI || saved.pluginFormat != KV_FORMAT)
    refuseForeign("was written for plugin ABI " + std::to_string(saved.abi) + " and format " +
                  std::to_string(saved.pluginFormat) + ", this runtime has " + std::to_string(KV_ABI) + " and " +
                  std::to_string(KV_FORMAT));
  if (!isSameModel(saved.fingerprint, file.description().model.name, model.identity().fingerprint,
                   description.model.name))
    refuseForeign("belongs to the model '" + file.description().model.name + "' (fingerprint " +
                  shortHex(saved.fingerprint) + "), this is '" + description.model.name + "' (" +
                  shortHex(model.identity().fingerprint) + ")");
  if (!std::ranges::equal(saved.tokenizer, model.identity().tokenizer))
    refuseForeign("was made with another tokenizer (" + shortHex(saved.tokenizer) + ", this model's is " +
                  shortHex(model.identity().tokenizer) + "): its ids mean another text");
  if (const Digest schema = schemaHash(description.slots); !std::ranges::equal(saved.schema, schema))
    refuseForeign("has the schema " + shortHex(saved.schema) + ", this model has " + shortHex(schema) +
                  ": their slots do not mean the same");
  const std::string &numerics = description.numerics.id;
  if (file.description().numerics.id != numerics)
    refuseForeign("was computed with numerics '" + file.description().numerics.id + "', this plugin computes with '" +
                  numerics + "'");
  requireSameLayouts(file.description().slots, description.slots, numerics);
}

} // namespace kvasir::runtime
