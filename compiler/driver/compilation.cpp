// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/passes.h"
#include "compiler/driver/backend_library.h"
#include "compiler/driver/coreml_package.h"
#include "compiler/driver/describe.h"
#include "compiler/driver/explain.h"
#include "compiler/driver/options.h"
#include "compiler/driver/pass_options.h"
#include "compiler/driver/plugin_code.h"
#include "compiler/driver/progress.h"
#include "compiler/driver/row_type.h"
#include "compiler/driver/source_program.h"
#include "compiler/packing/packer.h"
#include "compiler/packing/plan_weights.h"
#include "compiler/passes/pipeline.h"
#include "compiler/passes/registry.h"
#include "plugins/note.h"

#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;
using namespace kvasir;

namespace {
constexpr const char *kProducer = "kvasir " KVASIR_VERSION;

llvm::Error errorOf(const std::string &message) { return llvm::createStringError(message); }

llvm::Expected<std::optional<Activations>> activationsFromName(const std::string &name) {
  if (name == "auto")
    return std::nullopt;
  if (name == "int8")
    return Activations::int8;
  if (name == "bf16")
    return Activations::bf16;
  if (name == "exact")
    return Activations::exact;
  return errorOf("--activations '" + name + "' is not one of auto, int8, bf16, exact");
}

/// One run of the compiler, from file to file.
class Compilation {
public:
  explicit Compilation(const CompileOptions &options) : options(options), context(makeRegistry()), reporter(&context) {}

  llvm::Error run() {
    progress.begin("reading");
    llvm::Expected<std::unique_ptr<SourceProgram>> opened = SourceProgram::open(options);
    if (!opened)
      return opened.takeError();
    source = std::move(*opened);
    if (llvm::Error error = checkOutput())
      return error;
    if (options.vocabularyOnly)
      return writeVocabulary();
    if (llvm::Error error = prove())
      return error;
    if (options.explain) {
      std::vector<OpFate> fates = explainProgram(*program, *backend);
      std::string text = options.json ? fatesToJson(fates) : fatesToText(fates);
      return writeText([&](llvm::raw_ostream &stream) { stream << text; });
    }
    if (options.emit == EmitForm::kv || options.emit == EmitForm::lm)
      return writeText([&](llvm::raw_ostream &stream) {
        program->print(stream, OpPrintingFlags().elideLargeElementsAttrs(1 << 20));
      });
    if (llvm::Error error = plan())
      return error;
    return options.emit == EmitForm::plugin ? writePlugin() : writeCode();
  }

  /// What was diagnosed and is in no error yet.
  llvm::Error diagnostics() { return reporter.takeRest(); }

  /// The times if they were asked for, and what was made if it was.
  void report(bool done) {
    progress.end();
    if (options.timing)
      for (const Progress::Step &step : progress.steps())
        llvm::errs() << llvm::format("%8.1f ms  ", step.timeMs) << step.name << "\n";
    if (done && !summary.empty())
      llvm::errs() << summary << llvm::format(", %.1f s\n", progress.totalMs() / 1000);
  }

private:
  static DialectRegistry makeRegistry() {
    DialectRegistry registry;
    registerDialects(registry);
    registerBuiltinDialectTranslation(registry);
    registerLLVMDialectTranslation(registry);
    return registry;
  }

  /// Before any work, that it can be kept, and takes the place of nothing that it is made from.
  llvm::Error checkOutput() {
    if (options.output.empty() || options.output == "-")
      return llvm::Error::success();
    if (llvm::sys::fs::equivalent(options.input, options.output))
      return errorOf("'" + options.output + "' is the model itself; give another -o");
    if (llvm::sys::fs::exists(options.output))
      return llvm::Error::success();
    llvm::StringRef folder = llvm::sys::path::parent_path(options.output);
    std::error_code error = llvm::sys::fs::access(folder.empty() ? "." : folder, llvm::sys::fs::AccessMode::Write);
    return error ? cannotWrite(error) : llvm::Error::success();
  }

