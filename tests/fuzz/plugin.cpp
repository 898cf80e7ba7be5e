// SPDX-License-Identifier: MIT
// Plugins' files: ELF image, manifest, description, directory, sections, table of weights. No code of theirs runs.
#include "plugins/plugin_file.h"
#include "tests/fuzz/memory_file.h"

using namespace kvasir;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static test::MemoryFile memory;
  memory.fill({bytes, size});
  auto file = PluginFile::open(memory.path(), CodeCopy::none);
  if (!file) {
    if (file.message().empty() || file.message().find('\n') != std::string::npos)
      std::abort();
    return 0;
  }
  (void)file->tensors();
  (void)file->section("tokenizer");
  (void)file->verifySections();
  (void)file->verifyWeights();
  (void)file->stillWhole();
  return 0;
}
