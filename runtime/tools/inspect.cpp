// SPDX-License-Identifier: MIT
#include "plugins/cpu_features.h"
#include "plugins/plugin_file.h"
#include "runtime/tools/command.h"
#include "runtime/tools/failed.h"
#include "runtime/tools/inspect_state.h"
#include "runtime/tools/inspect_text.h"
#include "runtime/tools/output.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

namespace kvasir::tools {
namespace {

using Json = nlohmann::ordered_json;

struct InspectOptions {
  std::string file;
  bool printsJson = false, verifies = false;
};

template <typename T> T orFail(const std::string &path, Result<T> result) {
  if (!result)
    throw Failed("'" + path + "': " + result.message());
  return std::move(*result);
}

Json sectionsJson(const PluginFile &file) {
  Json list = Json::array();
  for (const kv_section &section : file.sections())
    list.push_back({{"name", section.name}, {"offset", section.offset}, {"size", section.size}});
  return list;
}

Json tensorsJson(const std::vector<WeightTensor> &tensors) { return Json::parse(tensorsToJson(tensors)); }

Json fileJson(const PluginFile &file, const std::vector<WeightTensor> &tensors) {
  const kv_manifest &manifest = file.manifest();
  return {{"sealed", file.isSealed()},
          {"producer", manifest.producer},
          {"abi", {{"min", manifest.abi_min}, {"max", manifest.abi_max}}},
          {"file_size", manifest.file_size},
          {"image_size", manifest.image_size},
          {"weights", {{"offset", manifest.weights_offset}, {"size", manifest.weights_size}}},
          {"fingerprint", toHex(manifest.fingerprint)},
          {"schema_hash", toHex(file.schema())},
          {"build_id", toHex(manifest.build_id)},
          {"cpu_features", cpuFeatureNames({manifest.cpu_features[0], manifest.cpu_features[1]})},
          {"description", Json::parse(descriptionToJson(file.description()))},
          {"sections", sectionsJson(file)},
          {"tensors", tensorsJson(tensors)}};
}

int inspectState(const InspectOptions &options) {
  try {
    const auto file = runtime::StateFile::open(options.file);
    printNow(options.printsJson ? describeAsJson(file) : describe(file));
    if (options.verifies)
      file.verify();
  } catch (const runtime::Error &error) {
    throw Failed("'" + options.file + "' " + error.what());
  }
  if (options.verifies && !options.printsJson)
    printNow("verified: every block is what was saved\n");
  return kDone;
}

int inspect(const InspectOptions &options) {
  if (isStateFile(options.file))
    return inspectState(options);
  const PluginFile file = orFail(options.file, PluginFile::open(options.file));
  const auto tensors = orFail(options.file, file.tensors());
  if (options.printsJson)
    printNow(fileJson(file, tensors).dump(2) + "\n");
  else
    printNow(describe(file, tensors));
  if (!options.verifies)
    return kDone;
  orFail(options.file, file.verifySections());
  orFail(options.file, file.verifyWeights());
  if (!options.printsJson)
    printNow("verified: every section and every weight is what the compiler wrote\n");
  return kDone;
}

} // namespace

void addInspect(CLI::App &program, int &exitCode) {
  CLI::App *command = program.add_subcommand(
      "inspect", "What a model or a saved conversation says of itself, without running any code of it");
  auto options = std::make_shared<InspectOptions>();
  command->add_option("file", options->file, "a .kvasir or .kvstate file")->required();
  command->add_flag("--json", options->printsJson, "print JSON");
  command->add_flag("--verify", options->verifies, "compare all that the file holds with its digests");
  command->callback([=, &exitCode] { exitCode = inspect(*options); });
}

} // namespace kvasir::tools
