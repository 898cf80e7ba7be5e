// SPDX-License-Identifier: MIT
#ifndef KVASIR_DRIVER_SOURCE_PROGRAM_H
#define KVASIR_DRIVER_SOURCE_PROGRAM_H

#include "compiler/driver/options.h"
#include "compiler/packing/weight_source.h"
#include "plugins/writer.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"

#include <memory>

namespace kvasir {

/// What an input file holds: a program, the weights that it names, and a tokenizer. One subclass a kind of file.
class SourceProgram {
public:
  /// Opens a file by the end of its name: .gguf, .mlir or .mlpackage. Errors name the file.
  static llvm::Expected<std::unique_ptr<SourceProgram>> open(const CompileOptions &options);

  virtual ~SourceProgram() = default;

  /// Builds the program. The module outlives neither this nor the context.
  virtual llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> import(mlir::MLIRContext *context) = 0;

  /// After import. Fails if the file only names its weights.
  virtual llvm::Expected<const WeightSource *> weights() = 0;

  /// The sections beside the weights' table: the tokenizer, where there is one.
  virtual llvm::Expected<std::vector<Section>> sections() = 0;

  /// What activations are rounded to where nobody asks: "auto" is the backend's choice.
  virtual std::string usualActivations() const { return "auto"; }

  /// Whether what the program alone shows of its states is right; the plugin says so. Others are compiled on demand
  /// only.
  virtual bool isVerified() const { return true; }
};

} // namespace kvasir

#endif
