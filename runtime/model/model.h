// SPDX-License-Identifier: MIT
// A loaded model: its program, the team that runs it, and the memory that its calls share.
#ifndef KVASIR_RUNTIME_MODEL_MODEL_H
#define KVASIR_RUNTIME_MODEL_MODEL_H

#include "plugins/description.h"
#include "runtime/model/scratch.h"
#include "runtime/state/state.h"
#include "runtime/team/team.h"
#include "runtime/team/team_size.h"

#include "kvasir/plugin.h"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>

namespace kvasir::runtime {

/// What tells models and vocabularies apart; zero where a plugin has none.
struct Identity {
  Digest fingerprint = {}; ///< the manifest's
  Digest tokenizer = {};   ///< SHA-256 of the tokenizer's section
};

/// Is it one model that two plugins are of? Those that are written by hand have no fingerprint: their names tell them
/// apart.
bool isSameModel(std::span<const uint8_t> fingerprint, const std::string &name,
                 std::span<const uint8_t> otherFingerprint, const std::string &otherName);

/// Index of the first function from token ids to logits. Throws `unsupported` if there is none.
size_t predictFunction(const Description &description);

/// What a plugin gives: code, its description, weights.
struct Program {
  const kv_plugin *plugin = nullptr;
  Description description;
  const uint8_t *weights = nullptr;
  std::shared_ptr<const void> owner;            ///< keeps code and weights alive
  std::function<void()> requireWhole = nullptr; ///< throws if the weights can't be read any more; may be empty
  Identity identity = {};
  const void *const *services = nullptr; ///< kv_call.services; the owner's
  std::string variant = {};              ///< the description's that runs; "any" where it lists none
};

/// Whether a step may leave members out while other programs take their processors. Only models whose results do not
/// depend on it are asked.
enum class TeamUse : uint32_t { adapts, fixed };

struct ModelOptions {
  uint32_t threads = 0; ///< 0: one for each core
  Pinning pinning = Pinning::automatic;
  TeamUse teamUse = TeamUse::adapts;
};

/// Safe to use from several threads: calls on different states queue for the team, one execute at a time.
class Model {
public:
  /// Throws if threads can't be made.
  Model(Program program, const ModelOptions &options);

  const Description &description() const { return program.description; }
  const Program &loaded() const { return program; }
  const kv_plugin &plugin() const { return *program.plugin; }
  const uint8_t *weights() const { return program.weights; }
  const void *const *services() const { return program.services; }
  const Identity &identity() const { return program.identity; }
  const std::string &variant() const { return program.variant; }
  const std::shared_ptr<const Slots> &slots() const { return allSlots; }

  /// The most tokens of one state: the model's context, or where it states none, as many as a position can number; and
  /// no more rows than the registers have room for that caches come from.
  uint64_t context() const;
  uint32_t threads() const { return team.size(); }

  /// Throws bad file if the file was cut or grown since it was loaded. Cost: one fstat.
  void requireWhole() const;

  /// Index of the function of this name. Throws bad input that lists the names there are, and for the raised form of
  /// another, which hosts call by the other's name.
  size_t findFunction(const std::string &name) const;

  /// Index of the raised form of a function that has one.
  size_t raisedForm(size_t function) const;

  size_t predictFunction() const { return runtime::predictFunction(description()); }

  /// The tokens that a longer call of the function is cut into, where its tensors can be cut: no more than it takes at
  /// once, and so few that what one layer hands to the next stays in the caches of the team.
  uint64_t cutTokens(size_t function) const;

  /// An empty state for at most `capacity` tokens; 0 takes the model's context. Throws bad input beyond the context.
  std::unique_ptr<State> makeState(uint64_t capacity, uint32_t numCheckpoints = kAutomaticCheckpoints) const;

  /// Sole use of the team and its scratch.
  class Turn {
  public:
    explicit Turn(Model &model) : model(model), lock(model.turnMutex) {}
    Team &team() { return model.team; }
    /// What chooses the members of a function's steps of so many tokens; null where all take part.
    TeamSize *teamSize(size_t function, uint64_t tokens);
    Scratch &scratch() { return model.scratch; }

  private:
    Model &model;
    std::unique_lock<std::mutex> lock;
  };

private:
  const Program program;
  const std::shared_ptr<const Slots> allSlots;
  std::mutex turnMutex;
  Team team;
  const bool adapts;
  std::map<std::pair<size_t, uint64_t>, TeamSize> teamSizes; ///< by function and tokens of the step
  Scratch scratch;
};

} // namespace kvasir::runtime

#endif
