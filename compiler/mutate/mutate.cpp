// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/passes.h"
#include "compiler/driver/backend_library.h"
#include "compiler/driver/pass_options.h"
#include "compiler/driver/progress.h"
#include "compiler/driver/source_program.h"
#include "compiler/mutate/mutant.h"
#include "compiler/mutate/plugin_maker.h"
#include "compiler/mutate/recording.h"
#include "compiler/mutate/report.h"
#include "compiler/mutate/state_ops.h"
#include "compiler/passes/registry.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace kvasir;

namespace {
DialectRegistry makeRegistry() {
  DialectRegistry registry;
  registerDialects(registry);
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  return registry;
}

/// A folder that goes with the object.
class TemporaryFolder {
public:
  TemporaryFolder() { isMade = !llvm::sys::fs::createUniqueDirectory("kvasir-mutate", path); }
  ~TemporaryFolder() {
    if (isMade)
      llvm::sys::fs::remove_directories(path);
  }
  explicit operator bool() const { return isMade; }
  std::string fileOf(llvm::StringRef name) const { return (path + "/" + name).str(); }

private:
  llvm::SmallString<128> path;
  bool isMade;
};

/// What the entries of a program state of their batches, in the schema's order.
std::vector<EntryLimits> limitsOf(ModuleOp program) {
  std::vector<EntryLimits> limits;
  for (auto schema : program.getOps<kv::SchemaOp>())
    for (auto entry : schema.getEntries().getAsRange<FlatSymbolRefAttr>()) {
      EntryLimits &limit = limits.emplace_back();
      auto function = program.lookupSymbol<func::FuncOp>(entry.getAttr());
      if (Value batch = kv::batchOf(function.getArguments()))
        limit = {uint64_t(kv::knownOf(batch, "kv.sequences").value_or(0)),
                 uint64_t(kv::knownOf(batch, "kv.tokens").value_or(0))};
    }
  return limits;
}

/// One run of the tool: a program and its mutants.
class Mutation {
public:
  explicit Mutation(const MutateOptions &options) : options(options), context(makeRegistry()) {
    context.disableMultithreading(); // many small runs
  }

  /// Fails where the program itself is not proved.
  llvm::Error run();

  /// After run.
  const Report &report() const { return *results; }

private:
  llvm::Error load();
  llvm::Error prepare();
  MutantFate fateOf(const Mutant &mutant);
  void show(ModuleOp survivor, MutantFate &fate);

