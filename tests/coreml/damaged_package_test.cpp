// SPDX-License-Identifier: MIT
// Packages as accidents and attackers leave them: a clear line, and nothing outside the package is opened.
#include "compiler/frontends/coreml/package.h"
#include "compiler/frontends/coreml/report.h"
#include "tests/fuzz/wire_mutator.h"
#include "tests/unit/damage.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <numeric>
#include <sys/inotify.h>
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

/// Reads all that a compiler and an audit read of a program without running it.
uint64_t readAll(const Package &package) {
  const std::vector<Finding> findings = findBugs(package.program());
  uint64_t sum = reportText(package.program(), findings).size() + reportJson(package.program(), findings).size();
  for (const Function &function : package.program().functions)
    for (const Value &value : function.values)
      if (value.constant)
        sum = std::accumulate(value.constant->bytes.begin(), value.constant->bytes.end(), sum);
  return sum + package.digest()[0];
}

/// How many of `count` damaged copies were refused. None may say more than one line; what is not refused can be read
/// to its end.
int countRefusals(const std::string &file, int count) {
  const Copy copy("llama2L_hf_int4");
  const std::vector<uint8_t> whole = copy.read(file);
  std::mt19937 random(7);
  int refused = 0;
  for (int i = 0; i < count; ++i) {
    copy.write(file, damaged(whole, random));
    Result<Package> opened = Package::open(copy.package().string());
    if (opened)
      CHECK(readAll(*opened) > 0);
    else
      CHECK(opened.message().find('\n') == std::string::npos);
    refused += !opened;
  }
  return refused;
}

/// Tells whether anything in a folder was opened since it was made.
class Tripwire {
public:
  explicit Tripwire(const fs::path &folder) : queue(inotify_init1(IN_NONBLOCK)) {
    REQUIRE(inotify_add_watch(queue, folder.c_str(), IN_OPEN | IN_ACCESS) >= 0);
  }
  ~Tripwire() { close(queue); }

  bool wasTouched() const {
    char events[4096];
    return read(queue, events, sizeof(events)) > 0;
  }

private:
  int queue;
};

/// A package with files outside of it that would do as its own, and links that lead to them and elsewhere.
class Trap {
public:
  Trap() : copy("prefill8"), manifest(copy.read("Manifest.json")), program(copy.read(kProgram)) {
    fs::create_directory(copy.outside());
    fs::copy(copy.package() / kWeights, copy.outside() / "w");
    fs::copy(copy.package() / kProgram, copy.outside() / "m");
    for (const fs::path &folder : {copy.package() / "Data", copy.package() / "Data/com.apple.CoreML"}) {
      fs::create_directory_symlink(copy.outside(), folder / "d");
      fs::create_symlink(copy.outside() / "w", folder / "w");
      fs::create_symlink(copy.outside() / "m", folder / "m");
      fs::create_symlink("loop", folder / "loop");
      fs::create_directory_symlink(copy.package() / "..", folder / "up");
    }
  }

  /// A path of some steps that leads out, or nowhere.
  std::string path(std::mt19937 &random) const {
    static const std::vector<std::string> kSteps{"..", "d", "up", "loop", ".", "", "outside", "x.mlpackage", "weights"};
    std::string path = random() % 4 ? "" : random() % 2 ? "/" : "//";
    for (uint32_t i = random() % 5; i > 0; --i)
      path += kSteps[random() % kSteps.size()] + "/";
    return path + (random() % 2 ? "w" : "m");
  }

  /// Whether the package with this path to its program is refused.
  bool refusesProgram(const std::string &path) const {
    copy.write("Manifest.json", manifest);
    copy.replace("Manifest.json", "\"path\": \"com.apple.CoreML/model.mlmodel", "\"path\": \"" + path);
    return refuses();
  }

