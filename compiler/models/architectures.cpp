// SPDX-License-Identifier: MIT
// The list of architectures, which CMakeLists.txt has.
#include "compiler/models/architecture.h"

#include "compiler/frontends/gguf/weights.h"
#include "compiler/models/architectures.h"

#include "llvm/Support/Path.h"

#include <algorithm>
#include <iterator>

namespace kvasir {
namespace {

constexpr Architecture kArchitectures[] = {
#define KVASIR_ARCHITECTURE(name, room) {name, room::build},
#include "compiler/models/architectures.inc"
#undef KVASIR_ARCHITECTURE
};

std::string knownArchitectures() {
  std::string names;
  for (const Architecture &architecture : kArchitectures)
    names += (names.empty() ? "" : ", ") + std::string(architecture.name);
  return names;
}

} // namespace

ModuleResult importModel(const gguf::File &file, llvm::StringRef path, mlir::MLIRContext *context) {
  const gguf::Value *value = file.find("general.architecture");
  std::optional<std::string_view> name = value ? value->asString() : std::nullopt;
  if (!name)
    return Failure{"metadata 'general.architecture' is missing or no string"};
  auto found = std::find_if(std::begin(kArchitectures), std::end(kArchitectures),
                            [&](const Architecture &architecture) { return architecture.name == *name; });
  if (found == std::end(kArchitectures))
    return Failure{"architecture " + inQuotes(*name) + " is not known; known are: " + knownArchitectures()};

  const gguf::Value *title = file.find("general.name");
  std::optional<std::string_view> given = title ? title->asString() : std::nullopt;
  gguf::FileWeights weights(file);
  return found->build({file, weights, given ? std::string(*given) : llvm::sys::path::stem(path).str()}, context);
}

} // namespace kvasir