  const MutateOptions &options;
  MLIRContext context;
  std::unique_ptr<SourceProgram> source;
  std::unique_ptr<Backend> backend;
  OwningOpRef<ModuleOp> program;
  std::optional<Prover> prover;
  std::optional<PluginMaker> maker;
  uint64_t provedHash = 0;
  std::string cannotRun; // why the program itself gives no plugin
  std::string unseen;    // a function of it that never ran
  Description description;
  std::vector<Step> script;
  Recording original;
  TemporaryFolder folder;
  std::optional<Report> results;
};

llvm::Error Mutation::load() {
  CompileOptions reading;
  reading.input = options.input;
  reading.randomWeights = options.seed;
  llvm::Expected<std::unique_ptr<SourceProgram>> opened = SourceProgram::open(reading);
  if (!opened)
    return opened.takeError();
  source = std::move(*opened);
  DiagnosticReporter reporter(&context);
  llvm::Expected<OwningOpRef<ModuleOp>> module = source->import(&context);
  if (!module)
    return llvm::joinErrors(module.takeError(), reporter.takeRest());
  program = std::move(*module);
  if (!options.unroll)
    return llvm::Error::success();
  PassManager passes(&context);
  passes.addPass(createInlinerPass()); // a layer's function has one body for all layers
  passes.addPass(kv::createUnrollLayers());
  return failed(passes.run(*program)) ? reporter.takeError("unrolling") : llvm::Error::success();
}

/// Proves the program, and looks at what it does.
llvm::Error Mutation::prepare() {
  if (!folder)
    return llvm::createStringError("there is no folder for temporary files");
  llvm::Expected<std::unique_ptr<Backend>> loaded = loadBackend(options.backend, backendFolders({}));
  if (!loaded)
    return loaded.takeError();
  backend = std::move(*loaded);
  llvm::Expected<std::vector<Variant>> variants = backend->configure({});
  if (!variants)
    return variants.takeError();
  llvm::Expected<const WeightSource *> weights = source->weights();
  if (!weights)
    return weights.takeError();
  prover.emplace(*backend, options.disable);
  maker.emplace(*backend, *variants, **weights);
  ProgramCopy copy(*program);
  if (std::optional<Refusal> refusal = prover->prove(*copy.module))
    return llvm::createStringError(options.input + ": the program itself is refused: " + refusal->text);
  provedHash = hashOf(*copy.module);
  const std::string path = folder.fileOf("program.kvasir");
  llvm::Expected<Description> made = maker->make(*copy.module, path);
  if (!made) {
    cannotRun = "the program itself gives no plugin: " + llvm::toString(made.takeError());
    return llvm::Error::success();
  }
  description = std::move(*made);
  script = makeSteps(description, limitsOf(*program));
  original = record(path, description, script, options.seed);
  if (!original.failure.empty())
    cannotRun = "the program itself does not run: " + original.failure;
  unseen = unseenFunction(original, description, script);
  return llvm::Error::success();
}

llvm::Error Mutation::run() {
  Progress progress;
  progress.begin("reading");
  if (llvm::Error error = load())
    return error;
  progress.begin("running the program");
  if (llvm::Error error = prepare())
    return error;
  progress.begin("breaking it");
  std::vector<Mutant> mutants = makeMutants(*program);
  results.emplace(options, script.size());
  for (size_t i = 0; i < mutants.size(); ++i) {
    progress.advance(double(i) / double(mutants.size()));
    if (llvm::StringRef(mutants[i].mutation + " " + mutants[i].name()).contains(options.only))
      results->add(fateOf(mutants[i]));
  }
  return llvm::Error::success();
}

MutantFate Mutation::fateOf(const Mutant &mutant) {
  MutantFate fate{mutant.mutation, mutant.name(), Fate::refused, {}, {}};
  ProgramCopy copy(*program);
  mutant.apply(copy);
  if (std::optional<Refusal> refusal = prover->prove(*copy.module)) {
    fate.rule = refusal->rule;
    fate.why = refusal->text;
    return fate;
  }
  if (hashOf(*copy.module) == provedHash)
    fate.fate = Fate::same; // once it is inlined and free of common subexpressions
  else
    show(*copy.module, fate);
  return fate;
}

/// Runs a survivor beside the program.
void Mutation::show(ModuleOp survivor, MutantFate &fate) {
  fate.fate = Fate::failed;
  fate.why = cannotRun;
  if (!cannotRun.empty())
    return;
  const std::string path = folder.fileOf("mutant.kvasir");
  llvm::Expected<Description> made = maker->make(survivor, path);
  if (!made) {
    fate.why = llvm::toString(made.takeError());
    return;
  }
  Difference difference =
      differenceBetween(record(path, description, script, options.seed), original, description, script);
  fate.why = difference.text;
  fate.fate = difference.text.empty() ? Fate::same : difference.isStopped ? Fate::stopped : Fate::different;
  if (fate.fate == Fate::same && !unseen.empty()) {
    fate.fate = Fate::failed;
    fate.why = "no difference was seen, but the program itself never ran " + unseen;
  }
}
} // namespace

int kvasir::runMutations(const MutateOptions &options) {
  Mutation mutation(options);
  if (llvm::Error error = mutation.run()) {
    llvm::errs() << "kvasir-mutate: " << llvm::toString(std::move(error)) << "\n";
    return 1;
  }
  if (options.json)
    mutation.report().printJson(llvm::outs());
  else
    mutation.report().printText(llvm::outs());
  llvm::outs().flush();
  if (mutation.report().isGood())
    return 0;
  llvm::errs() << "kvasir-mutate: " << options.input
               << ": mutants survive that do something else, or can't be shown to do the same\n";
  return 1;
}
