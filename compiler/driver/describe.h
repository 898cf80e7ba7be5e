// SPDX-License-Identifier: MIT
#ifndef KVASIR_DRIVER_DESCRIBE_H
#define KVASIR_DRIVER_DESCRIBE_H

#include "backends/backend.h"
#include "plugins/description.h"
#include "plugins/tensors.h"

namespace kvasir {

/// Tokens that compiled code takes at once. It bounds scratch; the runtime cuts prompts as it suits its team
/// (runtime/model).
constexpr uint64_t kMaxTokens = 1024;

/// The functions that a plugin is made of: the schema's entries, then probes; specialised ones are among both.
llvm::SmallVector<mlir::func::FuncOp> pluginFunctions(mlir::ModuleOp module);

/// What the manifest says of a proved program: slots with their layouts, entries (specialised ones are forms of others,
/// not functions of their own), waivers. `rowType` is that of caches, where it is not the backend's own; else empty.
/// Fails if a tensor of an entry is of a type that no plugin has.
llvm::Expected<Description> describeProgram(mlir::ModuleOp module, const Backend &backend,
                                            const std::vector<Variant> &variants, llvm::StringRef rowType = "");

/// The numbers of the slots that an entry writes, in the schema's order.
std::vector<int64_t> writtenSlots(mlir::func::FuncOp entry);

} // namespace kvasir

#endif
