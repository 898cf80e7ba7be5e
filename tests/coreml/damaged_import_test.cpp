// SPDX-License-Identifier: MIT
// Damaged packages that can be read: they are imported or refused in one line, and what comes out is a module.
#include "compiler/frontends/coreml/package.h"
#include "compiler/models/mil/import.h"
#include "compiler/passes/registry.h"
#include "tests/fuzz/package_input.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"

#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <random>
#include <unistd.h>

using namespace kvasir;

namespace {

namespace fs = std::filesystem;

const fs::path kPackages = fs::path(KVASIR_COREML_CASES) / "packages";

std::vector<uint8_t> bytesOf(const fs::path &path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A package as it is on a disk, but for its program.
class Copy {
public:
  explicit Copy(const std::string &name) {
    std::string pattern = (fs::temp_directory_path() / "kvasir-import-XXXXXX").string();
    folder = mkdtemp(pattern.data());
    fs::copy(kPackages / (name + ".mlpackage"), path(), fs::copy_options::recursive);
    whole = bytesOf(program());
  }
  ~Copy() { fs::remove_all(folder); }

  fs::path path() const { return folder / "x.mlpackage"; }

  /// A flipped bit: most such programs can still be read.
  void damage(std::mt19937 &random) const {
    std::vector<uint8_t> bytes = whole;
    bytes[random() % bytes.size()] ^= uint8_t(1 << random() % 8);
    std::ofstream(program(), std::ios::binary)
        .write(reinterpret_cast<const char *>(bytes.data()), std::streamsize(bytes.size()));
  }

private:
  fs::path program() const { return path() / "Data/com.apple.CoreML/model.mlmodel"; }

  fs::path folder;
  std::vector<uint8_t> whole;
};

/// Whether the package can be read and is imported.
bool isImported(const std::string &path, mlir::MLIRContext &context) {
  Result<coreml::Package> package = coreml::Package::open(path);
  if (!package || !mil::unknownOps(package->program()).empty())
    return false;
  const test::SeparateConstants separate(package->program());
  mil::PackageWeights weights;
  auto imported = mil::importProgram(separate.program(), "damaged", "0", mil::Forms::all, weights, &context);
  if (!imported)
    CHECK(imported.message().find('\n') == std::string::npos);
  else
    CHECK(mlir::succeeded(mlir::verify(*imported->module)));
  return bool(imported);
}

} // namespace

TEST_CASE("damaged packages are imported or refused in one line") {
  mlir::DialectRegistry registry;
  registerDialects(registry);
  mlir::MLIRContext context(registry);
  std::mt19937 random(5);
  for (const std::string name : {"llama2L_hf_int4", "toy_kv_prefill_decode", "int8_kv_ok", "sc_ok"}) {
    const Copy copy(name);
    CAPTURE(name);
    int imported = 0;
    for (int i = 0; i < 334; ++i) {
      CAPTURE(i);
      copy.damage(random);
      imported += isImported(copy.path().string(), context);
    }
    CHECK(imported > 33);
    CHECK(imported < 300);
  }
}

TEST_CASE("packages that are changed field by field are imported or refused in one line") {
  mlir::DialectRegistry registry;
  registerDialects(registry);
  const test::PackageFolder folder;
  std::mt19937 random(3);
  int imported = 0;
  for (const std::string name : {"accumulator", "cond_write", "e5_waw_exported", "int8_kv_ok", "llama2L_hf_int4",
                                 "ring_ok", "toy_kv_prefill_decode", "toy_torch_kv_dynamic"}) {
    const fs::path package = kPackages / (name + ".mlpackage"), data = package / "Data/com.apple.CoreML";
    const test::PackageInput whole{bytesOf(data / "model.mlmodel"), bytesOf(data / "weights/weight.bin"),
                                   bytesOf(package / "Manifest.json")};
    mlir::MLIRContext context(registry);
    for (int i = 0; i < 100; ++i) {
      CAPTURE(name);
      CAPTURE(i);
      test::PackageInput changed = whole;
      mutate(changed, random);
      folder.write(changed);
      imported += isImported(folder.path(), context);
    }
  }
  CHECK(imported > 200);
  CHECK(imported < 600);
}
