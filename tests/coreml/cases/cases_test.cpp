// SPDX-License-Identifier: MIT
// How a folder of cases is read and compared: inputs, tolerances, checksums, row maps, verdicts; and files that are
// none.
#include "runtime/imported/host.h"
#include "runtime/imported/row_map.h"
#include "runtime/imported/subprocess.h"
#include "tests/coreml/cases/player.h"
#include "tests/coreml/cases/verdict.h"

#include <cmath>
#include <doctest/doctest.h>
#include <fstream>
#include <unistd.h>

using namespace kvasir;
using namespace kvasir::coreml_cases;
using imported::Tensor;

namespace {

std::vector<float> valuesOf(const Tensor &tensor) {
  std::vector<float> values;
  for (uint64_t i = 0; i < tensor.numElements(); ++i)
    values.push_back(tensor.at(i));
  return values;
}

std::vector<float> input(const char *json) { return valuesOf(makeInput(Json::parse(json))); }

Tensor halves(std::vector<uint64_t> dims, const std::vector<double> &values) {
  Tensor tensor = Tensor::make(ElementType::f16, std::move(dims));
  for (size_t i = 0; i < values.size(); ++i)
    tensor.set(i, values[i]);
  return tensor;
}

std::string difference(const char *json, const Tensor &actual, const std::vector<uint8_t> &blobs = {}) {
  return differenceFrom(Json::parse(json), actual, blobs, imported::RowAxes{0, {}});
}

} // namespace

TEST_CASE("inputs by values and by generators") {
  constexpr float kInfinity = INFINITY;
  CHECK(input(R"({"values": [1, "-inf", 2.5], "shape": [3], "dtype": "fp16"})") ==
        std::vector<float>{1, -kInfinity, 2.5});
  CHECK(input(R"({"gen": "causal", "past": 1, "neg": -65504, "shape": [1, 2, 4], "dtype": "fp16"})") ==
        std::vector<float>{0, 0, -65504, -65504, 0, 0, 0, -65504});
  CHECK(input(R"({"gen": "visible", "rows": [[2], []], "neg": "-inf", "shape": [2, 3], "dtype": "fp32"})") ==
        std::vector<float>{-kInfinity, -kInfinity, 0, -kInfinity, -kInfinity, -kInfinity});
  CHECK(input(R"({"gen": "const", "value": 7, "shape": [1, 2], "dtype": "int32"})") == std::vector<float>{7, 7});
  // x = 1664525 + 1013904223 = 1015568748; (x >> 8) = 3967065 = 17 * 233356 + 13; (-8 + 13) / 4.
  CHECK(input(R"({"gen": "lcg", "seed": 1, "lo": -8, "hi": 8, "scale": 0.25, "shape": [1], "dtype": "fp16"})") ==
        std::vector<float>{1.25});
}

TEST_CASE("inputs that make no sense are refused") {
  for (const char *json :
       {R"({"values": [1], "shape": [2], "dtype": "fp16"})", R"({"values": [1], "dtype": "fp16"})",
        R"({"values": ["x"], "shape": [1], "dtype": "fp16"})", R"({"values": [1], "shape": [-1], "dtype": "fp16"})",
        R"({"values": [], "shape": [4294967296, 4294967296], "dtype": "fp16"})",
        R"({"gen": "lcg", "seed": 1, "lo": 8, "hi": -8, "scale": 1, "shape": [1], "dtype": "fp16"})",
        R"({"gen": "visible", "rows": [[0]], "neg": 0, "shape": [2, 3], "dtype": "fp16"})",
        R"({"gen": "causal", "past": 0, "neg": 0, "shape": [], "dtype": "fp16"})",
        R"({"gen": "magic", "shape": [1], "dtype": "fp16"})", R"({"values": [1], "shape": [1], "dtype": "fp12"})", "[]",
        "3"})
    CHECK_THROWS_MESSAGE(makeInput(Json::parse(json)), json);
}