  llvm::Error failed(const char *step) { return reporter.takeError(step); }

  SetUpPasses setUp() {
    return [this](PassManager &passes) { setUpPasses(passes, options); };
  }

  /// Imports, loads the backend, and runs what is proved.
  llvm::Error prove() {
    llvm::Expected<OwningOpRef<ModuleOp>> module = source->import(&context);
    if (!module)
      return module.takeError();
    program = std::move(*module);
    if (options.emit == EmitForm::kv && !options.explain) {
      PassManager passes(&context);
      passes.addPass(kv::createVerifyState());
      return mlir::failed(passes.run(*program)) ? failed("verify-state") : llvm::Error::success();
    }
    if (llvm::Error error = chooseBackend())
      return error;
    progress.begin("proving");
    PassManager passes(&context);
    setUp()(passes);
    verifyBetweenPasses(passes, options);
    addProgramPasses(passes, *backend, options.probe ? Probes::eachOp : Probes::none, &graph);
    return mlir::failed(passes.run(*program)) ? failed("the program") : llvm::Error::success();
  }

  llvm::Error chooseBackend() {
    llvm::Expected<std::optional<Activations>> activations =
        activationsFromName(options.activations == "auto" ? source->usualActivations() : options.activations);
    if (!activations)
      return activations.takeError();
    llvm::Expected<std::unique_ptr<Backend>> loaded = loadBackend(options.backend, backendFolders(options.backendPath));
    if (!loaded)
      return loaded.takeError();
    backend = std::move(*loaded);
    llvm::Expected<std::vector<Variant>> configured = backend->configure({*activations, options.targets});
    if (!configured)
      return configured.takeError();
    variants = std::move(*configured);
    return options.kvType == "auto" ? llvm::Error::success() : chooseRows();
  }

  llvm::Error chooseRows() {
    llvm::Expected<bool> hasChanged = chooseRowType(*program, *backend, options.kvType);
    if (!hasChanged)
      return hasChanged.takeError();
    rowType = *hasChanged ? options.kvType : "";
    return llvm::Error::success();
  }

  llvm::Error plan() {
    FailureOr<uint64_t> size = planWeights(*program, [&](lm::WeightOp weight, ArrayRef<Operation *> users) {
      return backend->weightLayout(weight, users);
    });
    if (mlir::failed(size))
      return failed("packing");
    weightsSize = *size;
    return llvm::Error::success();
  }

  llvm::Error writeCode() {
    PluginCode code(*backend, variants, setUp());
    progress.begin("lowering");
    if (mlir::failed(code.lower(*program)))
      return failed("lowering");
    progress.begin("generating code");
    llvm::Expected<std::vector<Bytes>> texts =
        code.generate(options.emit == EmitForm::llvm ? CodeForm::llvm : CodeForm::assembly);
    if (!texts)
      return texts.takeError();
    return writeText([&](llvm::raw_ostream &stream) {
      for (const Bytes &text : *texts)
        stream.write(text.data(), text.size());
    });
  }

  llvm::Error writePlugin() {
    llvm::Expected<Description> description = describeProgram(*program, *backend, variants, rowType);
    if (!description)
      return description.takeError();
    description->verified = source->isVerified();
    llvm::Expected<const WeightSource *> weightSource = source->weights();
    if (!weightSource)
      return weightSource.takeError();
    std::vector<PackedWeight> weights = packedWeights(*program);
    progress.begin("fingerprint");
    Result<Digest> identity = fingerprint(weights, **weightSource, configurationText());
    if (!identity)
      return errorOf(identity.message());
    Result<std::vector<uint8_t>> note = makeNote(*description, {*identity, kProducer});
    if (!note)
      return errorOf(note.message());
    llvm::Expected<std::vector<Section>> sections = source->sections();
    if (!sections)
      return sections.takeError();
    std::string table = tensorsToJson(weightTensors(*program));
    sections->insert(sections->begin(), {"tensors", {table.begin(), table.end()}});
    sections->push_back({"graph", {graph.begin(), graph.end()}});
    llvm::Expected<Bytes> image = makeImage(*description, *note);
    if (!image)
      return image.takeError();
    sections->push_back({"steps", {steps.begin(), steps.end()}});
    summarise(*description, image->size());
    return writeFile(*image, *sections, weights, *weightSource);
  }

