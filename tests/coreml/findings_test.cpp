// SPDX-License-Identifier: MIT
// What the programs alone say of lost state, against the verdicts that are expected of each package.
#include "compiler/frontends/coreml/findings.h"
#include "compiler/frontends/coreml/package.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <set>

using namespace kvasir::coreml;

namespace {

const std::filesystem::path kCases = KVASIR_COREML_CASES;

/// Classes that a program shows without being run.
const std::set<int> kStatic = {1, 2, 3, 4, 5, 6, 8, 9, 10, 23};

/// What only running it shows: rows of one tensor that recurs, a counter, two packages side by side, an attention that
/// is no op.
const std::set<std::string> kDynamic = {"counter_advances_by_one", "decode_reads_first", "e1_raw_exported",
                                        "e5_waw_exported", "ssm_prefill_last_only"};

std::string nameOf(const nlohmann::json &value) { return value.is_string() ? value.get<std::string>() : ""; }

std::string line(int bugClass, const std::string &severity, const std::string &function, const std::string &state) {
  return std::to_string(bugClass) + " " + severity + " " + function + " " + state;
}

std::set<std::string> found(const Program &program) {
  std::set<std::string> lines;
  for (const Finding &finding : findBugs(program))
    lines.insert(line(int(finding.bugClass), finding.severity == Severity::error ? "error" : "warning",
                      finding.function, finding.state));
  return lines;
}

std::set<std::string> expected(const std::string &name) {
  std::set<std::string> lines;
  if (kDynamic.contains(name))
    return lines;
  const auto json = nlohmann::json::parse(std::ifstream(kCases / "expected" / (name + ".json")));
  for (const auto &finding : json["verdict"].value("findings", nlohmann::json::array()))
    if (kStatic.contains(finding["bug_class"]))
      lines.insert(
          line(finding["bug_class"], finding["severity"], nameOf(finding["function"]), nameOf(finding["state"])));
  return lines;
}

Package open(const std::string &name) {
  kvasir::Result<Package> package = Package::open((kCases / "packages" / (name + ".mlpackage")).string());
  REQUIRE(bool(package));
  return std::move(*package);
}

void removeWrite(Function &function, size_t number) {
  std::vector<Operation> &operations = function.body.operations;
  for (auto at = operations.begin(); at != operations.end(); ++at)
    if (at->type == "write_state" && number-- == 0) {
      operations.erase(at);
      return;
    }
}

} // namespace

TEST_CASE("every package: the static findings that are expected, and no others") {
  const auto index = nlohmann::json::parse(std::ifstream(kCases / "index.json"));
  for (const auto &entry : index["cases"]) {
    const std::string name = entry["case"];
    std::string lines, due;
    for (const std::string &each : found(open(name).program()))
      lines += each + "\n";
    for (const std::string &each : expected(name))
      due += each + "\n";
    CHECK_MESSAGE(lines == due, name, ":\n", lines, "expected:\n", due);
  }
}

TEST_CASE("each deleted write of the right packages is noticed") {
  const auto mutations = nlohmann::json::parse(std::ifstream(kCases / "mutations.json"));
  size_t numNoticed = 0;
  for (const auto &mutation : mutations) {
    const Package package = open(mutation["case"]);
    Program program = package.program();
    for (Function &function : program.functions)
      if (function.name == mutation["function"].get<std::string>())
        removeWrite(function, mutation["write_state_number"]);
    const std::set<std::string> lines = found(program);
    const std::string function = mutation["function"], state = mutation["state"];
    const auto noticed = [&](int bugClass) {
      return lines.contains(line(bugClass, "error", function, state)) ||
             lines.contains(line(bugClass, "warning", function, state));
    };
    // Where one write of several is missing, its update is dropped; where a later one builds on it, nothing is lost.
    CHECK_MESSAGE((noticed(1) || noticed(2) || noticed(9)), mutation["case"], " ", function, " ", state);
    numNoticed += noticed(1) || noticed(2) || noticed(9);
  }
  CHECK(numNoticed == mutations.size());
}

TEST_CASE("offsets that double at each step are followed once, and not beyond what rows can be") {
  Function function;
  function.values = {{"pos", {TypeKind::tensor, {Element::i32, {1}}}, {}}};
  function.inputs = {0};
  constexpr ValueId kSteps = 60;
  for (ValueId step = 0; step < kSteps; ++step) {
    function.values.push_back({"x" + std::to_string(step), function.values[0].type, {}});
    Operation add;
    add.type = "add";
    add.outputs = {step + 1};
    add.inputs["x"] = add.inputs["y"] = {{step, {}}};
    function.body.operations.push_back(add);
  }
  const IndexExpressions expressions(function);
  CHECK(text(expressions.find({3, {}}, 0).value()) == "8 * pos");
  CHECK(text(expressions.find({40, {}}, 0).value()) == "1099511627776 * pos");
  CHECK(!expressions.find({kSteps, {}}, 0));
}

TEST_CASE("elements of the tensors that scatters take their indices from") {
  Function function;
  const auto value = [&](std::vector<int64_t> dims, std::optional<Constant> constant = {}) {
    const Type type{TypeKind::tensor, {Element::i32, std::move(dims)}};
    function.values.push_back({"pos", type, std::move(constant)});
    return ValueId(function.values.size() - 1);
  };
  std::vector<std::vector<uint8_t>> kept;
  kept.reserve(8);
  const auto number = [&](std::vector<int64_t> dims, std::vector<uint8_t> bytes) {
    kept.push_back(std::move(bytes));
    return value(dims, Constant{{Element::i8, dims}, kept.back(), {}});
  };
  const auto make = [&](const char *type, std::vector<int64_t> dims,
                        std::map<std::string, std::vector<ValueId>> operands) {
    Operation operation;
    operation.type = type;
    for (const auto &[name, values] : operands)
      for (ValueId operand : values)
        operation.inputs[name].push_back({operand, {}});
    operation.outputs = {value(std::move(dims))};
    function.body.operations.push_back(operation);
    return operation.outputs.front();
  };
  const ValueId pos = value({1}), two = number({}, {2}), one = number({}, {1}), row = number({3}, {0, 1, 2});
  function.inputs = {pos};
  const ValueId rows = make("range_1d", {4}, {{"start", {pos}}, {"end", {two}}, {"step", {two}}});
  const ValueId column = make("expand_dims", {4, 1}, {{"x", {rows}}});
  const ValueId cells = make("tile", {4, 3}, {{"x", {column}}, {"reps", {row}}});
  const ValueId sum = make("add", {4, 3}, {{"x", {cells}}, {"y", {one}}});
  const ValueId places = make("stack", {1, 2}, {{"values", {two, pos}}, {"axis", {one}}});
  const ValueId broadcast = make("add", {4, 3}, {{"x", {column}}, {"y", {row}}});
  const ValueId many = make("stack", {4, 2}, {{"values", {rows, rows}}, {"axis", {one}}});
  const IndexExpressions expressions(function);
  CHECK(text(expressions.find({rows, {}}, 3).value()) == "pos + 6");
  CHECK(text(expressions.find({cells, {}}, 7).value()) == "pos + 4");
  CHECK(text(expressions.find({sum, {}}, 11).value()) == "pos + 7");
  CHECK(text(expressions.find({places, {}}, 0).value()) == "2");
  CHECK(text(expressions.find({places, {}}, 1).value()) == "pos");
  CHECK(!expressions.find({broadcast, {}}, 5));
  CHECK(!expressions.find({many, {}}, 2));
  CHECK(!expressions.find({rows, {}}, uint64_t(1) << 40));
}
