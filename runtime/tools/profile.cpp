// SPDX-License-Identifier: MIT
#include "runtime/api/handles.h" // before kvasir.hpp, whose names are those of what handles hold
#include "runtime/tools/api_errors.h"
#include "runtime/tools/command.h"
#include "runtime/tools/failed.h"
#include "runtime/tools/interrupt.h"
#include "runtime/tools/output.h"
#include "runtime/tools/profile_report.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

namespace kvasir::tools {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

// Of one profile; slow plugins get fewer repetitions.
constexpr std::chrono::seconds kMostTime(5);

struct ProfileOptions {
  std::string model;
  uint64_t promptTokens = 256, decodeTokens = 64, depth = 0, sequences = 1;
  uint32_t threads = 0;
  unsigned repetitions = 8;
  bool copiesWeights = false;
  bool printsJson = false;
};

/// The table of the plugin's steps. Throws Failed if there is none.
StepTable needSteps(const std::string &path, const PluginFile &file) {
  auto table = readSteps(path, file);
  if (!table)
    throw Failed("'" + path +
                 "' has no table of steps: it was made by hand or by an older compiler; compile the model "
                 "again with kvasir-compile");
  return std::move(*table);
}

PluginFile openFile(const std::string &path) {
  auto file = PluginFile::open(path);
  if (!file)
    throw Failed("cannot load '" + path + "': " + file.message());
  return std::move(*file);
}

/// Makes calls on some conversations at once, every second one watched.
class Caller {
public:
  Caller(const Model &model, uint64_t sequences, size_t numSteps, const Interrupt &interrupt)
      : model(*model.get()->model), vocabulary(model.facts().vocabulary), interrupt(interrupt), trace(numSteps),
        states(sequences) {}

  /// Empty conversations, then such of `depth` tokens.
  void begin(uint64_t depth) {
    for (auto &state : states)
      state = model.makeState(0);
    if (depth > 0)
      call(depth, runtime::Wanted::none, nullptr);
  }

  double callUnwatched(uint64_t tokens) { return call(tokens, runtime::Wanted::last, nullptr); }