  std::string configurationText() {
    auto model = (*program)->getAttrOfType<DictionaryAttr>("lm.model");
    auto text = model ? model.getAs<StringAttr>("configuration") : StringAttr();
    return text ? text.str() : "";
  }

  llvm::Expected<Bytes> makeImage(const Description &description, ArrayRef<uint8_t> note) {
    PluginCode code(*backend, variants, setUp());
    progress.begin("lowering");
    if (mlir::failed(code.lower(*program)))
      return failed("lowering");
    steps = stepsToJson(code.steps());
    progress.begin("generating code");
    return code.link(description, note, options.output);
  }

  llvm::Error writeFile(const Bytes &image, const std::vector<Section> &sections,
                        const std::vector<PackedWeight> &weights, const WeightSource *weightSource) {
    progress.begin("packing weights");
    std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t *>(image.data()), image.size());
    Result<std::unique_ptr<ArtefactWriter>> writer =
        ArtefactWriter::begin(options.output, bytes, sections, weightsSize);
    if (!writer)
      return errorOf(writer.message());
    auto write = [&](uint64_t offset, std::span<const uint8_t> run) { return (*writer)->write(offset, run); };
    auto advance = [&](uint64_t done, uint64_t total) {
      progress.advance(double(done) / std::max<uint64_t>(total, 1));
    };
    Status packed = weightSource ? packWeights(weights, *weightSource, write, advance) : Status(Done{});
    if (!packed)
      return errorOf(packed.message());
    progress.begin("writing");
    Status finished = (*writer)->finish();
    return finished ? llvm::Error::success() : errorOf(finished.message());
  }

  /// A plugin with a tokenizer and no function.
  llvm::Error writeVocabulary() {
    llvm::Expected<std::vector<Section>> sections = source->sections();
    if (!sections)
      return sections.takeError();
    Description description;
    description.model.name = llvm::StringRef(options.input).rsplit('/').second.str();
    if (description.model.name.empty())
      description.model.name = options.input;
    description.verified = true; // no function, so none that loses state
    Result<std::vector<uint8_t>> note = makeNote(description, {Digest{}, kProducer});
    if (!note)
      return errorOf(note.message());
    progress.begin("generating code");
    llvm::Expected<Bytes> image = linkWithoutFunctions(context, description, *note, options.output);
    if (!image)
      return image.takeError();
    summary = options.output + ": a tokenizer, no functions";
    return writeFile(*image, *sections, {}, nullptr);
  }

  using WriteText = llvm::function_ref<void(llvm::raw_ostream &)>;

  /// To a file that appears whole, or as it comes to standard output or a device.
  llvm::Error writeText(WriteText write) {
    if (options.output.empty() || options.output == "-")
      return writeStream(llvm::outs(), write);
    llvm::sys::fs::file_status status;
    if (!llvm::sys::fs::status(options.output, status) && !llvm::sys::fs::is_regular_file(status)) {
      std::error_code error;
      llvm::raw_fd_ostream device(options.output, error);
      return error ? cannotWrite(error) : writeStream(device, write);
    }
    int descriptor;
    llvm::SmallString<128> unfinished;
    if (std::error_code error =
            llvm::sys::fs::createUniqueFile(options.output + ".part-%%%%%%%%", descriptor, unfinished))
      return cannotWrite(error);
    llvm::ToolOutputFile file(unfinished, descriptor); // gone unless kept, after a signal too
    if (llvm::Error error = writeStream(file.os(), write))
      return error;
    if (std::error_code error = llvm::sys::fs::rename(unfinished, options.output))
      return cannotWrite(error);
    file.keep();
    return llvm::Error::success();
  }

