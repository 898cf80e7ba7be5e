// SPDX-License-Identifier: MIT
#include "compiler/driver/backend_library.h"

#include "backends/build_id.h"

#include "llvm/Object/ELFObjectFile.h"

#include <boost/dll/runtime_symbol_info.hpp>
#include <boost/dll/shared_library.hpp>

#include <algorithm>
#include <cstdlib>

using namespace kvasir;
namespace fs = boost::filesystem;

namespace {
constexpr llvm::StringLiteral kBuild = KVASIR_BUILD_ID, kPrefix = "libkvasir-", kSuffix = ".so";

llvm::Error failure(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

bool isFile(const fs::path &path) {
  boost::system::error_code error;
  return fs::exists(path, error) && !fs::is_directory(path, error);
}

/// "cpu, reference in /usr/lib/kvasir/backends"; "nothing in …" if there is none or no such folder.
std::string listBackends(const std::string &folder) {
  std::vector<std::string> names;
  boost::system::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::string file = at->path().filename().string();
    llvm::StringRef name = file;
    if (name.consume_front(kPrefix) && name.consume_back(kSuffix))
      names.push_back(name.str());
  }
  std::sort(names.begin(), names.end());
  return (names.empty() ? "nothing" : llvm::join(names, ", ")) + " in " + folder;
}

std::string listBackends(llvm::ArrayRef<std::string> folders) {
  std::string list;
  for (const std::string &folder : folders)
    list += (list.empty() ? "" : "; ") + listBackends(folder);
  return list;
}

/// The file that is meant.
llvm::Expected<fs::path> findLibrary(const std::string &nameOrPath, llvm::ArrayRef<std::string> folders) {
  if (llvm::StringRef(nameOrPath).contains('/') || llvm::StringRef(nameOrPath).ends_with(kSuffix)) {
    fs::path path = fs::absolute(nameOrPath).lexically_normal();
    if (isFile(path))
      return path;
    return failure("no backend at '" + nameOrPath + "'; there is " + listBackends(path.parent_path().string()));
  }
  for (const std::string &folder : folders)
    if (fs::path path = fs::absolute(folder) / (kPrefix + nameOrPath + kSuffix).str(); isFile(path))
      return path;
  return failure("no backend '" + nameOrPath + "'; there is " + listBackends(folders) +
                 "; --backend-path adds a folder");
}

/// What the file says of its build, without its code being run.
llvm::Expected<std::string> readBuild(const std::string &path) {
  llvm::Expected<llvm::object::OwningBinary<llvm::object::ObjectFile>> file =
      llvm::object::ObjectFile::createObjectFile(path);
  if (!file)
    return failure("'" + path + "' is no backend of Kvasir: " + llvm::toString(file.takeError()));
  for (const llvm::object::SectionRef &section : file->getBinary()->sections()) {
    llvm::Expected<llvm::StringRef> name = section.getName();
    llvm::Expected<llvm::StringRef> contents = section.getContents();
    if (name && contents && *name == KVASIR_BACKEND_BUILD_SECTION)
      return contents->take_until([](char c) { return c == 0; }).str();
    llvm::consumeError(name.takeError());
    llvm::consumeError(contents.takeError());
  }
  return failure("'" + path +
                 "' is no backend of Kvasir: it has no section " KVASIR_BACKEND_BUILD_SECTION
                 ", which kvasir_add_backend makes");
}

/// A C++ object of another build must never be touched, so this comes before anything of the library is called.
llvm::Error checkBuild(const std::string &path) {
  llvm::Expected<std::string> build = readBuild(path);
  if (!build)
    return build.takeError();
  return *build == kBuild ? llvm::Error::success()
                          : failure("backend '" + path + "' was built for Kvasir '" + *build + "', this is '" + kBuild +
                                    "'; build it again with this one");
}
} // namespace

std::vector<std::string> kvasir::backendFolders(llvm::ArrayRef<std::string> first) {
  std::vector<std::string> folders = first.vec();
  llvm::SmallVector<llvm::StringRef> listed;
  if (const char *path = std::getenv("KVASIR_BACKEND_PATH"))
    llvm::StringRef(path).split(listed, ':', -1, /*KeepEmpty=*/false);
  for (llvm::StringRef folder : listed)
    folders.push_back(folder.str());
  boost::system::error_code error;
  fs::path compiler = fs::canonical(boost::dll::this_line_location(), error);
  folders.push_back((compiler.parent_path() / "kvasir" / "backends").string());
  return folders;
}

llvm::Expected<std::unique_ptr<Backend>> kvasir::loadBackend(const std::string &nameOrPath,
                                                             llvm::ArrayRef<std::string> folders) {
  llvm::Expected<fs::path> path = findLibrary(nameOrPath, folders);
  if (!path)
    return path.takeError();
  if (llvm::Error mismatch = checkBuild(path->string()))
    return mismatch;
  // The throwing form, whose message has the dynamic linker's reason.
  boost::dll::shared_library library;
  try {
    library.load(*path, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
  } catch (const std::exception &refused) {
    return failure("cannot load backend '" + path->string() + "': " + refused.what());
  }
  if (!library.has(KVASIR_BACKEND_SYMBOL))
    return failure("backend '" + path->string() + "' does not export " KVASIR_BACKEND_SYMBOL);
  auto make = library.get<MakeBackendFn>(KVASIR_BACKEND_SYMBOL);
  static auto &loaded = *new std::vector<boost::dll::shared_library>; // never unloaded
  loaded.push_back(std::move(library));
  return make();
}
