// SPDX-License-Identifier: MIT
#include "compiler/driver/plugin_code.h"

#include "compiler/dialects/kv/forms.h"
#include "compiler/driver/describe.h"
#include "compiler/driver/describe_steps.h"
#include "compiler/passes/codegen/link.h"
#include "compiler/passes/codegen/passes.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/pipeline.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/Support/ThreadPool.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// The limit of each input's numbers; 0 where there is none.
SmallVector<int64_t> limitsOf(func::FuncOp function) {
  SmallVector<int64_t> limits;
  for (BlockArgument argument : function.getArguments())
    if (isa<RankedTensorType>(argument.getType())) {
      auto limit = function.getArgAttrOfType<IntegerAttr>(argument.getArgNumber(), kLimitAttr);
      limits.push_back(limit ? limit.getInt() : 0);
    }
  return limits;
}

/// Marks each function of the plugin with the name, form, slots and limits that emit-plugin will read. While slots are
/// still there.
void markFunctions(ModuleOp module, const Variant &variant) {
  Builder builder(module.getContext());
  for (func::FuncOp function : pluginFunctions(module)) {
    auto general = function->getAttrOfType<FlatSymbolRefAttr>(kv::kSpecialisesAttr);
    function->removeAttr(kv::kSpecialisesAttr);
    function->removeAttr(kProbeAttr);
    function->setAttr(kFunctionAttr, builder.getStringAttr(general ? general.getValue() : function.getName()));
    function->setAttr(kFormAttr, builder.getStringAttr(general ? kSingleForm : kGeneralForm));
    function->setAttr(kVariantAttr, builder.getStringAttr(variant.name));
    function->setAttr(kWritesAttr, builder.getDenseI64ArrayAttr(writtenSlots(function)));
    function->setAttr(kLimitsAttr, builder.getDenseI64ArrayAttr(limitsOf(function)));
  }
}

/// Gives symbols that other objects see names of this variant's own, and hides the rest.
void separateSymbols(ModuleOp module, const Variant &variant) {
  SymbolTable symbols(module);
  SmallVector<LLVM::LLVMFuncOp> functions(module.getOps<LLVM::LLVMFuncOp>());
  for (LLVM::LLVMFuncOp function : functions) {
    if (function.isExternal())
      continue;
    if (function.isPublic())
      (void)symbols.rename(function, (function.getName() + "." + variant.name).str());
    else
      function.setLinkage(LLVM::Linkage::Internal);
  }
  for (LLVM::LLVMFuncOp function : functions)
    if (function->hasAttr(kFunctionAttr)) {
      StringRef name = function.getName().drop_back(variant.name.size() + 1);
      auto companion = [&](StringRef suffix) {
        return FlatSymbolRefAttr::get(module.getContext(), (name + suffix + "." + variant.name).str());
      };
      function->setAttr(kScratchAttr, companion(kScratchSuffix));
      if (function->hasAttr(kChecksAttr))
        function->setAttr(kCheckAttr, companion(kCheckSuffix));
    }
}
/// Compiles the table, which any x86-64 can read, and links it with the code that it points to.
llvm::Expected<Bytes> linkWithTable(std::vector<Bytes> objects, ModuleOp table, const Description &description,
                                    ArrayRef<uint8_t> note, StringRef path) {
  Builder builder(table.getContext());
  StringRef noteBytes(reinterpret_cast<const char *>(note.data()), note.size());
  table->setAttr(kDescriptionAttr, builder.getStringAttr(descriptionToJson(description)));
  table->setAttr(kNoteAttr, builder.getStringAttr(noteBytes));
  PassManager passes(table.getContext());
  passes.addPass(makeEmitPlugin());
  if (failed(passes.run(table)))
    return llvm::createStringError("the plugin's table can't be made");
  llvm::Expected<std::unique_ptr<MachineCode>> code = MachineCode::make({"x86-64", {}});
  if (!code)
    return code.takeError();
  llvm::Expected<Bytes> object = (*code)->generate(table, CodeForm::object);
  if (!object)
    return object.takeError();
  objects.push_back(std::move(*object));
  return linkPlugin(objects, path);
}

/// Schema and weights have said all they had to say.
void eraseDeclarations(ModuleOp module) {
  for (Operation &op : llvm::make_early_inc_range(*module.getBody()))
    if (isa<kv::SchemaOp, lm::WeightOp>(op))
      op.erase();
}
} // namespace

LogicalResult PluginCode::lowerVariant(ModuleOp program, const Variant &variant) {
  OwningOpRef<ModuleOp> module = program.clone();
  markFunctions(*module, variant);
  PassManager passes(context);
  setUp(passes);
  addTensorPasses(passes, backend, variant);
  buildCodegenPipeline(passes);
  if (failed(passes.run(*module)))
    return failure();
  eraseDeclarations(*module);
  separateSymbols(*module, variant);
  auto steps = dyn_cast_or_null<ArrayAttr>((*module)->removeAttr(kStepsAttr));
  stepsOfVariants.emplace_back(variant.name, steps);
  modules.push_back(std::move(module));
  return success();
}

LogicalResult PluginCode::lower(ModuleOp program) {
  context = program.getContext();
  for (const Variant &variant : variants)
    if (failed(lowerVariant(program, variant)))
      return failure();
  return success();
}

StepTable PluginCode::steps() const { return describeSteps(stepsOfVariants); }

llvm::Expected<std::vector<Bytes>> PluginCode::generate(CodeForm form) {
  std::vector<Bytes> objects(modules.size());
  std::vector<std::string> errors(modules.size());
  llvm::DefaultThreadPool pool;
  for (size_t i = 0; i < modules.size(); ++i)
    pool.async([&, i] {
      llvm::Expected<std::unique_ptr<MachineCode>> code =
          MachineCode::make({variants[i].cpu, variants[i].features, effort});
      llvm::Expected<Bytes> object = code ? (*code)->generate(*modules[i], form) : code.takeError();
      if (object)
        objects[i] = std::move(*object);
      else
        errors[i] = llvm::toString(object.takeError());
    });
  pool.wait();
  for (const std::string &error : errors)
    if (!error.empty())
      return llvm::createStringError(error);
  return objects;
}

/// A module with a declaration of each function that the table points to.
OwningOpRef<ModuleOp> PluginCode::makeTable() const {
  OwningOpRef<ModuleOp> table = ModuleOp::create(UnknownLoc::get(context));
  OpBuilder builder(table->getBodyRegion());
  for (const OwningOpRef<ModuleOp> &module : modules)
    for (auto function : ModuleOp(*module).getOps<LLVM::LLVMFuncOp>()) {
      if (!function.isPublic() || function.isExternal())
        continue;
      auto declaration =
          builder.create<LLVM::LLVMFuncOp>(function.getLoc(), function.getName(), function.getFunctionType());
      declaration->setDiscardableAttrs(function->getDiscardableAttrDictionary());
    }
  return table;
}

llvm::Expected<Bytes> PluginCode::link(const Description &description, ArrayRef<uint8_t> note, StringRef path) {
  llvm::Expected<std::vector<Bytes>> objects = generate(CodeForm::object);
  if (!objects)
    return objects.takeError();
  return linkWithTable(std::move(*objects), *makeTable(), description, note, path);
}

llvm::Expected<Bytes> kvasir::linkWithoutFunctions(MLIRContext &context, const Description &description,
                                                   ArrayRef<uint8_t> note, StringRef path) {
  OwningOpRef<ModuleOp> table = ModuleOp::create(UnknownLoc::get(&context));
  return linkWithTable({}, *table, description, note, path);
}
