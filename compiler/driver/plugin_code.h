// SPDX-License-Identifier: MIT
// The code of a plugin: each variant lowered and compiled, the table and the note, one linked image.
#ifndef KVASIR_DRIVER_PLUGIN_CODE_H
#define KVASIR_DRIVER_PLUGIN_CODE_H

#include "backends/backend.h"
#include "compiler/passes/codegen/machine_code.h"
#include "plugins/description.h"
#include "plugins/steps.h"

#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/PassManager.h"

#include <functional>

namespace kvasir {

using Bytes = llvm::SmallVector<char, 0>;

/// Sets up a pass manager as the options say (printing, verification between passes).
using SetUpPasses = std::function<void(mlir::PassManager &)>;

class PluginCode {
public:
  PluginCode(const Backend &backend, std::vector<Variant> variants, SetUpPasses setUp,
             CodeEffort effort = CodeEffort::full)
      : backend(backend), variants(std::move(variants)), setUp(std::move(setUp)), effort(effort) {}

  /// Lowers a proved and planned program to LLVM's dialect, once a variant. Diagnostics say what failed.
  mlir::LogicalResult lower(mlir::ModuleOp program);

  /// What the lowered code does between barriers.
  StepTable steps() const;

  /// Generates the code of all variants, in parallel.
  llvm::Expected<std::vector<Bytes>> generate(CodeForm form);

  /// Generates, adds the table that `description` asks for and the note, and links. `path` is where the plugin goes.
  llvm::Expected<Bytes> link(const Description &description, llvm::ArrayRef<uint8_t> note, llvm::StringRef path);

private:
  mlir::LogicalResult lowerVariant(mlir::ModuleOp program, const Variant &variant);
  mlir::OwningOpRef<mlir::ModuleOp> makeTable() const;

  const Backend &backend;
  std::vector<Variant> variants;
  SetUpPasses setUp;
  CodeEffort effort;
  std::vector<mlir::OwningOpRef<mlir::ModuleOp>> modules; // one a variant, of LLVM's dialect
  std::vector<std::pair<std::string, mlir::ArrayAttr>> stepsOfVariants;
  mlir::MLIRContext *context = nullptr;
};

/// The image of a plugin without functions: a file that only holds sections.
llvm::Expected<Bytes> linkWithoutFunctions(mlir::MLIRContext &context, const Description &description,
                                           llvm::ArrayRef<uint8_t> note, llvm::StringRef path);

} // namespace kvasir

#endif