  /// Whether the package with this path to its weights is refused, in every constant. Lengths are as they were, or the
  /// protobuf would be none.
  bool refusesWeights(const std::string &path) const {
    const std::string name = "@model_path/weights/weight.bin", prefix = "@model_path/";
    if (path.size() > name.size() - prefix.size())
      return true;
    std::vector<uint8_t> changed = program;
    const std::string other = prefix + std::string(name.size() - prefix.size() - path.size(), '/') + path;
    for (auto at = changed.begin();;) {
      at = std::search(at, changed.end(), name.begin(), name.end());
      if (at == changed.end())
        break;
      at = std::copy(other.begin(), other.end(), at);
    }
    copy.write("Manifest.json", manifest);
    copy.write(kProgram, changed);
    const bool isRefused = refuses();
    copy.write(kProgram, program);
    return isRefused;
  }

  fs::path outside() const { return copy.outside(); }

private:
  bool refuses() const {
    const std::string message = copy.message();
    CHECK(message.find('\n') == std::string::npos);
    return !message.empty();
  }

  Copy copy;
  std::vector<uint8_t> manifest, program;
};

using test::WireField;
using test::WireMessage;

WireField message(uint32_t number, WireMessage fields) {
  return {number, WireField::Form::message, 0, {}, std::move(fields)};
}

WireField text(uint32_t number, const std::string &text) {
  return {number, WireField::Form::bytes, 0, {text.begin(), text.end()}, {}};
}

WireField number(uint32_t number, uint64_t value) { return {number, WireField::Form::varint, value, {}, {}}; }

/// What the description of a function 'main' that does nothing says of the dims of an input: `array` are the fields of
/// its array type.
std::vector<DimRange> declaredDims(WireMessage array) {
  const WireField input = message(1, {text(1, "x"), message(3, {message(5, std::move(array))})});
  const WireField block = message(3, {text(1, "CoreML8"), message(2, {})});
  const WireField function = message(2, {text(1, "main"), message(2, {text(2, "CoreML8"), block})});
  const Copy copy("prefill8");
  copy.write(kProgram, test::serialise({message(2, {input}), message(502, {function})}));
  Result<Package> opened = Package::open(copy.package().string());
  REQUIRE_MESSAGE(bool(opened), (opened ? "" : opened.message()));
  return opened->program().functions.front().declaredDims.at("x");
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

TEST_CASE("no path of 400 opens anything outside the package") {
  const Trap trap;
  const Tripwire tripwire(trap.outside());
  std::ifstream(trap.outside() / "w").get();
  CHECK(tripwire.wasTouched()); // it tells
  std::mt19937 random(11);
  for (int i = 0; i < 200; ++i) {
    const std::string path = trap.path(random);
    CAPTURE(path);
    CHECK(trap.refusesProgram(path));
    CHECK(trap.refusesWeights(path));
    REQUIRE(!tripwire.wasTouched());
  }
}

TEST_CASE("a manifest or a folder that is a link to outside the package is refused") {
  for (const char *name : {"Manifest.json", kProgram, "Data"}) {
    const Copy copy("prefill8");
    fs::create_directory(copy.outside());
    fs::rename(copy.package() / name, copy.outside() / "moved");
    fs::create_symlink(copy.outside() / "moved", copy.package() / name);
    const Tripwire tripwire(copy.outside());
    CHECK(copy.message().find("leads out of the package") != std::string::npos);
    CHECK(!tripwire.wasTouched());
  }
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

TEST_CASE("a dim that may be one of 300,000 sizes is read in their order, once each" * doctest::timeout(20)) {
  WireMessage shapes;
  for (uint64_t size = 300'000; size > 0; --size)
    shapes.push_back(message(1, {number(1, size)}));
  shapes.push_back(shapes.front());
  const std::vector<DimRange> dims = declaredDims({message(21, std::move(shapes))});
  REQUIRE(dims.size() == 1);
  std::vector<int64_t> due(300'000);
  std::iota(due.begin(), due.end(), 1);
  CHECK(dims.front().values == due);
}

TEST_CASE("of a description's dims no more are kept than tensors have") {
  CHECK(declaredDims({message(21, {message(1, WireMessage(100'000, number(1, 7)))})}).size() == 16);
  CHECK(declaredDims({message(31, WireMessage(100'000, message(1, {number(1, 7)})))}).size() == 16);
}
