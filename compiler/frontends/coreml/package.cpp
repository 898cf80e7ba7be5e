// SPDX-License-Identifier: MIT
#include "compiler/frontends/coreml/package.h"

#include "compiler/frontends/coreml/program_reader.h"
#include "plugins/json_reader.h"
#include "plugins/quotes.h"

#include <algorithm>
#include <filesystem>

namespace kvasir::coreml {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLargestManifestBytes = 1 << 20, kLongestText = 4096;

/// The path of the program, relative to the folder `Data`.
Result<std::string> rootModel(std::string_view manifest) {
  Result<Json> json = parseJson(manifest);
  if (!json)
    return Failure{"Manifest.json: " + json.message()};
  std::optional<Failure> failure;
  const JsonReader reader(*json, "Manifest.json", failure);
  const std::string identifier = reader.member("rootModelIdentifier").text(kLongestText);
  const JsonReader entries = reader.member("itemInfoEntries");
  if (!failure && !entries.has(identifier.c_str()))
    return Failure{"Manifest.json: rootModelIdentifier names no entry of itemInfoEntries"};
  const std::string path = entries.member(identifier.c_str()).member("path").text(kLongestText);
  return failure ? Result<std::string>(*failure) : path;
}

Failure noPackage(const fs::path &path) {
  if (path.extension() == ".mlmodelc")
    return {"is a compiled model; give the .mlpackage that it was made from"};
  return {"is no Core ML package: there is no folder with a Manifest.json"};
}

} // namespace

Result<std::string> resolveInside(const std::string &root, const std::string &relative) {
  const fs::path path(relative);
  const bool leadsOut = path.is_absolute() || std::find(path.begin(), path.end(), "..") != path.end();
  std::error_code error, rootError;
  const fs::path real = leadsOut ? fs::path() : fs::canonical(fs::path(root) / path, error);
  const fs::path realRoot = fs::canonical(root, rootError);
  if (error || rootError)
    return Failure{inQuotes(relative) + ": " + (error ? error : rootError).message()};
  if (leadsOut || std::mismatch(realRoot.begin(), realRoot.end(), real.begin(), real.end()).first != realRoot.end())
    return Failure{inQuotes(relative) + " leads out of the package"};
  return real.string();
}

std::span<const uint8_t> ConstantStore::keep(std::vector<uint8_t> bytes) { return kept.emplace_back(std::move(bytes)); }

Result<const WeightsFile *> ConstantStore::weightsFile(const std::string &name) {
  if (const auto found = files.find(name); found != files.end())
    return &found->second;
  constexpr std::string_view kPlace = "@model_path/";
  if (!name.starts_with(kPlace))
    return Failure{"weight file " + inQuotes(name) + " does not begin with @model_path/"};
  const std::string relative = fs::relative(folder, root).string() + "/" + name.substr(kPlace.size());
  Result<std::string> path = resolveInside(root, relative);
  if (!path)
    return Failure{"weight file: " + path.message()};
  Result<WeightsFile> file = WeightsFile::open(*path);
  if (!file)
    return Failure{file.message()};
  return &files.emplace(name, std::move(*file)).first->second;
}

std::vector<Digest> ConstantStore::digests() const {
  std::vector<Digest> list;
  for (const auto &[name, file] : files)
    list.push_back(sha256(file.contents()));
  return list;
}

Digest Package::digest() const {
  std::vector<uint8_t> digests(programDigest.begin(), programDigest.end());
  for (const Digest &digest : store.digests())
    digests.insert(digests.end(), digest.begin(), digest.end());
  return sha256(digests);
}

Result<Package> Package::open(const std::string &path) {
  std::error_code error;
  const fs::path root = fs::canonical(path, error);
  if (error)
    return Failure{error.message()};
  if (!fs::is_regular_file(root / "Manifest.json", error))
    return noPackage(root);
  Result<std::string> manifestPath = resolveInside(root.string(), "Manifest.json");
  Result<MappedFile> manifest = manifestPath ? MappedFile::open(*manifestPath) : Failure{manifestPath.message()};
  if (!manifest)
    return Failure{"Manifest.json: " + manifest.message()};
  if (manifest->bytes().size() > kLargestManifestBytes)
    return Failure{"Manifest.json: is larger than 1 MiB"};
  Result<std::string> modelName =
      rootModel({reinterpret_cast<const char *>(manifest->bytes().data()), manifest->bytes().size()});
  if (!modelName)
    return Failure{modelName.message()};
  Result<std::string> modelPath = resolveInside(root.string(), "Data/" + *modelName);
  if (!modelPath)
    return Failure{"the program " + modelPath.message()};
  Result<MappedFile> model = MappedFile::open(*modelPath);
  if (!model)
    return Failure{"the program " + inQuotes(*modelName) + ": " + model.message()};

  Package package(ConstantStore(root.string(), fs::path(*modelPath).parent_path().string()));
  Result<Program> program = readProgram(model->bytes(), package.store);
  if (!program)
    return Failure{program.message()};
  package.content = std::move(*program);
  package.programDigest = sha256(model->bytes());
  return package;
}

} // namespace kvasir::coreml
