// SPDX-License-Identifier: MIT
#include "compiler/driver/source_program.h"

#include "compiler/dialects/kv/dialect.h"
#include "compiler/dialects/lm/dialect.h"
#include "compiler/driver/coreml_package.h"
#include "compiler/driver/random_weights.h"
#include "compiler/frontends/gguf/vocabulary.h"
#include "compiler/frontends/gguf/weights.h"
#include "compiler/models/architecture.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"

using namespace kvasir;
using namespace mlir;

namespace {
llvm::Error failureOf(const std::string &path, const std::string &message) {
  return llvm::createStringError("%s: %s", path.c_str(), message.c_str());
}

class GgufProgram final : public SourceProgram {
public:
  GgufProgram(std::string path, gguf::File opened) : path(std::move(path)), file(std::move(opened)), source(file) {}

  llvm::Expected<OwningOpRef<ModuleOp>> import(MLIRContext *context) override {
    context->loadDialect<arith::ArithDialect, func::FuncDialect, kv::KvDialect, lm::LmDialect, tensor::TensorDialect>();
    ModuleResult module = importModel(file, path, context);
    if (!module)
      return failureOf(path, module.message());
    return std::move(*module);
  }

  llvm::Expected<const WeightSource *> weights() override { return &source; }

  llvm::Expected<std::vector<Section>> sections() override {
    Result<Vocabulary> vocabulary = gguf::vocabularyOf(file);
    if (!vocabulary)
      return failureOf(path, vocabulary.message());
    Result<std::vector<uint8_t>> bytes = serialise(*vocabulary);
    if (!bytes)
      return failureOf(path, bytes.message());
    return std::vector<Section>{{"tokenizer", std::move(*bytes)}};
  }

private:
  std::string path;
  gguf::File file;
  gguf::FileWeights source;
};

/// A program as text, whose weights are elsewhere, or made up.
class TextProgram final : public SourceProgram {
public:
  TextProgram(std::string path, std::optional<uint64_t> seed) : path(std::move(path)), seed(seed) {}

  llvm::Expected<OwningOpRef<ModuleOp>> import(MLIRContext *context) override {
    OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(path, context);
    if (!module)
      return failureOf(path, "is no program");
    if (seed)
      source.emplace(*module, *seed);
    return module;
  }

  llvm::Expected<const WeightSource *> weights() override {
    if (!source)
      return failureOf(path, "only names its weights; --random-weights makes some up");
    return &*source;
  }

  llvm::Expected<std::vector<Section>> sections() override { return std::vector<Section>{}; }

private:
  std::string path;
  std::optional<uint64_t> seed;
  std::optional<RandomWeights> source;
};
} // namespace

llvm::Expected<std::unique_ptr<SourceProgram>> SourceProgram::open(const CompileOptions &options) {
  const std::string &path = options.input;
  if (llvm::StringRef(path).ends_with(".mlir")) {
    if (!llvm::sys::fs::exists(path))
      return failureOf(path, "No such file or directory");
    return std::make_unique<TextProgram>(path, options.randomWeights);
  }
  if (isCoremlPackage(path))
    return openCoremlPackage(options);
  Result<gguf::File> file = gguf::File::open(path);
  if (!file)
    return failureOf(path, file.message());
  return std::make_unique<GgufProgram>(path, std::move(*file));
}
