// SPDX-License-Identifier: MIT
#include "runtime/tools/command.h"
#include "runtime/tools/failed.h"
#include "runtime/tools/function_calls.h"
#include "runtime/tools/interrupt.h"
#include "runtime/tools/limits.h"
#include "runtime/tools/output.h"
#include "runtime/tools/prompt.h"
#include "runtime/tools/saved_conversation.h"
#include "runtime/tools/succession.h"

#include "kvasir/audit.hpp"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>

namespace kvasir::tools {
namespace {

using Clock = std::chrono::steady_clock;

struct RunOptions {
  std::string model, stateFile;
  std::vector<std::string> switches;
  PromptOptions prompt;
  uint64_t maxTokens = 128;
  bool appends = false, restarts = false;
  bool takesUnverified = false;
  bool copiesWeights = false;
  SamplerOptions sampler;
  uint32_t threads = 0;
  std::string printed = "text";
  bool showsStatistics = false, ignoresEnd = false, isAudited = false;
};

/// Prints tokens as they come.
class Printer {
public:
  Printer(const Model &model, const RunOptions &options) {
    if (options.printed == "text")
      detokenizer.emplace(model, KVASIR_CONTINUES);
  }

  void push(int32_t id) {
    printNow(detokenizer ? std::string(detokenizer->push(id)) : (isFirst ? "" : ",") + std::to_string(id));
    isFirst = false;
  }

  void finish() { printNow(detokenizer ? std::string(detokenizer->finish()) + "\n" : "\n"); }

private:
  std::optional<Detokenizer> detokenizer;
  bool isFirst = true;
};

/// Times and counts of one run.
struct Statistics {
  Clock::time_point begin = Clock::now(), firstToken, end;
  double prefillSeconds = 0;
  uint64_t promptTokens = 0, steps = 0; ///< steps: decode calls, one token each
};

double seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

/// One conversation: its calls, who makes them, and who watches them.
class Conversation {
public:
  Conversation(const RunOptions &options, Succession &succession, SavedConversation &saved, const Interrupt &interrupt)
      : isAudited(options.isAudited), succession(succession), saved(saved), interrupt(interrupt) {
    watch();
  }

  /// The last logits. Throws what predict throws, and Failed with the sentence if the audit finds something.
  Logits append(std::span<const int32_t> ids, Wanted wanted = Wanted::last) {
    Logits logits =
        succession.model().predict(saved.state(), ids, {wanted, &interrupt.cancel(), audit ? audit->get() : nullptr});
    if (audit)
      if (const auto found = audit->findings(); !found.empty())
        throw Failed("audit: " + found[0]);
    return logits;
  }

  /// The last logits, from the plugin that chooses the token after `numGenerated`.
  Logits appendBefore(uint64_t numGenerated, std::span<const int32_t> ids) {
    if (!succession.endsAfter(numGenerated))
      return append(ids);
    const auto last = ids.last(1), others = ids.first(ids.size() - 1);
    if (!others.empty())
      append(others, Wanted::none);
    printVerdict();
    saved.replace(succession.goOn(saved.state()));
    watch();
    return append(last);
  }

  /// What the audit says of this plugin in the end, if there is one.
  void printVerdict() {
    if (audit)
      std::fprintf(stderr, "audit: %s\n", audit->verdict().c_str());
  }

private:
  void watch() {
    if (isAudited)
      audit.emplace(watchCalls(succession.model()));
  }