  llvm::Error writeStream(llvm::raw_fd_ostream &stream, WriteText write) {
    write(stream);
    stream.flush();
    std::error_code error = stream.error();
    stream.clear_error();
    return error ? cannotWrite(error) : llvm::Error::success();
  }

  llvm::Error cannotWrite(std::error_code error) {
    std::string name = options.output.empty() ? "-" : options.output;
    return errorOf("cannot write '" + name + "': " + error.message());
  }

  /// Of a program without tokens: its registers are whole tensors, about whose rows nothing is proved but in second
  /// forms of functions, which take tokens.
  void summariseOpaque(const Description &description, llvm::raw_ostream &stream) {
    const auto numRaised = llvm::count_if(description.functions, [](const auto &each) { return each.maxTokens != 0; });
    SmallVector<StringRef> registers;
    for (const SlotDescription &slot : description.slots)
      if (slot.kind == SlotKind::reg)
        registers.push_back(slot.name);
    stream << options.output << ": " << description.functions.size() - numRaised << " functions";
    if (!registers.empty())
      stream << (description.verified ? ", each sets " : ", which LOSE STATE (compiled unverified), of ");
    llvm::interleave(registers, stream, " and ");
    if (numRaised)
      stream << "; in a second form of " << numRaised << " of them each token's rows are proved to reach the state";
  }

  void summarise(const Description &description, size_t imageSize) {
    llvm::raw_string_ostream stream(summary);
    if (!description.functions.empty() && description.functions.front().maxTokens == 0) {
      summariseOpaque(description, stream);
      stream << "; code " << (imageSize + 1023) / 1024 << " KB";
      return;
    }
    stream << options.output << ": proved that every token's rows reach ";
    for (ArrayRef<SlotDescription> left = description.slots; !left.empty();) {
      ArrayRef<SlotDescription> alike =
          left.take_while([&](const SlotDescription &slot) { return slot.layers == left.front().layers; });
      llvm::interleave(alike, stream, [&](const SlotDescription &slot) { stream << slot.name; }, " and ");
      const uint64_t layers = alike.front().layers;
      stream << (layers == 1 ? " in 1 layer, " : " in each of " + std::to_string(layers) + " layers, ");
      left = left.drop_front(alike.size());
    }
    stream << "in prefill and in decode; code " << (imageSize + 1023) / 1024 << " KB, weights "
           << llvm::format("%.1f MB", weightsSize / 1e6);
  }

  const CompileOptions &options;
  Progress progress;
  MLIRContext context;
  DiagnosticReporter reporter;
  std::unique_ptr<SourceProgram> source;
  std::unique_ptr<Backend> backend;
  std::vector<Variant> variants;
  std::string rowType; ///< of caches, where it is not the backend's own; else empty
  OwningOpRef<ModuleOp> program;
  std::string graph, steps; ///< JSON
  uint64_t weightsSize = 0;
  std::string summary;
};

int failedWith(llvm::Error error) {
  llvm::errs() << "kvasir-compile: " << llvm::toString(std::move(error)) << "\n";
  return 1;
}
} // namespace

int kvasir::runCompiler(const CompileOptions &options) {
  if (options.report) {
    llvm::Error error = isCoremlPackage(options.input)
                            ? reportCoremlPackage(options)
                            : errorOf(options.input + ": --report is about Core ML packages (.mlpackage)");
    return error ? failedWith(std::move(error)) : 0;
  }
  Compilation compilation(options);
  llvm::Error error = compilation.run();
  compilation.report(/*done=*/!error);
  if (!error)
    return 0;
  failedWith(std::move(error));
  if (llvm::Error cause = compilation.diagnostics())
    llvm::errs() << "  " << llvm::toString(std::move(cause)) << "\n";
  return 1;
}
