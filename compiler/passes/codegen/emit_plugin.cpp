// SPDX-License-Identifier: MIT
#include "compiler/passes/codegen/constant_writer.h"
#include "compiler/passes/codegen/freestanding/program.h"
#include "compiler/passes/codegen/passes.h"
#include "compiler/passes/extents.h"

#include "kvasir/manifest.h"
#include "plugins/description.h"

#include <optional>

using namespace mlir;
using namespace kvasir;

namespace {
/// The tables of freestanding/program.h, as types of LLVM's dialect.
struct ProgramTypes {
  explicit ProgramTypes(MLIRContext *context) {
    Type pointer = LLVM::LLVMPointerType::get(context);
    Type i32 = IntegerType::get(context, 32), i64 = IntegerType::get(context, 64);
    auto make = [&](ArrayRef<Type> fields) { return LLVM::LLVMStructType::getLiteral(context, fields); };
    code = make({pointer, pointer, pointer, pointer, pointer});
    text = make({pointer});
    tensor = make({pointer, pointer, i32, i32, i64});
    function = make({pointer, pointer, pointer, i32, i32, pointer, i64});
    variant = make({make({i32, i32, pointer, pointer}), pointer, pointer});
    program = make({i32, i32, i32, i32, pointer, pointer, pointer});
  }
  LLVM::LLVMStructType code, text, tensor, function, variant, program;
};

class PluginWriter {
public:
  PluginWriter(ModuleOp module, const Description &description)
      : module(module), description(description), variants(description.variants), constants(module),
        types(module.getContext()) {
    if (variants.empty()) // runs anywhere
      variants.push_back({"any", {}});
  }

  LogicalResult write(StringRef note) {
    declareEntryPoints();
    FailureOr<std::string> functions = writeFunctions();
    FailureOr<std::string> variantTable = writeVariants();
    if (failed(functions) || failed(variantTable))
      return failure();
    std::vector<uint8_t> isRegister;
    for (const SlotDescription &slot : description.slots)
      isRegister.push_back(slot.kind == SlotKind::reg);
    std::string registers = constants.writeBytes("kvasir_is_register", isRegister);
    constants.writeStructs("kvasir_the_program", types.program,
                           {{int64_t(description.slots.size()), int64_t(description.functions.size()),
                             int64_t(variants.size()), 0, registers, *functions, *variantTable}},
                           /*isHidden=*/true);
    writeNote(note);
    return success();
  }

private:
  void declareEntryPoints() {
    OpBuilder builder(module.getBodyRegion());
    Type pointer = LLVM::LLVMPointerType::get(module.getContext());
    Type i32 = builder.getI32Type();
    builder.create<LLVM::LLVMFuncOp>(module.getLoc(), "kvasir_prepare",
                                     LLVM::LLVMFunctionType::get(i32, {pointer, pointer, pointer}));
    builder.create<LLVM::LLVMFuncOp>(module.getLoc(), "kvasir_execute",
                                     LLVM::LLVMFunctionType::get(i32, {pointer, pointer, i32}));
  }

  FailureOr<std::string> writeFunctions() {
    std::vector<std::vector<ConstantField>> rows;
    for (const FunctionDescription &function : description.functions) {
      LLVM::LLVMFuncOp code = find(function.name, variants.front().name, kGeneralForm);
      auto writes = code ? code->getAttrOfType<DenseI64ArrayAttr>(kWritesAttr) : nullptr;
      if (!writes)
        return module.emitError() << "function '" << function.name << "' has no code that says which slots it writes";
      std::vector<uint8_t> written(description.slots.size());
      for (int64_t slot : writes.asArrayRef())
        written.at(slot) = 1;
      std::string prefix = "kvasir." + function.name;
      FailureOr<std::string> inputs = writeTensors(prefix + ".in", function.inputs, limitsOf(code));
      FailureOr<std::string> outputs = writeTensors(prefix + ".out", function.outputs, {});
      if (failed(inputs) || failed(outputs))
        return failure();
      rows.push_back({constants.writeText(prefix + ".name", function.name), *inputs, *outputs,
                      int64_t(function.inputs.size()), int64_t(function.outputs.size()),
                      constants.writeBytes(prefix + ".writes", written), int64_t(function.maxTokens)});
    }
    return constants.writeStructs("kvasir_functions", types.function, rows);
  }

  /// None where the code does not say.
  static ArrayRef<int64_t> limitsOf(LLVM::LLVMFuncOp code) {
    auto limits = code->getAttrOfType<DenseI64ArrayAttr>(kLimitsAttr);
    return limits ? limits.asArrayRef() : ArrayRef<int64_t>();
  }

  FailureOr<std::string> writeTensors(const std::string &prefix, const std::vector<TensorDescription> &tensors,
                                      ArrayRef<int64_t> limits) {
    std::vector<std::vector<ConstantField>> rows;
    for (auto [i, tensor] : llvm::enumerate(tensors)) {
      std::vector<int64_t> extents;
      for (const Dimension &dimension : tensor.shape) {
        std::optional<int64_t> extent = extentOf(dimension);
        if (!extent)
          return module.emitError() << "tensor '" << tensor.name << "' has an extent " << dimension.symbol
                                    << ", which compiled code can't check";
        extents.push_back(*extent);
      }
      std::string name = prefix + "." + tensor.name;
      int64_t limit = tensor.role == TensorRole::ids ? description.model.vocabularySize : 0;
      if (i < limits.size() && limits[i])
        limit = limits[i];
      rows.push_back({constants.writeText(name, tensor.name), constants.writeNumbers(name + ".extents", extents),
                      int64_t(extents.size()), int64_t(elementBits(tensor.element) / 8), limit});
    }
    return constants.writeStructs(prefix, types.tensor, rows);
  }

