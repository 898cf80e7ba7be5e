// SPDX-License-Identifier: MIT
// A Core ML package (`.mlpackage`): a folder with a manifest, a program and its weights.
#ifndef KVASIR_FRONTENDS_COREML_PACKAGE_H
#define KVASIR_FRONTENDS_COREML_PACKAGE_H

#include "compiler/frontends/coreml/program.h"
#include "compiler/frontends/coreml/weights_file.h"
#include "plugins/digest.h"

#include <deque>

namespace kvasir::coreml {

/// What constants point into.
class ConstantStore {
public:
  /// `folder` is where the program lies, and `root` the package around it.
  ConstantStore(std::string root, std::string folder) : root(std::move(root)), folder(std::move(folder)) {}

  std::span<const uint8_t> keep(std::vector<uint8_t> bytes);

  /// A weight file by the name that the program gives it ("@model_path/weights/weight.bin"), opened once.
  /// Errors: a name of another form, one that leads out of the package, what WeightsFile::open says.
  Result<const WeightsFile *> weightsFile(const std::string &name);

  /// SHA-256 of each weight file that was opened, by its name.
  std::vector<Digest> digests() const;

private:
  std::string root, folder;
  std::deque<std::vector<uint8_t>> kept;
  std::map<std::string, WeightsFile> files;
};

/// A package whose program has been read and checked.
class Package {
public:
  /// Errors are one line, without the path: no package, a damaged file in it, a program that is not one, a path that
  /// leads out of the folder (nothing outside it is opened).
  static Result<Package> open(const std::string &path);

  const Program &program() const { return content; }

  /// SHA-256 over the program's bytes and those of its weight files. Reads all of them.
  Digest digest() const;

private:
  explicit Package(ConstantStore store) : store(std::move(store)) {}

  ConstantStore store;
  Program content;
  Digest programDigest{};
};

/// The file `relative` in the folder `root`, links followed. Errors: a path that leads out of it, or to nothing.
Result<std::string> resolveInside(const std::string &root, const std::string &relative);

} // namespace kvasir::coreml

#endif
