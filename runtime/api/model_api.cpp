// SPDX-License-Identifier: MIT
#include "plugins/loader.h"
#include "runtime/api/border.h"
#include "runtime/api/handles.h"

#include <iterator>

using namespace kvasir;
using namespace kvasir::runtime;

namespace {

bool wantsCopy(const kvasir_model_options *given) {
  const uint32_t weights = readOptions(given).weights;
  if (weights > KVASIR_WEIGHTS_COPIED)
    throw Error(KV_BAD_INPUT, "weights is " + std::to_string(weights) + ", which is none of mapped, copied");
  return weights == KVASIR_WEIGHTS_COPIED;
}

std::shared_ptr<const LoadedPlugin> load(const char *path, const kvasir_model_options *given) {
  const uint32_t wanted = readOptions(given).services;
  if (wanted > KVASIR_SERVICES_NONE)
    throw Error(KV_BAD_INPUT, "services is " + std::to_string(wanted) + ", which is none of offered, none");
  LoadOptions options;
  options.services = wanted == KVASIR_SERVICES_NONE ? ServiceUse::none : ServiceUse::offered;
  options.weights = wantsCopy(given) ? WeightsAccess::copy : WeightsAccess::map;
  auto loaded = LoadedPlugin::load(path, options);
  if (!loaded)
    throw Error(KV_BAD_FILE, loaded.message());
  return std::move(*loaded);
}

Identity identityOf(const PluginFile &file) {
  Identity identity;
  std::ranges::copy(file.manifest().fingerprint, identity.fingerprint.begin());
  for (const kv_section &section : file.sections())
    if (std::string_view(section.name) == "tokenizer")
      std::ranges::copy(section.hash, identity.tokenizer.begin());
  return identity;
}

Program programOf(const std::shared_ptr<const LoadedPlugin> &plugin, bool isCopied) {
  std::function<void()> requireWhole;
  if (!isCopied)
    requireWhole = [file = &plugin->file()] {
      if (const Status whole = file->stillWhole(); !whole)
        throw Error(KV_BAD_FILE, whole.message());
    };
  return {&plugin->table(), plugin->description(),      plugin->weights().data(),  plugin,
          requireWhole,     identityOf(plugin->file()), plugin->services().data(), plugin->variantName()};
}

ModelOptions modelOptionsFrom(const kvasir_model_options *given) {
  const auto options = readOptions(given);
  if (options.pinning > KVASIR_PIN_OFF)
    throw Error(KV_BAD_INPUT,
                "pinning is " + std::to_string(options.pinning) + ", which is none of automatic, on, off");
  if (options.team > KVASIR_TEAM_FIXED)
    throw Error(KV_BAD_INPUT, "team is " + std::to_string(options.team) + ", which is none of adapts, fixed");
  return {options.threads, static_cast<Pinning>(options.pinning), static_cast<TeamUse>(options.team)};
}

/// What the compiler has found to lose state runs only where the host asks for it. Plugins by hand are proved by
/// nobody, and are the host's decision anyway.
void requireVerified(const LoadedPlugin &plugin, const kvasir_model_options *given) {
  const auto options = readOptions(given);
  if (options.unverified > KVASIR_UNVERIFIED_TAKE)
    throw Error(KV_BAD_INPUT,
                "unverified is " + std::to_string(options.unverified) + ", which is none of refuse, take");
  if (!plugin.description().verified && plugin.file().isSealed() && options.unverified != KVASIR_UNVERIFIED_TAKE)
    throw Error(KV_UNSUPPORTED,
                "the plugin was compiled though its functions lose state; kvasir-compile --report says "
                "where; --unverified, or KVASIR_UNVERIFIED_TAKE in an application, runs it all the same");
}

} // namespace

const char *kvasir_version(void) { return KVASIR_VERSION; }

const char *kvasir_status_name(kv_status status) {
  static constexpr const char *kNames[] = {"ok",        "failed",        "bad input",   "capacity", "busy",
                                           "cancelled", "out of memory", "unsupported", "bad file"};
  return status >= 0 && static_cast<size_t>(status) < std::size(kNames) ? kNames[status] : "unknown";
}

kv_status kvasir_model_open(const char *path, const kvasir_model_options *options, kvasir_model **model, char *message,
                            size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(path, "path");
    requireGiven(model, "model");
    const ModelOptions modelOptions = modelOptionsFrom(options);
    const auto plugin = load(path, options);
    requireVerified(*plugin, options);
    auto made = std::make_unique<kvasir_model>();
    made->model = std::make_shared<Model>(programOf(plugin, wantsCopy(options)), modelOptions);
    made->text = std::make_shared<ModelText>(plugin->file(), plugin);
    made->description = descriptionToJson(plugin->description());
    made->weightsBytes = plugin->weights().size();
    *model = made.release();
  });
}

void kvasir_model_free(kvasir_model *model) { delete model; }

const char *kvasir_model_description(const kvasir_model *model) { return model->description.c_str(); }

void kvasir_model_get_facts(const kvasir_model *handle, kvasir_model_facts *facts) {
  const Model &model = *handle->model;
  kvasir_model_facts known{};
  known.size = facts->size;
  known.threads = model.threads();
  known.vocabulary = model.description().model.vocabularySize;
  known.context = model.context();
  known.weights_bytes = handle->weightsBytes;
  known.slots = model.slots()->size();
  atBorder(nullptr, 0, [&] { known.max_tokens = model.cutTokens(model.predictFunction()); });
  std::memcpy(facts, &known, std::min<size_t>(facts->size, sizeof known));
}
