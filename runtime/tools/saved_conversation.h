// SPDX-License-Identifier: MIT
// The conversation that a run goes on with, in memory only or in a file.
#ifndef KVASIR_RUNTIME_TOOLS_SAVED_CONVERSATION_H
#define KVASIR_RUNTIME_TOOLS_SAVED_CONVERSATION_H

#include "kvasir/kvasir.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace kvasir::tools {

/// What a prompt is to a conversation that is there: its whole text, which begins with what is held; what follows it;
/// or the beginning of another in its place.
enum class PromptUse : uint8_t { goesOn, appends, restarts };

class SavedConversation {
public:
  /// What the file holds; nothing if `path` is empty or there is no such file. Throws what loading throws, and Failed
  /// if the file can't be written.
  SavedConversation(const Model &model, std::string path);

  bool isEmpty() const { return held.length() == 0; }
  /// Is there no room for a token more?
  bool isFull() const { return held.length() == held.capacity(); }

  /// All tokens that the run is about: those that are held before the prompt's if it appends or is empty, else the
  /// prompt's. Throws Failed if there are none, or if the prompt is to go on and what is held does not begin it.
  std::vector<int32_t> begin(const std::vector<int32_t> &prompt, PromptUse use);

  /// Forgets what does not begin `ids`, and returns those of them that are still to be predicted: at least the last,
  /// whose logits are not held. Says on standard error what became of what was held.
  std::vector<int32_t> goOn(const std::vector<int32_t> &ids);

  State &state() { return held; }
  /// The same conversation in another plugin's form: what is saved is that plugin's.
  void replace(State moved) { held = std::move(moved); }
  bool isKept() const { return !path.empty(); }

  /// To the file, if there is to be one.
  void save() const;

private:
  std::vector<int32_t> appended(const std::vector<int32_t> &prompt);
  bool isBeginOf(const std::vector<int32_t> &ids);

  const Model &model;
  const std::string path;
  State held;
};

} // namespace kvasir::tools

#endif