TEST_CASE("values within the tolerance, and not beyond") {
  const Tensor actual = halves({2, 2}, {1, -2, 0.5, 3});
  CHECK(difference(R"({"shape": [2, 2], "dtype": "fp16", "atol": 0, "values": [1, -2, 0.5, 3], "sum": 2.5})", actual) ==
        "");
  CHECK(difference(R"({"shape": [2, 2], "dtype": "fp16", "atol": 0.01, "values": [1.005, -2, 0.5, 3]})", actual) == "");
  CHECK(difference(R"({"shape": [2, 2], "dtype": "fp16", "atol": 0.01, "values": [1.25, -2, 0.5, 3.5]})", actual) ==
        "element 3 is 3, expected 3.5 ± 0.01 (the worst of 2)");
  CHECK(difference(R"({"shape": [2, 2], "dtype": "fp16", "exact": true, "atol": 0, "values": [1, -2, 0.5, "inf"]})",
                   actual) == "element 3 is 3, expected inf");
  CHECK(difference(R"({"shape": [4], "dtype": "fp16", "atol": 0})", actual) == "is f16[2, 2], expected f16[4]");
  CHECK(difference(R"({"shape": [2, 2], "dtype": "fp16", "atol": 0, "sum": 3})", actual) == "sum is 2.5, expected 3");
  CHECK(difference(R"({"shape": [2, 2], "dtype": "fp16", "atol": 0, "sample": [[3, 4]]})", actual) ==
        "element 3 is 3, expected 4");
  CHECK(difference(
            R"({"shape": [2, 2], "dtype": "fp16", "atol": 0, "rows": [{"slab": [], "row": 1, "values": [0.5, 4]}]})",
            actual) == "element 3 is 3, expected 4");
  std::vector<uint8_t> blob(3);
  blob.insert(blob.end(), actual.bytes.begin(), actual.bytes.end());
  CHECK(difference(R"({"shape": [2, 2], "dtype": "fp16", "atol": 0, "blob": [3, 8]})", actual, blob) == "");
  blob[3 + 5] ^= 4;
  CHECK(difference(R"({"shape": [2, 2], "dtype": "fp16", "atol": 0, "blob": [3, 8]})", actual, blob) ==
        "element 2 is 0.5, expected 1");
  for (const char *json :
       {R"({"shape": [2, 2], "dtype": "fp16", "atol": 0, "blob": [8, 8]})",
        R"({"shape": [2, 2], "dtype": "fp16", "atol": 0, "blob": [18446744073709551608, 8]})",
        R"({"shape": [2, 2], "dtype": "fp16", "atol": 0, "values": [1]})",
        R"({"shape": [2, 2], "dtype": "fp16", "atol": 0, "sample": [[4, 1]]})",
        R"({"shape": [2, 2], "dtype": "fp16", "atol": 0, "rows": [{"slab": [0], "row": 1, "values": []}]})",
        R"({"shape": [2, 2], "dtype": "fp16"})"})
    CHECK_THROWS_MESSAGE(difference(json, actual, blob), json);
}

TEST_CASE("the checksum is zlib's, and has no negative zero") {
  Tensor text = Tensor::make(ElementType::u8, {9});
  std::ranges::copy(std::string("123456789"), text.bytes.begin());
  CHECK(checksumOf(text) == 0xcbf43926);
  CHECK(checksumOf(halves({2}, {-0.0, 1})) == checksumOf(halves({2}, {0.0, 1})));
  CHECK(difference(R"({"shape": [2], "dtype": "fp16", "exact": true, "atol": 0, "crc32": "00000000"})",
                   halves({2}, {0, 1}))
            .starts_with("has the checksum "));
}