  static std::optional<int64_t> extentOf(const Dimension &dimension) {
    switch (dimension.symbol) {
    case 0:
      return dimension.number;
    case 'T':
      return KVASIR_TOKENS;
    case 'W':
      return KVASIR_WANTED;
    case 'B':
      return KVASIR_SEQUENCES;
    case 'S':
      return KVASIR_STORED;
    default:
      if (isOwnExtent(dimension.symbol))
        return KVASIR_OWN - (dimension.symbol - 'a');
      return std::nullopt;
    }
  }

  FailureOr<std::string> writeVariants() {
    std::vector<std::vector<ConstantField>> rows;
    for (const VariantDescription &variant : variants) {
      FailureOr<std::string> general = writeCode(variant.name, kGeneralForm);
      FailureOr<std::string> single = writeCode(variant.name, kSingleForm);
      if (failed(general) || failed(single))
        return failure();
      rows.push_back({int64_t(sizeof(kv_plugin)), int64_t(KV_ABI), std::string("kvasir_prepare"),
                      std::string("kvasir_execute"), *general, *single});
    }
    return constants.writeStructs("kvasir_variants", types.variant, rows);
  }

  FailureOr<std::string> writeCode(const std::string &variant, StringRef form) {
    std::vector<std::vector<ConstantField>> rows;
    for (const FunctionDescription &function : description.functions) {
      LLVM::LLVMFuncOp code = find(function.name, variant, form);
      if (!code && form == kGeneralForm)
        return module.emitError() << "function '" << function.name << "' has no code for variant '" << variant << "'";
      std::string run = code ? code.getName().str() : "";
      auto scratch = code ? code->getAttrOfType<FlatSymbolRefAttr>(kScratchAttr) : nullptr;
      auto check = code ? code->getAttrOfType<FlatSymbolRefAttr>(kCheckAttr) : nullptr;
      rows.push_back({run, scratch ? scratch.getValue().str() : "", check ? check.getValue().str() : "",
                      check ? writeMessages(code, kChecksAttr) : "",
                      code && code->hasAttr(kRefusalsAttr) ? writeMessages(code, kRefusalsAttr) : ""});
    }
    return constants.writeStructs("kvasir." + form.str() + "." + variant, types.code, rows);
  }

  std::string writeMessages(LLVM::LLVMFuncOp code, StringRef attribute) {
    std::string prefix = attribute.str() + "." + code.getName().str();
    std::vector<std::vector<ConstantField>> rows;
    for (Attribute message : code->getAttrOfType<ArrayAttr>(attribute))
      rows.push_back({constants.writeText(prefix + "." + std::to_string(rows.size()), cast<StringAttr>(message))});
    return constants.writeStructs(prefix, types.text, rows);
  }

  LLVM::LLVMFuncOp find(StringRef function, StringRef variant, StringRef form) {
    auto has = [](Operation *op, StringRef name, StringRef value) {
      auto attribute = op->getAttrOfType<StringAttr>(name);
      return attribute && attribute.getValue() == value;
    };
    for (auto candidate : module.getOps<LLVM::LLVMFuncOp>())
      if (has(candidate, kFunctionAttr, function) && has(candidate, kVariantAttr, variant) &&
          has(candidate, kFormAttr, form))
        return candidate;
    return {};
  }

  void writeNote(StringRef note) {
    OpBuilder builder(module.getContext());
    builder.setInsertionPointToEnd(module.getBody());
    auto global = builder.create<LLVM::GlobalOp>(
        module.getLoc(), LLVM::LLVMArrayType::get(builder.getI8Type(), note.size()), /*isConstant=*/true,
        LLVM::Linkage::External, "kvasir_note", builder.getStringAttr(note), /*alignment=*/4);
    global.setVisibility_(LLVM::Visibility::Hidden);
    global.setSection(KV_NOTE_SECTION);
  }

  ModuleOp module;
  const Description &description;
  std::vector<VariantDescription> variants;
  ConstantWriter constants;
  ProgramTypes types;
};

/// Adds what makes compiled functions a plugin: the table that the freestanding part walks, and the note.
///
/// Before: declarations of the functions' code, each with the function, variant and form that it is, the slots it
/// writes and the function of its scratch (the attributes of passes.h); the module's `kvasir.description` (JSON) and
/// `kvasir.note`. After: @kvasir_the_program and a constant in the note's section. Refuses: a function without code.
struct EmitPlugin : PassWrapper<EmitPlugin, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(EmitPlugin)
  StringRef getArgument() const override { return "emit-plugin"; }
  StringRef getDescription() const override { return "add the plugin's table and note"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<LLVM::LLVMDialect>(); }
  void runOnOperation() override {
    auto json = getOperation()->getAttrOfType<StringAttr>(kDescriptionAttr);
    auto note = getOperation()->getAttrOfType<StringAttr>(kNoteAttr);
    if (!json || !note) {
      getOperation().emitError() << "expected " << kDescriptionAttr << " and " << kNoteAttr;
      return signalPassFailure();
    }
    Result<Description> description = descriptionFromJson(json.getValue());
    if (!description) {
      getOperation().emitError() << description.message();
      return signalPassFailure();
    }
    if (failed(PluginWriter(getOperation(), *description).write(note)))
      return signalPassFailure();
    getOperation()->removeAttr(kDescriptionAttr);
    getOperation()->removeAttr(kNoteAttr);
  }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeEmitPlugin() { return std::make_unique<EmitPlugin>(); }
