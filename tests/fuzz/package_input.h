// SPDX-License-Identifier: MIT
// A Core ML package as one byte string, for fuzzers.
#ifndef KVASIR_TESTS_FUZZ_PACKAGE_INPUT_H
#define KVASIR_TESTS_FUZZ_PACKAGE_INPUT_H

#include "compiler/frontends/coreml/package.h"

#include <deque>
#include <filesystem>
#include <random>

namespace kvasir::test {

/// The numbers of bytes of the model and of the weights, 32 bits each, then these, then the manifest. Any bytes are an
/// input: numbers that are too large take what there is, and without a manifest there is a right one.
struct PackageInput {
  std::vector<uint8_t> model, weights, manifest;

  static PackageInput parse(std::span<const uint8_t> bytes);
  std::vector<uint8_t> serialise() const;
};

/// One change of a package: mostly of a field of the model.
void mutate(PackageInput &package, std::mt19937 &random);

/// A folder of a disk that goes with it.
class PackageFolder {
public:
  PackageFolder();
  ~PackageFolder();

  void write(const PackageInput &package) const;
  std::string path() const { return folder.string(); }

private:
  std::filesystem::path folder;
};

/// A program each of whose constants is a piece of memory of its own, so that what is read beside it is noticed.
class SeparateConstants {
public:
  explicit SeparateConstants(const coreml::Program &program);

  const coreml::Program &program() const { return copy; }

private:
  void separate(coreml::Constant &constant);
  void separate(coreml::Block &block);

  coreml::Program copy;
  std::deque<std::vector<uint8_t>> pieces;
};

} // namespace kvasir::test

#endif