TEST_CASE("written rows, of all slabs and of single ones") {
  const imported::Rows rows({2, 8, 3}, {1, {0}});
  const std::vector<imported::SlabRows> actual = {{{0, 1}, {}, {}, 0}, {{}, {}, {}, 0}};
  CHECK(differenceOfRows(Json::parse(R"([{"slab": [0], "rows": [[0, 2]]}])"), actual, rows) == "");
  CHECK(differenceOfRows(Json::parse(R"([{"slab": "all", "rows": [[0, 2]]}])"), actual, rows) ==
        "slab [1]: rows [] were written, expected [0, 2)");
  CHECK(differenceOfRows(Json::parse(R"([{"slab": [0], "rows": [[0, 1]]}])"), actual, rows) ==
        "slab [0]: rows [0, 2) were written, expected [0, 1)");
  CHECK(differenceOfRows(Json::parse("[]"), actual, rows) == "slab [0]: rows [0, 2) were written, expected []");
  CHECK(differenceOfRows(Json::parse(R"({"written": "all"})"), actual, rows) == "");
  CHECK_THROWS(differenceOfRows(Json::parse(R"([{"slab": [2], "rows": []}])"), actual, rows));
  CHECK_THROWS(differenceOfRows(Json::parse(R"([{"slab": [0], "rows": [[0, 1000000000000]]}])"), actual, rows));
}

TEST_CASE("verdicts are compared by class, severity, function, state and rows") {
  const Json expected = Json::parse(R"x({"verdict": {"findings": [
    {"bug_class": 4, "severity": "error", "function": "f", "state": "k", "rows": [[8, 9]]},
    {"bug_class": 1, "severity": "error", "function": "f", "state": null, "rows_written": [], "rows_expected": "[pos,pos+8)"}]}})x");
  const auto found = [](const char *findings) {
    return Json::parse("{\"findings\": [" + std::string(findings) + "]}");
  };
  constexpr const char *kFirst =
      R"x({"bug_class": 4, "severity": "error", "function": "f", "state": "k", "rows_written": "[8, 9)"})x";
  constexpr const char *kSecond =
      R"x(, {"bug_class": 1, "severity": "error", "function": "f", "state": null, "rows_written": "[]", "rows_expected": "[pos, pos + 8)"})x";
  CHECK(differencesOfVerdicts(expected, found((std::string(kFirst) + kSecond).c_str())).empty());
  CHECK(differencesOfVerdicts(expected, found(kFirst)) ==
        std::vector<std::string>{"not found: class 1 error, function f"});
  CHECK(differencesOfVerdicts(
            expected,
            found((std::string(kFirst) + kSecond + R"x(, {"bug_class": 3, "severity": "warning", "text": "x"})x")
                      .c_str())) == std::vector<std::string>{"not expected: class 3 warning: x"});
  const std::string other = std::string(kFirst).replace(std::string(kFirst).find("[8"), 2, "[7");
  CHECK(differencesOfVerdicts(expected, found((other + kSecond).c_str())) ==
        std::vector<std::string>{"class 4 error, function f, state k: rows_written \"[7, 9)\", expected [[8,9]]"});
}

TEST_CASE("two fills differ in every element, so nothing that a call stores equals both") {
  for (const ElementType element :
       {ElementType::f16, ElementType::f32, ElementType::i8, ElementType::u8, ElementType::i32}) {
    const Tensor like = Tensor::make(element, {4, 4096});
    for (const auto &[one, other] : {std::pair<uint64_t, uint64_t>{1, 2}, {0, 1}, {3, 250}}) {
      const Tensor first = imported::fill(like, one), second = imported::fill(like, other);
      uint64_t numEqual = 0;
      for (uint64_t i = 0; i < like.numElements(); ++i)
        numEqual += first.at(i) == second.at(i);
      CHECK_MESSAGE(numEqual == 0, int(element), ", seeds ", one, " and ", other);
    }
  }
}

