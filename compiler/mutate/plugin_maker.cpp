// SPDX-License-Identifier: MIT
#include "compiler/mutate/plugin_maker.h"

#include "compiler/driver/describe.h"
#include "compiler/driver/pass_options.h"
#include "compiler/driver/plugin_code.h"
#include "compiler/packing/packer.h"
#include "compiler/packing/plan_weights.h"
#include "plugins/note.h"
#include "plugins/writer.h"

using namespace mlir;
using namespace kvasir;

llvm::Expected<Description> PluginMaker::make(ModuleOp program, const std::string &path) const {
  DiagnosticReporter reporter(program.getContext());
  FailureOr<uint64_t> weightsSize = planWeights(
      program, [&](lm::WeightOp weight, ArrayRef<Operation *> users) { return backend.weightLayout(weight, users); });
  if (failed(weightsSize))
    return reporter.takeError("packing");
  llvm::Expected<Description> description = describeProgram(program, backend, variants);
  if (!description)
    return description.takeError();
  if (llvm::Error error = write(program, *description, *weightsSize, path)) {
    if (llvm::Error cause = reporter.takeRest())
      return llvm::joinErrors(std::move(cause), std::move(error));
    return std::move(error);
  }
  return description;
}

llvm::Error PluginMaker::write(ModuleOp program, const Description &description, uint64_t weightsSize,
                               const std::string &path) const {
  auto failed = [](const std::string &message) { return llvm::createStringError(message); };
  Result<std::vector<uint8_t>> note = makeNote(description, {Digest{}, "kvasir-mutate"});
  if (!note)
    return failed(note.message());
  std::vector<PackedWeight> packed = packedWeights(program);
  PluginCode code(backend, variants, [](PassManager &) {}, CodeEffort::little);
  if (mlir::failed(code.lower(program)))
    return failed("lowering failed");
  llvm::Expected<Bytes> image = code.link(description, *note, path);
  if (!image)
    return image.takeError();
  std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t *>(image->data()), image->size());
  Result<std::unique_ptr<ArtefactWriter>> writer = ArtefactWriter::begin(path, bytes, {}, weightsSize);
  if (!writer)
    return failed(writer.message());
  auto put = [&](uint64_t offset, std::span<const uint8_t> run) { return (*writer)->write(offset, run); };
  Status done = packWeights(packed, weights, put, [](uint64_t, uint64_t) {});
  if (!done)
    return failed(done.message());
  Status finished = (*writer)->finish();
  return finished ? llvm::Error::success() : failed(finished.message());
}
