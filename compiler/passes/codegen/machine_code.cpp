// SPDX-License-Identifier: MIT
#include "compiler/passes/codegen/machine_code.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

#include <mutex>

using namespace kvasir;

namespace {
/// No C library in the environment part, so that LLVM does not merge sin and cos into calls that only glibc has.
constexpr const char *kTriple = "x86_64-unknown-linux";

// What a variant's CPU has beyond its listed features is not used: the loader checks the features, not the CPU.
constexpr const char *kBaselineCpu = "x86-64";

const llvm::Target *findTarget() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
  std::string ignored;
  return llvm::TargetRegistry::lookupTarget(kTriple, ignored);
}

llvm::TargetOptions makeOptions() {
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  options.FunctionSections = true;
  options.DataSections = true;
  return options;
}

bool hasWideVectors(const std::vector<std::string> &features) {
  return llvm::any_of(features, [](llvm::StringRef feature) { return feature.starts_with("avx512"); });
}
} // namespace

MachineCode::~MachineCode() = default;

llvm::Expected<std::unique_ptr<MachineCode>> MachineCode::make(const CodeTarget &target) {
  const llvm::Target *backend = findTarget();
  if (!backend)
    return llvm::createStringError("this LLVM generates no code for %s", kTriple);
  std::unique_ptr<MachineCode> code(new MachineCode);
  code->target = target;
  for (const std::string &feature : target.features)
    code->featureString += (code->featureString.empty() ? "+" : ",+") + feature;
  auto level = target.effort == CodeEffort::full ? llvm::CodeGenOptLevel::Aggressive : llvm::CodeGenOptLevel::None;
  code->machine.reset(backend->createTargetMachine(kTriple, kBaselineCpu, code->featureString, makeOptions(),
                                                   llvm::Reloc::PIC_, std::nullopt, level));
  const llvm::MCSubtargetInfo *subtarget = code->machine->getMCSubtargetInfo();
  if (!target.cpu.empty() && !subtarget->isCPUStringValid(target.cpu))
    return llvm::createStringError("LLVM knows no CPU '%s'", target.cpu.c_str());
  return code;
}

/// Attributes that the dialect's functions don't carry.
void MachineCode::prepare(llvm::Module &module) const {
  module.setTargetTriple(kTriple);
  module.setPICLevel(llvm::PICLevel::BigPIC);
  for (llvm::Function &function : module) {
    if (function.isIntrinsic())
      continue;
    function.setDSOLocal(true);
    function.setVisibility(llvm::GlobalValue::HiddenVisibility);
    if (function.isDeclaration())
      continue;
    if (function.getName().starts_with(".") || function.hasLocalLinkage())
      function.setVisibility(llvm::GlobalValue::DefaultVisibility);
    function.setDoesNotThrow();
    function.addFnAttr("target-cpu", kBaselineCpu);
    function.addFnAttr("tune-cpu", target.cpu);
    function.addFnAttr("target-features", featureString);
    if (hasWideVectors(target.features))
      function.addFnAttr("prefer-vector-width", "512");
  }
}

void MachineCode::optimise(llvm::Module &module) {
  // Kernels are emitted with the unrolling that they want. For the rest, measured on SmolLM2 on the reference: without
  // the vectoriser a prompt takes 3.6 times as long; unrolling, interleaving and SLP make code 3 times as large,
  // compile in 5 times the time, and run no faster.
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = target.effort == CodeEffort::full;
  tuning.LoopUnrolling = false;
  tuning.LoopInterleaving = false;
  tuning.SLPVectorization = false;
  llvm::PassBuilder builder(machine.get(), tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  // Freestanding: no function is known by its name, so none is called that the program doesn't call.
  llvm::TargetLibraryInfoImpl library{llvm::Triple(kTriple)};
  library.disableAllFunctions();
  functions.registerPass([&] { return llvm::TargetLibraryAnalysis(library); });
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  auto level = target.effort == CodeEffort::full ? llvm::OptimizationLevel::O3 : llvm::OptimizationLevel::O1;
  builder.buildPerModuleDefaultPipeline(level).run(module, modules);
}

llvm::Expected<llvm::SmallVector<char, 0>> MachineCode::generate(mlir::ModuleOp source, CodeForm form) {
  // Before translation, which asks it for the alignment of every load and store.
  source->setAttr(mlir::LLVM::LLVMDialect::getDataLayoutAttrName(),
                  mlir::StringAttr::get(source.getContext(), machine->createDataLayout().getStringRepresentation()));
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module = mlir::translateModuleToLLVMIR(source, context, "kvasir");
  if (!module)
    return llvm::createStringError("the program could not be translated to LLVM's IR");
  prepare(*module);
  optimise(*module);
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  if (form == CodeForm::llvm) {
    module->print(stream, nullptr);
    return bytes;
  }
  llvm::legacy::PassManager passes;
  auto type = form == CodeForm::object ? llvm::CodeGenFileType::ObjectFile : llvm::CodeGenFileType::AssemblyFile;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, type))
    return llvm::createStringError("LLVM can't emit code for %s", kTriple);
  passes.run(*module);
  return bytes;
}
