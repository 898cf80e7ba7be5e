// SPDX-License-Identifier: MIT
#include "compiler/driver/source_program.h"

#include "compiler/dialects/kv/dialect.h"
#include "compiler/dialects/lm/dialect.h"
#include "compiler/frontends/gguf/vocabulary.h"
#include "compiler/frontends/gguf/weights.h"
#include "compiler/models/architecture.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace kvasir;
using namespace mlir;

namespace {
llvm::Error failureOf(const std::string &path, const std::string &message) {
  return llvm::createStringError("%s: %s", path.c_str(), message.c_str());
}
} // namespace

llvm::Expected<std::unique_ptr<SourceProgram>> SourceProgram::open(const std::string &path) {
  std::unique_ptr<SourceProgram> program(new SourceProgram(path));
  Result<gguf::File> file = gguf::File::open(path);
  if (!file)
    return failureOf(path, file.message());
  program->file.emplace(std::move(*file));
  program->source = std::make_unique<gguf::FileWeights>(*program->file);
  return program;
}

llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> SourceProgram::import(mlir::MLIRContext *context) const {
  context->loadDialect<arith::ArithDialect, func::FuncDialect, kv::KvDialect, lm::LmDialect, tensor::TensorDialect>();
  ModuleResult module = importModel(*file, path, context);
  if (!module)
    return failureOf(path, module.message());
  return std::move(*module);
}

llvm::Expected<Section> SourceProgram::tokenizer() const {
  Result<Vocabulary> vocabulary = gguf::vocabularyOf(*file);
  if (!vocabulary)
    return failureOf(path, vocabulary.message());
  Result<std::vector<uint8_t>> bytes = serialise(*vocabulary);
  if (!bytes)
    return failureOf(path, bytes.message());
  return Section{"tokenizer", std::move(*bytes)};
}
