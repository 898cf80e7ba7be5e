// SPDX-License-Identifier: MIT
// The conversation that a run goes on with, in memory only or in a file.
#ifndef KVASIR_RUNTIME_TOOLS_SAVED_CONVERSATION_H
#define KVASIR_RUNTIME_TOOLS_SAVED_CONVERSATION_H

#include "kvasir/kvasir.hpp"

#include <string>
#include <vector>

namespace kvasir::tools {

class SavedConversation {
public:
  /// What the file holds; nothing if `path` is empty or there is no such file. Throws what loading throws.
  SavedConversation(const Model &model, std::string path);

  /// All tokens that the run is about: the prompt's; where it gives none, those that are held. Throws Failed if there
  /// are neither.
  std::vector<int32_t> begin(const std::vector<int32_t> &prompt);

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
  const std::string path;
  State held;
};

} // namespace kvasir::tools

#endif