  const bool isAudited;
  Succession &succession;
  SavedConversation &saved;
  const Interrupt &interrupt;
  std::optional<Audit> audit;
};

/// The prompt's last logits. Throws what append throws.
Logits prefill(Conversation &conversation, const std::vector<int32_t> &ids, Statistics &statistics) {
  const auto begin = Clock::now();
  Logits logits = conversation.appendBefore(0, ids);
  statistics.prefillSeconds = seconds(Clock::now() - begin);
  statistics.promptTokens = ids.size();
  statistics.firstToken = statistics.end = Clock::now();
  return logits;
}

/// Goes on until an end token, the number of tokens asked for, the end of the context, or an interrupt.
void generate(Succession &succession, const RunOptions &options, const std::vector<int32_t> &ids,
              SavedConversation &saved, const Interrupt &interrupt, Printer &printer, Statistics &statistics) {
  Conversation conversation(options, succession, saved, interrupt);
  Sampler sampler(options.sampler);
  for (const int32_t id : ids)
    sampler.accept(id);
  Logits logits = prefill(conversation, saved.goOn(ids), statistics);
  if (saved.isKept())
    saved.state().checkpoint(); // another run may begin with the same prompt
  bool isFull = false;
  for (uint64_t count = 1; count <= options.maxTokens && !interrupt.wasRequested(); ++count) {
    const int32_t id = sampler.sample(logits.last());
    if (succession.model().isEnd(id) && !options.ignoresEnd)
      break;
    if ((isFull = saved.isFull())) // what is printed can be held
      break;
    printer.push(id);
    if (count == options.maxTokens) {
      if (saved.isKept()) // what was printed is what the file holds
        conversation.append({&id, 1}, Wanted::none);
      break;
    }
    sampler.accept(id);
    logits = conversation.appendBefore(count, {&id, 1});
    ++statistics.steps;
    statistics.end = Clock::now();
  }
  printer.finish();
  if (isFull)
    std::fprintf(stderr, "the context of %llu tokens is full\n",
                 static_cast<unsigned long long>(saved.state().capacity()));
  conversation.printVerdict();
}

void printStatistics(const RunOptions &options, uint32_t threads, const Statistics &statistics) {
  const double decodeSeconds = seconds(statistics.end - statistics.firstToken);
  std::fprintf(stderr,
               "prefill %llu tokens at %.0f tokens/s, decode %llu tokens at %.0f tokens/s, first token after %.0f ms; "
               "%u threads, which read the model at %.1f GB/s\n",
               static_cast<unsigned long long>(statistics.promptTokens),
               static_cast<double>(statistics.promptTokens) / statistics.prefillSeconds,
               static_cast<unsigned long long>(statistics.steps),
               decodeSeconds > 0 ? static_cast<double>(statistics.steps) / decodeSeconds : 0.0,
               1e3 * seconds(statistics.firstToken - statistics.begin), threads, fileReadGBs(options.model, threads));
}

ModelOptions modelOptionsOf(const RunOptions &options) {
  return {.threads = options.threads,
          .unverified = options.takesUnverified ? Unverified::take : Unverified::refuse,
          .weights = options.copiesWeights ? Weights::copied : Weights::mapped};
}

/// All tokens that the run begins with, those that are held included.
std::vector<int32_t> idsOf(const RunOptions &options, const Model &model, SavedConversation &saved) {
  const PromptUse use = options.appends    ? PromptUse::appends
                        : options.restarts ? PromptUse::restarts
                                           : PromptUse::goesOn;
  if (options.restarts && !isPromptGiven(options.prompt))
    throw Misused("--restart takes a prompt");
  if (saved.isKept() && !isPromptGiven(options.prompt))
    return saved.begin({}, use);
  const bool isInside = options.appends && !saved.isEmpty();
  return saved.begin(promptIds(model, options.prompt, isInside ? TextEnds::omitted : TextEnds::added), use);
}

/// Loads, generates, prints; returns the number of threads that did it.
uint32_t continuePrompt(const RunOptions &options, const Interrupt &interrupt, Statistics &statistics) {
  const auto switches = parseSwitches(options.switches, options.maxTokens);
  const ModelOptions modelOptions = modelOptionsOf(options);
  const Model model(options.model, modelOptions);
  Succession succession(model, switches, modelOptions);
  SavedConversation saved(model, options.stateFile);
  const auto ids = idsOf(options, model, saved);
  Printer printer(model, options);
  try {
    generate(succession, options, ids, saved, interrupt, printer, statistics);
  } catch (const Error &error) {
    if (statistics.promptTokens != 0)
      printer.finish();
    if (error.status() == KV_CANCELLED && statistics.promptTokens != 0)
      saved.save();
    throw;
  } catch (const std::runtime_error &) {
    // What was printed ends with its line, whatever stopped it.
    if (statistics.promptTokens != 0)
      printer.finish();
    throw;
  }
  saved.save();
  return model.facts().threads;
}

int run(const RunOptions &options) {
  const Interrupt interrupt;
  Statistics statistics;
  const uint32_t threads = continuePrompt(options, interrupt, statistics);
  // After the model is gone, so that its weights are not in memory twice.
  if (options.showsStatistics)
    printStatistics(options, threads, statistics);
  return interrupt.wasRequested() ? kInterrupted : kDone;
}

void addSamplerOptions(CLI::App &command, SamplerOptions &sampler) {
  sampler = {.topK = 40, .topP = 0.95f, .minP = 0.05f};
  command.add_option("--temp", sampler.temperature, "0: always the likeliest token, and the next four do nothing")
      ->capture_default_str();
  command.add_option("--top-k", sampler.topK, "only the k likeliest; 0: all")
      ->check(CLI::Range(0, kMostTokens))
      ->capture_default_str();
  command.add_option("--top-p", sampler.topP, "only the likeliest with this probability together; 1: all")
      ->capture_default_str();
  command.add_option("--min-p", sampler.minP, "only those at least this likely beside the likeliest; 0: all")
      ->capture_default_str();
  command.add_option("--seed", sampler.seed, "equal seeds give equal texts")
      ->check(CLI::Range(int64_t{0}, kGreatestSeed))
      ->capture_default_str();
  command.add_option("--repeat-penalty", sampler.repeatPenalty, "of recent tokens; 1: none")->capture_default_str();
  command.add_option("--presence-penalty", sampler.presencePenalty, "of recent tokens; 0: none")->capture_default_str();
  command.add_option("--frequency-penalty", sampler.frequencyPenalty, "of recent tokens, each time; 0: none")
      ->capture_default_str();
  command.add_option("--penalty-tokens", sampler.penaltyTokens, "how many tokens are recent")
      ->check(CLI::Range(0, kMostTokens))
      ->capture_default_str();
}

void addStateOptions(CLI::App &command, RunOptions &options) {
  const auto isNamed = [](const std::string &path) {
    return path.empty() ? std::string("the name of a file is expected") : std::string();
  };
  CLI::Option *state =
      command
          .add_option(
              "--state", options.stateFile,
              "a .kvstate file: the prompt is the whole text, which begins with what the file holds, or none is "
              "given and that is gone on from; the whole conversation is saved there at the end")
          ->check(isNamed);
  CLI::Option *append =
      command.add_flag("--append", options.appends, "the prompt follows what --state holds")->needs(state);
  command.add_flag("--restart", options.restarts, "what --state holds is replaced, but for what begins the prompt")
      ->needs(state)
      ->excludes(append);
}

int callFunctions(const RunOptions &options, const std::vector<FunctionCall> &calls, const CallOptions &how) {
  if (isPromptGiven(options.prompt))
    throw Misused("--call takes its inputs from --input, not from a prompt");
  if (options.appends || options.restarts)
    throw Misused("--append and --restart are for text; --call goes on with what --state holds");
  if (!options.switches.empty())
    throw Misused("--call stays with one plugin; --switch is for text");
  return runCalls(options.model, options.stateFile, modelOptionsOf(options), calls, how);
}

} // namespace

void addRun(CLI::App &program, int &exitCode) {
  CLI::App *command =
      program.add_subcommand("run", "Goes on from a prompt, until the model ends the text; or calls functions");
  auto options = std::make_shared<RunOptions>();
  command->add_option("model", options->model, "a .kvasir file")->required();
  addPromptOptions(*command, options->prompt);
  addStateOptions(*command, *options);
  command
      ->add_option(
          "--switch", options->switches,
          "NUMBER:FILE: after that many generated tokens another plugin of the same model chooses the next; it "
          "goes on from the rows that there are. 0: it has the prompt read by the first. Repeatable")
      ->allow_extra_args(false);
  command->add_option("-n,--tokens", options->maxTokens, "the most tokens to generate")
      ->check(CLI::Range(0, kMostTokens))
      ->capture_default_str();
  addSamplerOptions(*command, options->sampler);
  command->add_option("-t,--threads", options->threads, "0: one for each core")->check(CLI::Range(0, 1024));
  command->add_option("--print", options->printed, "what is printed: text or ids")
      ->check(CLI::IsMember({"text", "ids"}))
      ->capture_default_str();
  command->add_flag("--ignore-end", options->ignoresEnd, "go on after an end token");
  command->add_flag("--audit", options->isAudited,
                    "run each call twice and see which rows of the state it writes; stop at the first that is wrong");
  command->add_flag("--unverified", options->takesUnverified,
                    "run a plugin though its functions are known to lose state");
  command->add_flag("--copy-weights", options->copiesWeights, kCopyWeightsHelp);
  command->add_flag("--stats", options->showsStatistics, "speeds beside the machine's, on standard error");
  auto calls = std::make_shared<CallOptions>();
  addCallOptions(*command, *calls);
  command->callback([=, &exitCode] {
    const std::vector<FunctionCall> given = callsOf(*command, *calls);
    exitCode = given.empty() ? run(*options) : callFunctions(*options, given, *calls);
  });
}

} // namespace kvasir::tools