  Repetition callWatched(uint64_t tokens) {
    const double seconds = call(tokens, runtime::Wanted::last, &trace);
    return {seconds, trace.take()};
  }

private:
  /// `tokens` more in each conversation.
  double call(uint64_t tokens, runtime::Wanted wanted, runtime::Observer *observer) {
    const std::vector<int32_t> ids = madeUpIds(tokens * states.size(), vocabulary);
    runtime::CallRequest request;
    for (const auto &state : states)
      request.states.push_back(state.get());
    request.counts.assign(states.size(), tokens);
    request.wanted = wanted;
    request.cancel = &interrupt.cancel().get()->flag;
    request.observer = observer;
    logits.resize(vocabulary * states.size());
    const auto begin = Clock::now();
    withApiErrors([&] { runtime::predict(model, std::move(request), ids, logits.data()); });
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

  runtime::Model &model;
  const uint64_t vocabulary;
  const Interrupt &interrupt;
  runtime::profile::Trace trace;
  std::vector<std::unique_ptr<runtime::State>> states;
  std::vector<float> logits;
};

struct Measured {
  std::vector<Repetition> watched;
  std::vector<double> unwatched;
};

/// Pairs of calls of `tokens` tokens behind `depth`. A step of decode goes on where the last one ended; a prompt begins
/// anew. The first pair fills caches and is left out, unless it took so long that there is no other.
Measured measure(Caller &caller, uint64_t tokens, uint64_t depth, uint64_t pairs, bool goesOn) {
  Measured measured;
  caller.begin(depth);
  const auto began = Clock::now();
  for (uint64_t i = 0; i <= pairs && (i == 0 || Clock::now() - began < kMostTime); ++i) {
    if (!goesOn && i)
      caller.begin(depth);
    if (i == 1)
      measured = {};
    measured.watched.push_back(caller.callWatched(tokens));
    if (!goesOn)
      caller.begin(depth);
    measured.unwatched.push_back(caller.callUnwatched(tokens));
  }
  return measured;
}

/// What all profiles of one command share.
struct Session {
  const StepTable &table;
  const VariantSteps &variant;
  const StepCosts &costs;
  const Limits &limits;
};

Profile makeProfile(Measured measured, bool isPrefill, uint64_t tokens, const ProfileOptions &options,
                    const Session &session) {
  Profile profile{isPrefill, tokens, options.depth, options.sequences, 0, medianOf(measured.unwatched), {}};
  profile.rows = makeRows(std::move(measured.watched), session.table, session.variant, session.costs, session.limits);
  for (const ProfileRow &row : profile.rows)
    profile.seconds += row.seconds();
  return profile;
}

std::vector<Profile> measureAll(const ProfileOptions &options, Caller &caller, const Session &session) {
  std::vector<Profile> profiles;
  if (options.decodeTokens > 0)
    profiles.push_back(makeProfile(measure(caller, 1, options.depth, (options.decodeTokens + 1) / 2, true), false, 1,
                                   options, session));
  if (options.promptTokens > 0)
    profiles.push_back(makeProfile(measure(caller, options.promptTokens, options.depth, options.repetitions, false),
                                   true, options.promptTokens, options, session));
  return profiles;
}

const VariantSteps &findVariant(const StepTable &table, const std::string &name, const std::string &path) {
  const auto found = std::ranges::find(table.variants, name, &VariantSteps::variant);
  if (found == table.variants.end() || found->steps.empty())
    throw Failed("'" + path + "': its table of steps has none of the variant '" + name + "', which runs here");
  return *found;
}

int profile(const ProfileOptions &options) {
  if (options.promptTokens == 0 && options.decodeTokens == 0)
    throw Misused("nothing to profile: -p and -n are both 0");
  const Interrupt interrupt;
  const PluginFile file = openFile(options.model);
  const Weights where = options.copiesWeights ? Weights::copied : Weights::mapped;
  const Model model(options.model, {.threads = options.threads, .teamUse = TeamUse::fixed, .weights = where});
  requirePredicts(file.description());
  const StepTable table = needSteps(options.model, file);
  const VariantSteps &variant = findVariant(table, model.get()->model->variant(), options.model);
  const Work work = readWork(options.model);
  const StepCosts costs(work, file.description(), table);
  const Limits limits = measureLimits(options.model, work, model.facts().threads, where);
  Caller caller(model, options.sequences, variant.steps.size(), interrupt);
  const auto profiles = measureAll(options, caller, {table, variant, costs, limits});
  if (options.printsJson) {
    Json list = Json::array();
    for (const Profile &each : profiles)
      list.push_back(profileJson(each, limits));
    printNow(Json{{"model", file.description().model.name},
                  {"backend", file.description().backend},
                  {"variant", variant.variant},
                  {"processor", processorName()},
                  {"limits", limitsJson(limits)},
                  {"profiles", std::move(list)}}
                 .dump(2) +
             "\n");
    return kDone;
  }
  printNow(file.description().model.name + " on " + file.description().backend + " (" + variant.variant + "), " +
           limitsText(limits) + "\n");
  for (const Profile &each : profiles)
    printNow(profileText(each));
  return kDone;
}

} // namespace

void addProfile(CLI::App &program, int &exitCode) {
  CLI::App *command = program.add_subcommand(
      "profile", "Where the time of a step of decoding and of a prompt goes, op by op, beside what each could take");
  auto options = std::make_shared<ProfileOptions>();
  command->add_option("model", options->model, "a .kvasir file")->required();
  command->add_option("-p", options->promptTokens, "length of the prompt; 0: none")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command->add_option("-n", options->decodeTokens, "numbers of tokens decoded, every second one watched; 0: none")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command->add_option("-d", options->depth, "tokens that are there before")
      ->check(CLI::Range(0, kMostTokens))
      ->capture_default_str();
  command->add_option("-b", options->sequences, "sequences at once")->check(CLI::Range(1, 1024))->capture_default_str();
  command->add_option("-t,--threads", options->threads, "0: one for each core")->check(CLI::Range(0, 1024));
  command->add_option("-r", options->repetitions, "prompts that are watched; the middle half of times counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_flag("--copy-weights", options->copiesWeights, kCopyWeightsHelp);
  command->add_flag("--json", options->printsJson, "print JSON");
  command->callback([=, &exitCode] { exitCode = profile(*options); });
}

} // namespace kvasir::tools
