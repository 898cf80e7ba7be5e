// SPDX-License-Identifier: MIT
#include "plugins/steps.h"

#include "plugins/json_reader.h"

namespace kvasir {
namespace {

constexpr size_t kMaxOps = 1 << 20, kMaxSteps = 1 << 20, kMaxVariants = 64;
constexpr size_t kMaxWeights = 64;
constexpr size_t kMaxName = 4096;
constexpr uint64_t kMaxHeads = 1 << 16, kMaxExperts = 1 << 20;
constexpr const char *kRowNames[] = {"tokens", "wanted", "sequences"};

Json opToJson(const StepOp &op) {
  Json json = {{"op", op.op}, {"at", op.place}, {"rows", kRowNames[static_cast<size_t>(op.rows)]}};
  if (!op.weights.empty())
    json["weights"] = op.weights;
  if (!op.keys.empty())
    json["attends"] = {{"keys", op.keys}, {"values", op.values}, {"heads", op.heads}, {"window", op.windowTokens}};
  if (op.experts)
    json["reads"] = {{"experts", op.chosen}, {"of", op.experts}};
  return json;
}

StepOp opFromJson(const JsonReader &reader) {
  reader.onlyMembers({"op", "at", "rows", "weights", "attends", "reads"});
  StepOp op;
  op.op = reader.member("op").text(kMaxName);
  op.place = reader.member("at").text(kMaxName);
  op.rows = reader.member("rows").oneOf<StepRows>(kRowNames);
  if (reader.has("weights")) {
    const JsonReader weights = reader.member("weights");
    for (size_t i = 0, count = weights.size(kMaxWeights); i < count; ++i)
      op.weights.push_back(weights.element(i).text(kMaxName));
  }
  if (reader.has("attends")) {
    const JsonReader attends = reader.member("attends");
    attends.onlyMembers({"keys", "values", "heads", "window"});
    op.keys = attends.member("keys").text(kMaxName);
    op.values = attends.member("values").text(kMaxName);
    op.heads = attends.member("heads").number(1, kMaxHeads);
    op.windowTokens = attends.member("window").number(0, UINT32_MAX);
    if (op.keys.empty() || op.values.empty())
      attends.fail("names no slot");
  }
  if (reader.has("reads")) {
    const JsonReader reads = reader.member("reads");
    reads.onlyMembers({"experts", "of"});
    op.experts = reads.member("of").number(1, kMaxExperts);
    op.chosen = reads.member("experts").number(1, op.experts);
  }
  return op;
}

CodeStep stepFromJson(const JsonReader &reader, size_t numOps) {
  reader.onlyMembers({"kernel", "ops"});
  CodeStep step;
  step.kernel = reader.member("kernel").text(kMaxName);
  const JsonReader ops = reader.member("ops");
  for (size_t i = 0, count = ops.size(kMaxOps); i < count && !ops.failed(); ++i) {
    const uint64_t number = ops.element(i).number(0, UINT32_MAX);
    if (number >= numOps)
      ops.fail("has the op " + std::to_string(number) + " of " + std::to_string(numOps));
    step.ops.push_back(static_cast<uint32_t>(number));
  }
  return step;
}

VariantSteps variantFromJson(const JsonReader &reader, size_t numOps) {
  reader.onlyMembers({"name", "steps"});
  VariantSteps variant{reader.member("name").text(kMaxName), {}};
  const JsonReader steps = reader.member("steps");
  for (size_t i = 0, count = steps.size(kMaxSteps); i < count && !steps.failed(); ++i)
    variant.steps.push_back(stepFromJson(steps.element(i), numOps));
  return variant;
}

} // namespace

std::string stepsToJson(const StepTable &table) {
  Json ops = Json::array(), variants = Json::array();
  for (const StepOp &op : table.ops)
    ops.push_back(opToJson(op));
  for (const VariantSteps &variant : table.variants) {
    Json steps = Json::array();
    for (const CodeStep &step : variant.steps)
      steps.push_back({{"kernel", step.kernel}, {"ops", step.ops}});
    variants.push_back({{"name", variant.variant}, {"steps", std::move(steps)}});
  }
  return jsonText({{"format", 1}, {"ops", std::move(ops)}, {"variants", std::move(variants)}});
}

Result<StepTable> stepsFromJson(std::string_view text) {
  const Result<Json> json = parseJson(text);
  if (!json)
    return Failure{"steps: " + json.message()};
  std::optional<Failure> failure;
  const JsonReader reader(*json, "steps", failure);
  reader.onlyMembers({"format", "ops", "variants"});
  reader.member("format").number(1, 1);
  StepTable table;
  const JsonReader ops = reader.member("ops"), variants = reader.member("variants");
  for (size_t i = 0, count = ops.size(kMaxOps); i < count && !failure; ++i)
    table.ops.push_back(opFromJson(ops.element(i)));
  for (size_t i = 0, count = variants.size(kMaxVariants); i < count && !failure; ++i)
    table.variants.push_back(variantFromJson(variants.element(i), table.ops.size()));
  if (failure)
    return *failure;
  return table;
}

} // namespace kvasir
