// SPDX-License-Identifier: MIT
#ifndef KVASIR_DRIVER_SOURCE_PROGRAM_H
#define KVASIR_DRIVER_SOURCE_PROGRAM_H

#include "compiler/frontends/gguf/reader.h"
#include "compiler/packing/weight_source.h"
#include "plugins/writer.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <optional>

namespace kvasir {

/// What an input file holds: a program, the weights that it names, and a tokenizer.
class SourceProgram {
public:
  /// Opens a .gguf file. Errors name the file.
  static llvm::Expected<std::unique_ptr<SourceProgram>> open(const std::string &path);

  /// Builds the program.
  llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> import(mlir::MLIRContext *context) const;

  const WeightSource &weights() const { return *source; }

  /// The tokenizer's section.
  llvm::Expected<Section> tokenizer() const;

private:
  explicit SourceProgram(std::string path) : path(std::move(path)) {}

  std::string path;
  std::optional<gguf::File> file;
  std::unique_ptr<WeightSource> source;
};

} // namespace kvasir

#endif
