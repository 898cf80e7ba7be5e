// SPDX-License-Identifier: MIT
#include "compiler/driver/backend_library.h"

#include "compiler/driver/build_id.h"

#include <boost/dll/runtime_symbol_info.hpp>
#include <boost/dll/shared_library.hpp>

#include <algorithm>

using namespace kvasir;
namespace fs = boost::filesystem;

namespace {
constexpr const char *kBuild = KVASIR_BUILD_ID;

std::string listBackends() {
  std::vector<std::string> names;
  boost::system::error_code error;
  for (fs::directory_iterator at(backendFolder(), error), end; !error && at != end; at.increment(error))
    if (at->path().extension() == ".so")
      names.push_back(at->path().stem().string());
  std::sort(names.begin(), names.end());
  std::string list;
  for (const std::string &name : names)
    list += (list.empty() ? "" : ", ") + name;
  return list.empty() ? "none" : list;
}

/// A C++ object of another build must never be touched, so this comes before anything of the library is called.
llvm::Error checkBuild(const boost::dll::shared_library &library, const std::string &path) {
  if (!library.has(KVASIR_BACKEND_SYMBOL) || !library.has(KVASIR_BACKEND_BUILD_SYMBOL))
    return llvm::createStringError("'%s' is no backend of Kvasir", path.c_str());
  std::string build = &library.get<const char>(KVASIR_BACKEND_BUILD_SYMBOL);
  if (build != kBuild)
    return llvm::createStringError("backend '%s' was built as '%s', this compiler as '%s'; build both together",
                                   path.c_str(), build.c_str(), kBuild);
  return llvm::Error::success();
}
} // namespace

std::string kvasir::backendFolder() {
  boost::system::error_code error;
  fs::path program = boost::dll::program_location(error);
  return (program.parent_path().parent_path() / "lib" / "kvasir" / "backends").string();
}

llvm::Expected<std::unique_ptr<Backend>> kvasir::loadBackend(const std::string &nameOrPath) {
  bool isPath = nameOrPath.find('/') != std::string::npos;
  fs::path path = isPath ? fs::path(nameOrPath) : fs::path(backendFolder()) / (nameOrPath + ".so");
  boost::system::error_code error;
  if (!fs::exists(path, error))
    return isPath
               ? llvm::createStringError("no backend at '%s'", nameOrPath.c_str())
               : llvm::createStringError("no backend '%s'; there are: %s", nameOrPath.c_str(), listBackends().c_str());
  // The throwing form, whose message has the dynamic linker's reason.
  boost::dll::shared_library library;
  try {
    library.load(path, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
  } catch (const std::exception &failure) {
    return llvm::createStringError("cannot load backend '%s': %s", path.c_str(), failure.what());
  }
  if (llvm::Error mismatch = checkBuild(library, path.string()))
    return mismatch;
  auto make = library.get<MakeBackendFn>(KVASIR_BACKEND_SYMBOL);
  static auto &loaded = *new std::vector<boost::dll::shared_library>; // never unloaded
  loaded.push_back(std::move(library));
  return make();
}
