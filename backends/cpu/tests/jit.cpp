// SPDX-License-Identifier: MIT
#include "backends/cpu/tests/jit.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/ExecutionEngine/OptUtils.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"

#include <cstdlib>
#include <tuple>

using namespace mlir;

namespace kvasir::cpu {
namespace {

/// Tests have no way on after this.
[[noreturn]] void fail(const Twine &message) {
  llvm::errs() << message << "\n";
  exit(1);
}

std::unique_ptr<llvm::TargetMachine> targetMachine(StringRef cpu, StringRef features = "") {
  std::string error, triple = "x86_64-unknown-linux-gnu";
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      triple, cpu, features, {}, llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

void lower(ModuleOp module) {
  PassManager passes(module.getContext());
  passes.addPass(memref::createExpandStridedMetadataPass());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(createConvertSCFToCFPass());
  passes.addPass(createConvertVectorToLLVMPass());
  passes.addPass(createFinalizeMemRefToLLVMConversionPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createConvertIndexToLLVMPass());
  passes.addPass(createConvertFuncToLLVMPass());
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  if (failed(passes.run(module)))
    fail("the kernels do not lower");
}

} // namespace

uint8_t *scratchMemory() {
  constexpr size_t kBytes = 16 << 20;
  static const std::unique_ptr<void, decltype(&std::free)> memory(std::aligned_alloc(64, kBytes), &std::free);
  return static_cast<uint8_t *>(memory.get());
}

KernelModule::KernelModule() {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  DialectRegistry registry;
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  context.appendDialectRegistry(registry);
  context.loadDialect<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect, memref::MemRefDialect, scf::SCFDialect,
                      vector::VectorDialect>();
  op = ModuleOp::create(UnknownLoc::get(&context));
}

void KernelModule::add(StringRef name, ArrayRef<char> arguments, const std::function<void(Code &, ValueRange)> &write) {
  ImplicitLocOpBuilder builder(UnknownLoc::get(&context), &context);
  builder.setInsertionPointToEnd(op->getBody());
  Code code(builder);
  SmallVector<Type> types;
  for (char kind : arguments)
    types.push_back(kind == 'p' ? code.ptr : code.i64);
  auto function = builder.create<func::FuncOp>(name, builder.getFunctionType(types, {}));
  builder.setInsertionPointToStart(function.addEntryBlock());
  write(code, function.getArguments());
  builder.create<func::ReturnOp>();
}

std::vector<Isa> testedIsas(Uses uses) {
  llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
  auto has = [&](llvm::StringRef feature) {
    return host.lookup(feature) && (!feature.starts_with("avx512") || host.lookup("avx512vl"));
  };
  const Isa all[] = {{"avx2", 8},
                     {"avx2-vnni", 8, true, false, !has("avxvnni")},
                     {"avx512-vnni", 16, true, false, !has("avx512vnni")},
                     {"avx512-bf16", 16, true, true, !has("avx512bf16")},
                     {"avx512-fma", 16, true, true, !has("avx512bf16"), true}};
  auto codeOf = [uses](const Isa &isa) {
    return std::tuple(isa.lanes, uses.dots && isa.hasVnni, uses.bf16 && isa.hasBf16, uses.bf16 && isa.prefersFma);
  };
  std::vector<Isa> tested;
  for (const Isa &isa : all)
    if (llvm::none_of(tested, [&](const Isa &other) { return codeOf(other) == codeOf(isa); }))
      tested.push_back(isa);
  return tested;
}

void KernelModule::compile(const Isa &isa) {
  if (failed(op->verify()))
    fail("the kernels do not verify");
  lower(*op);
  auto makeMachine = [&] {
    if (isa.isEmulated || !isa.hasVnni)
      return targetMachine("x86-64-v3");
    if (isa.lanes == 8)
      return targetMachine("x86-64-v3", "+avxvnni");
    return targetMachine("x86-64-v4", isa.hasBf16 ? "+avx512vnni,+avx512bf16" : "+avx512vnni");
  };
  auto machine = makeMachine();
  ExecutionEngineOptions options;
  auto optimize = makeOptimizingTransformer(3, 0, machine.get());
  options.transformer = optimize;
  options.jitCodeGenOptLevel = llvm::CodeGenOptLevel::Aggressive;
  auto created = ExecutionEngine::create(*op, options, makeMachine());
  if (!created)
    fail(toString(created.takeError()));
  engine = std::move(*created);
}

std::string KernelModule::assembly(const CodeTarget &target) {
  lower(*op);
  auto code = MachineCode::make(target);
  if (!code)
    fail(toString(code.takeError()));
  auto text = (*code)->generate(*op, CodeForm::assembly);
  if (!text)
    fail(toString(text.takeError()));
  return std::string(text->begin(), text->end());
}

void *KernelModule::lookup(StringRef name) {
  auto found = engine->lookup(name);
  if (!found)
    fail(toString(found.takeError()));
  return *found;
}

} // namespace kvasir::cpu