TEST_CASE("all positions are filled, an integer mask is 1 and 0, and what nothing explains is 1") {
  FunctionDescription function;
  function.name = "prefill";
  function.inputs = {{"attention_mask", ElementType::i32, {{0, 1}, {0, 8}}},
                     {"token_type_ids", ElementType::i32, {{0, 1}, {0, 2}}},
                     {"input_ids", ElementType::i32, {{0, 1}, {0, 2}}},
                     {"position_ids", ElementType::i32, {{0, 2}}},
                     {"write_idx", ElementType::i32, {{0, 1}}},
                     {"rope_cos", ElementType::f16, {{0, 1}, {0, 2}, {0, 4}}}};
  const auto host = imported::hostFunctionOf(function);
  REQUIRE(host);
  CHECK(host->tokenInput == "input_ids");
  CHECK(host->maskInput == "attention_mask");
  CHECK(host->guessedInputs() == std::vector<std::string>{"token_type_ids", "rope_cos"});
  const imported::Tensors inputs = imported::inputsOf({&*host, {5, 6}, 3}, {{imported::CacheStyle::linear, 8}});
  CHECK(valuesOf(inputs.at("attention_mask")) == std::vector<float>{1, 1, 1, 1, 1, 0, 0, 0});
  CHECK(valuesOf(inputs.at("position_ids")) == std::vector<float>{3, 4});
  CHECK(valuesOf(inputs.at("write_idx")) == std::vector<float>{3});
  CHECK(valuesOf(inputs.at("rope_cos")) == std::vector<float>(8, 1));
}

TEST_CASE("packages are those of the folder") {
  const Packages packages("/folder", "");
  CHECK(packages.pathOf("packages/a.mlpackage") == "/folder/packages/a.mlpackage");
  for (const char *path : {"", "/etc", "../a.mlpackage", "packages/../../a"})
    CHECK_THROWS(packages.pathOf(path));
}

TEST_CASE("a program's output, exit code and absence") {
  const imported::Ran ran = imported::runProgram("sh", {"-c", "echo out; echo 'err $x' >&2; exit 3"});
  CHECK(ran.exitCode == 3);
  CHECK(ran.out == "out\n");
  CHECK(ran.err == "err $x\n");
  CHECK_THROWS(imported::runProgram("/no/such/program", {}));
}

namespace {

/// A folder of one case, gone afterwards.
struct Folder {
  Folder(const std::string &index, const std::string &expected)
      : path(std::filesystem::temp_directory_path() / ("kvasir-cases-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(path / "expected");
    std::ofstream(path / "index.json") << index;
    std::ofstream(path / "expected" / "a.json") << expected;
  }
  ~Folder() { std::filesystem::remove_all(path); }

  imported::Ran run() const {
    return imported::runProgram(KVASIR_COREML_CASES_PROGRAM, {path.string(), "--checks", "calls"});
  }

  const std::filesystem::path path;
};

constexpr const char *kIndex = R"({"cases": [{"case": "a", "package": "packages/a.mlpackage"}]})";

} // namespace

TEST_CASE("folders that are none, or lie, fail in a line") {
  for (const char *index :
       {"", "[]", "{}", R"({"cases": 3})", R"({"cases": [3]})", R"({"cases": [{}]})", R"({"cases": []})"}) {
    const imported::Ran ran = Folder(index, "{}").run();
    CHECK_MESSAGE(ran.exitCode == 1, index);
    CHECK_MESSAGE(ran.err.starts_with("kvasir-coreml-cases: "), index);
  }
  const char *sequences[] = {R"("x")",
                             R"([3])",
                             R"([{"name": "p", "steps": 3}])",
                             R"([{"name": "p", "steps": [{"op": "x"}]}])",
                             R"([{"name": "p", "steps": [{"op": "fork_state", "state": "s", "to": "t"}]}])",
                             R"([{"name": "p", "steps": [{"op": "make_state", "state": "s"}]}])"};
  for (const std::string each : sequences) {
    const imported::Ran ran =
        Folder(kIndex, R"({"package": "../a.mlpackage", "verdict": {"findings": []}, "sequences": )" + each + "}")
            .run();
    CHECK_MESSAGE(ran.exitCode == 1, each);
    CHECK_MESSAGE(ran.out.starts_with("FAILED a"), each);
    CHECK_MESSAGE(ran.out.ends_with("1 cases: 0 passed, 1 failed; 0 calls, 0 tensors, 0 row maps, 0 verdicts, 0 "
                                    "deleted writes, 0 raised calls\n"),
                  each, ran.out);
  }
}
