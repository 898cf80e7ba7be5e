// SPDX-License-Identifier: MIT
// The vocabulary of a loaded model.
#ifndef KVASIR_RUNTIME_API_MODEL_TEXT_H
#define KVASIR_RUNTIME_API_MODEL_TEXT_H

#include "plugins/plugin_file.h"
#include "runtime/text/tokenizer.h"

#include <memory>
#include <mutex>
#include <optional>

namespace kvasir::runtime {

/// Reads the file's tokenizer when it is first asked for: hosts that pass ids never pay for it. Any number of threads.
class ModelText {
public:
  /// `file` must be kept alive by `owner`.
  ModelText(const PluginFile &file, std::shared_ptr<const void> owner) : file(file), owner(std::move(owner)) {}

  /// Throws `unsupported` if the model has no vocabulary, `bad file` if it is damaged.
  const Tokenizer &tokenizer();

private:
  const PluginFile &file;
  const std::shared_ptr<const void> owner;
  std::mutex mutex;
  std::vector<uint8_t> bytes; ///< what the tokenizer reads
  std::optional<Tokenizer> made;
};

} // namespace kvasir::runtime

#endif
