// SPDX-License-Identifier: MIT
#include "runtime/tools/command.h"
#include "runtime/tools/failed.h"
#include "runtime/tools/inspect_text.h"
#include "runtime/tools/output.h"

#include "kvasir/kvasir.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

namespace kvasir::tools {
namespace {

using Json = nlohmann::ordered_json;

struct PlanOptions {
  std::string model;
  uint64_t context = 0;
  uint32_t batch = 1, threads = 0;
  bool printsJson = false;
};

std::string planRow(const std::string &name, uint64_t bytes, const std::string &note = "") {
  return textRow(name, bytesText(static_cast<double>(bytes)) + note, 22);
}

std::string describe(const MemoryPlan &plan, const Json &slots) {
  const auto &totals = plan.totals;
  std::string text = std::to_string(totals.batch) + (totals.batch == 1 ? " sequence" : " sequences") + " of " +
                     std::to_string(totals.context) + " tokens\n";
  text += planRow("weights", totals.weights_bytes, ", mapped from the file");
  text += planRow("state", totals.state_bytes, ", grows to it as tokens come");
  for (size_t i = 0; i < plan.slotBytes.size(); ++i)
    text += planRow("  " + slots[i]["name"].get<std::string>(), plan.slotBytes[i]);
  uint64_t idBytes = totals.state_bytes;
  for (const uint64_t bytes : plan.slotBytes)
    idBytes -= bytes;
  text += planRow("  token ids", idBytes);
  text += planRow("scratch, prefill", totals.prefill_scratch_bytes);
  text += planRow("scratch, decode", totals.decode_scratch_bytes);
  return text + planRow("together", totals.total_bytes, ", one scratch at a time");
}

Json planJson(const MemoryPlan &plan, const Json &slots) {
  const auto &totals = plan.totals;
  Json list = Json::array();
  for (size_t i = 0; i < plan.slotBytes.size(); ++i)
    list.push_back({{"name", slots[i]["name"]}, {"bytes", plan.slotBytes[i]}});
  return {{"context", totals.context},
          {"batch", totals.batch},
          {"weights_bytes", totals.weights_bytes},
          {"state_bytes", totals.state_bytes},
          {"slots", list},
          {"prefill_scratch_bytes", totals.prefill_scratch_bytes},
          {"decode_scratch_bytes", totals.decode_scratch_bytes},
          {"total_bytes", totals.total_bytes}};
}

int plan(const PlanOptions &options) {
  const Model model(options.model, {options.threads, Pinning::automatic});
  const MemoryPlan plan = model.plan(options.context, options.batch);
  const Json slots = Json::parse(model.description())["slots"];
  printNow(options.printsJson ? planJson(plan, slots).dump(2) + "\n" : describe(plan, slots));
  return kDone;
}

} // namespace

void addPlan(CLI::App &program, int &exitCode) {
  CLI::App *command = program.add_subcommand("plan", "The memory that conversations will take, before any is taken");
  auto options = std::make_shared<PlanOptions>();
  command->add_option("model", options->model, "a .kvasir file")->required();
  command->add_option("-c,--context", options->context, "tokens of each sequence; 0: the model's context")
      ->check(CLI::Range(0, kMostTokens))
      ->capture_default_str();
  command->add_option("-b,--batch", options->batch, "sequences")->check(CLI::Range(1, 65536))->capture_default_str();
  command->add_option("-t,--threads", options->threads, "0: one for each core")->check(CLI::Range(0, 1024));
  command->add_flag("--json", options->printsJson, "print JSON");
  command->callback([=, &exitCode] { exitCode = plan(*options); });
}

} // namespace kvasir::tools
