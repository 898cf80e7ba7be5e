// SPDX-License-Identifier: MIT
// From a model's file to a program: one file an architecture.
#ifndef KVASIR_MODELS_ARCHITECTURE_H
#define KVASIR_MODELS_ARCHITECTURE_H

#include "compiler/frontends/gguf/reader.h"
#include "compiler/packing/weight_source.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace kvasir {

/// What an architecture builds from. All outlive the call.
struct ModelSource {
  const gguf::File &metadata;
  const WeightSource &weights;
  std::string name; ///< of this model, for people
};

using ModuleResult = Result<mlir::OwningOpRef<mlir::ModuleOp>>;

struct Architecture {
  const char *name; ///< as in general.architecture
  ModuleResult (*build)(const ModelSource &source, mlir::MLIRContext *context);
};

/// The program of a GGUF file: lm.weight families, a kv.schema, and one function @forward(ids) -> logits. Its attribute
/// lm.model says name, architecture, context, vocabulary, and `configuration`, a text that is equal iff everything that
/// the results depend on besides the tensors is. `path` gives the model a name if the file does not.
/// Errors, in one line without the path: an unknown architecture (with those that are known), a missing or wrong
/// metadata value or tensor, a tensor that the architecture has no use for.
ModuleResult importModel(const gguf::File &file, llvm::StringRef path, mlir::MLIRContext *context);

} // namespace kvasir

#endif
