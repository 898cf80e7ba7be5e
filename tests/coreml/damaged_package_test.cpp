// SPDX-License-Identifier: MIT
// Packages as accidents and attackers leave them: a clear line, and nothing outside the package is opened.
#include "compiler/frontends/coreml/package.h"
#include "tests/unit/damage.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <unistd.h>

using namespace kvasir;
using namespace kvasir::coreml;

namespace {

namespace fs = std::filesystem;

const fs::path kPackages = fs::path(KVASIR_COREML_CASES) / "packages";
constexpr const char *kProgram = "Data/com.apple.CoreML/model.mlmodel";
constexpr const char *kWeights = "Data/com.apple.CoreML/weights/weight.bin";

/// A package that may be damaged, in a folder that goes with it.
class Copy {
public:
  explicit Copy(const std::string &name) {
    std::string pattern = (fs::temp_directory_path() / "kvasir-package-XXXXXX").string();
    folder = mkdtemp(pattern.data());
    fs::copy(kPackages / (name + ".mlpackage"), package(), fs::copy_options::recursive);
  }
  ~Copy() { fs::remove_all(folder); }

  fs::path package() const { return folder / "x.mlpackage"; }
  fs::path outside() const { return folder / "outside"; }

  std::vector<uint8_t> read(const std::string &file) const {
    std::ifstream in(package() / file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string &file, const std::vector<uint8_t> &bytes) const {
    std::ofstream(package() / file, std::ios::binary)
        .write(reinterpret_cast<const char *>(bytes.data()), std::streamsize(bytes.size()));
  }
  void replace(const std::string &file, const std::string &what, const std::string &with) const {
    std::vector<uint8_t> bytes = read(file);
    const auto at = std::search(bytes.begin(), bytes.end(), what.begin(), what.end());
    REQUIRE(at != bytes.end());
    bytes.insert(bytes.erase(at, at + std::ptrdiff_t(what.size())), with.begin(), with.end());
    write(file, bytes);
  }

  /// What opening it says; empty if it opens.
  std::string message() const {
    Result<Package> opened = Package::open(package().string());
    return opened ? "" : opened.message();
  }

private:
  fs::path folder;
};

/// How many of `count` damaged copies were refused. None may say more than one line.
int countRefusals(const std::string &file, int count) {
  const Copy copy("llama2L_hf_int4");
  const std::vector<uint8_t> whole = copy.read(file);
  std::mt19937 random(7);
  int refused = 0;
  for (int i = 0; i < count; ++i) {
    copy.write(file, damaged(whole, random));
    const std::string message = copy.message();
    CHECK(message.find('\n') == std::string::npos);
    refused += !message.empty();
  }
  return refused;
}

} // namespace

TEST_CASE("damaged programs, weights and manifests are read or refused in one line") {
  CHECK(countRefusals(kProgram, 600) > 300);
  CHECK(countRefusals(kWeights, 200) > 20); // most of it is numbers, and any number is one
  CHECK(countRefusals("Manifest.json", 200) > 150);
}

TEST_CASE("paths that lead out of the package are refused before anything is opened") {
  const std::string name = "com.apple.CoreML/model.mlmodel";
  for (const std::string &path : {std::string("../../../etc/passwd"), std::string("/etc/passwd")}) {
    const Copy copy("prefill8");
    copy.replace("Manifest.json", "\"path\": \"" + name, "\"path\": \"" + path);
    CHECK(copy.message() == (path[0] == '/' ? "the program 'Data/" + path + "': No such file or directory"
                                            : "the program 'Data/" + path + "' leads out of the package"));
  }

  const Copy copy("prefill8");
  fs::copy(copy.package() / kWeights, copy.outside());
  fs::remove(copy.package() / kWeights);
  fs::create_symlink(copy.outside(), copy.package() / kWeights);
  CHECK(copy.message().ends_with("weight file: 'Data/com.apple.CoreML/weights/weight.bin' leads out of the package"));
  fs::remove(copy.package() / kWeights);
  fs::copy(copy.outside(), copy.package() / "weight.bin");
  fs::create_symlink(copy.package() / "weight.bin", copy.package() / kWeights);
  CHECK(copy.message() == "");
}

TEST_CASE("what is missing or of another kind is named") {
  {
    const Copy copy("prefill8");
    fs::remove(copy.package() / kWeights);
    CHECK(copy.message().ends_with("weight.bin': No such file or directory"));
  }
  {
    const Copy copy("prefill8");
    fs::remove(copy.package() / "Manifest.json");
    CHECK(copy.message() == "is no Core ML package: there is no folder with a Manifest.json");
  }
  {
    const Copy copy("prefill8");
    copy.write(kProgram, {0xff, 0xff});
    CHECK(copy.message() == "the program is damaged: it is no protobuf of a Core ML model");
  }
  {
    const Copy copy("prefill8");
    copy.write(kProgram, {});
    CHECK(copy.message() == "the model is no ML program; convert it again with convert_to=\"mlprogram\"");
  }
  {
    const Copy copy("prefill8");
    std::vector<uint8_t> weights = copy.read(kWeights);
    weights[4] = 3;
    copy.write(kWeights, weights);
    CHECK(copy.message().ends_with("weight file: has version 3; version 2 is read"));
  }
  CHECK(Package::open("/nowhere").message() == "No such file or directory");
}
