// SPDX-License-Identifier: MIT
#include "compiler/models/mil/import.h"

#include "compiler/dialects/kv/dialect.h"
#include "compiler/models/mil/function_border.h"
#include "compiler/models/mil/ops.h"
#include "compiler/models/mil/raised/raise.h"
#include "compiler/passes/passes.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <deque>

using namespace mlir;

namespace kvasir::mil {
namespace {

using coreml::Element;
using coreml::TypeKind;

/// The states of all functions, by name.
struct States {
  StateTypes list; ///< in the order in which functions name them
  std::map<std::string, std::string> firstUser;

  Status add(const coreml::Function &function, const std::string &name, const coreml::TensorType &type) {
    const auto known = llvm::find_if(list, [&](const auto &state) { return state.first == name; });
    if (known == list.end()) {
      list.emplace_back(name, type);
      firstUser[name] = function.name;
      return Done{};
    }
    if (known->second == type)
      return Done{};
    return Failure{"state '" + name + "' is " + coreml::text(known->second) + " in function '" + firstUser[name] +
                   "' and " + coreml::text(type) + " in function '" + function.name +
                   "': they cannot share a state; convert both with one shape and type"};
  }
};

/// Whether ops take such elements; others are of constants only.
bool isComputedWith(Element element) {
  return coreml::facts(element).bits >= 8 && element != Element::f8e4m3fn && element != Element::f8e5m2;
}

Result<States> statesOf(const coreml::Program &program) {
  States states;
  for (const coreml::Function &function : program.functions)
    for (coreml::ValueId input : function.inputs) {
      const coreml::Value &value = function.values[input];
      if (!isComputedWith(value.type.tensor.element))
        return Failure{"input '" + value.name + "' of function '" + function.name + "' is " + coreml::text(value.type) +
                       ", which no input is"};
      if (value.type.kind != TypeKind::state)
        continue;
      if (llvm::is_contained(value.type.tensor.dims, coreml::kAnySize))
        return Failure{"state '" + value.name + "' of function '" + function.name + "' has no fixed shape"};
      if (Status status = states.add(function, value.name, value.type.tensor); !status)
        return Failure{status.message()};
    }
  return states;
}

void collectUnknown(const coreml::Function &function, const coreml::Block &block, std::vector<std::string> &unknown) {
  for (const coreml::Operation &operation : block.operations) {
    if (operation.type != "const" && !findOp(operation.type))
      unknown.push_back("function '" + function.name + "': " + function.describe(operation));
    for (const coreml::Block &inner : operation.blocks)
      collectUnknown(function, inner, unknown);
  }
}

/// Builds the module, function by function.
class ProgramImport {
public:
  ProgramImport(const coreml::Program &program, const States &states, PackageWeights &weights, MLIRContext *context)
      : program(program), states(states), weights(weights), context(context),
        module(ModuleOp::create(UnknownLoc::get(context))), b(module->getLoc(), module->getBodyRegion()) {}

  Result<OwningOpRef<ModuleOp>> run(StringRef name, StringRef identity) {
    const auto text = [&](StringRef value) { return b.getStringAttr(value); };
    const auto named = [&](StringRef key, Attribute value) { return b.getNamedAttr(key, value); };
    (*module)->setAttr(
        "lm.model",
        b.getDictionaryAttr({named("name", text(name)), named("architecture", text("Core ML program")),
                             named("configuration", text(identity)), named("context", b.getI64IntegerAttr(0)),
                             named("vocabulary", b.getI64IntegerAttr(0))}));
    declareStates();
    for (const coreml::Function &function : program.functions)
      if (Status status = importFunction(function); !status)
        return Failure{status.message()};
    return std::move(module);
  }

  /// The functions that were built, in the program's order.
  const std::deque<FunctionImport> &functions() const { return imports; }

private:
  void declareStates() {
    if (states.list.empty())
      return;
    SmallVector<Attribute> entries;
    for (const coreml::Function &function : program.functions)
      entries.push_back(FlatSymbolRefAttr::get(context, function.name));
    auto schema = b.create<kv::SchemaOp>("program", b.getArrayAttr(entries));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&schema.getBody().emplaceBlock());
    for (const auto &[name, type] : states.list)
      b.create<kv::RegisterOp>(name, 1, RankedTensorType::get(type.dims, elementType(context, type.element)));
  }

  Status importFunction(const coreml::Function &function) {
    std::vector<std::string> slots;
    for (const auto &[name, type] : states.list)
      slots.push_back(name);
    b.setInsertionPointToEnd(module->getBody());
    auto target = b.create<func::FuncOp>(function.name, b.getFunctionType(argumentTypes(context, function, slots), {}));
    target.addEntryBlock();
    if (states.list.empty()) // no schema lists it: it is a function of tensors, as probes of ops are
      target->setAttr(kProbeAttr, b.getUnitAttr());
    for (StringRef fact : {"kv.sequences", "kv.tokens"})
      target.setArgAttr(target.getNumArguments() - 1, fact, b.getI64IntegerAttr(fact == "kv.sequences" ? 1 : 0));
    FunctionImport &import = imports.emplace_back(function, target, weights);
    ImplicitLocOpBuilder body(target.getLoc(), &target.front(), target.front().begin());
    FunctionBorder border(program, import, states.list, body);
    border.takeInputs([](coreml::ValueId, size_t) { return std::nullopt; });
    border.getRegisters();
    if (import.failure() || !import.importBlock(function.body, body))
      return Failure{*import.failure()};
    return border.finish();
  }

  const coreml::Program &program;
  const States &states;
  PackageWeights &weights;
  MLIRContext *context;
  OwningOpRef<ModuleOp> module;
  ImplicitLocOpBuilder b;
  std::deque<FunctionImport> imports;
};
} // namespace

std::vector<std::string> unknownOps(const coreml::Program &program) {
  std::vector<std::string> unknown;
  for (const coreml::Function &function : program.functions)
    collectUnknown(function, function.body, unknown);
  return unknown;
}

Result<ImportedProgram> importProgram(const coreml::Program &program, StringRef name, StringRef identity, Forms wanted,
                                      PackageWeights &weights, MLIRContext *context) {
  context
      ->loadDialect<arith::ArithDialect, bufferization::BufferizationDialect, func::FuncDialect, kv::KvDialect,
                    linalg::LinalgDialect, lm::LmDialect, math::MathDialect, scf::SCFDialect, tensor::TensorDialect>();
  Result<States> states = statesOf(program);
  if (!states)
    return Failure{states.message()};
  ProgramImport import(program, *states, weights, context);
  Result<OwningOpRef<ModuleOp>> module = import.run(name, identity);
  if (!module)
    return Failure{module.message()};
  std::vector<coreml::StateForm> forms = wanted == Forms::all ? addRaisedForms(**module, program, import.functions())
                                                              : opaqueForms(program, "the program loses state");
  return ImportedProgram{std::move(*module), std::move(forms)};
}

} // namespace kvasir::mil
