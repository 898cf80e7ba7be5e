// SPDX-License-Identifier: MIT
#include "compiler/models/mil/import.h"

#include "compiler/dialects/kv/dialect.h"
#include "compiler/models/mil/function_import.h"
#include "compiler/models/mil/op_import.h"
#include "compiler/models/mil/ops.h"
#include "compiler/models/mil/own_extents.h"
#include "compiler/passes/passes.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace kvasir::mil {
namespace {

using coreml::Element;
using coreml::TypeKind;

/// The states of all functions, by name.
struct States {
  std::vector<std::pair<std::string, coreml::TensorType>> list; ///< in the order in which functions name them
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
      : program(program), states(states), weights(weights), context(context), module(ModuleOp::create(UnknownLoc::get(context))),
        b(module->getLoc(), module->getBodyRegion()) {}

  Result<OwningOpRef<ModuleOp>> run(StringRef name, StringRef identity) {
    const auto text = [&](StringRef value) { return b.getStringAttr(value); };
    const auto named = [&](StringRef key, Attribute value) { return b.getNamedAttr(key, value); };
    (*module)->setAttr("lm.model", b.getDictionaryAttr({named("name", text(name)),
                                                         named("architecture", text("Core ML program")),
                                                         named("configuration", text(identity)),
                                                         named("context", b.getI64IntegerAttr(0)),
                                                         named("vocabulary", b.getI64IntegerAttr(0))}));
    declareStates();
    for (const coreml::Function &function : program.functions)
      if (Status status = importFunction(function); !status)
        return Failure{status.message()};
    return std::move(module);
  }

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

  Type slotType(StringRef name) { return kv::SlotType::get(context, FlatSymbolRefAttr::get(context, name)); }

  Status importFunction(const coreml::Function &function) {
    SmallVector<Type> types;
    for (coreml::ValueId input : function.inputs)
      if (const coreml::Type &type = function.values[input].type; type.kind == TypeKind::tensor)
        types.push_back(inputType(type.tensor));
    for (const auto &[name, type] : states.list)
      types.push_back(slotType(name));
    types.push_back(kv::BatchType::get(context));
    b.setInsertionPointToEnd(module->getBody());
    auto target = b.create<func::FuncOp>(function.name, b.getFunctionType(types, {}));
    target.addEntryBlock();
    if (states.list.empty()) // no schema lists it: it is a function of tensors, as probes of ops are
      target->setAttr(kProbeAttr, b.getUnitAttr());
    FunctionImport import(function, target, weights);
    Builder body(target.getLoc(), &target.front(), target.front().begin());
    takeInputs(import, body);
    const auto versions = getStates(import, body);
    if (import.failure() || !import.importBlock(function.body, body))
      return Failure{*import.failure()};
    return finish(import, body, versions);
  }

  using Builder = ImplicitLocOpBuilder;

  RankedTensorType inputType(const coreml::TensorType &type) {
    SmallVector<int64_t> shape;
    for (int64_t dim : type.dims)
      shape.push_back(dim == coreml::kAnySize ? ShapedType::kDynamic : dim);
    return RankedTensorType::get(shape, elementType(context, type.element));
  }

  /// Inputs under their names, their open dims as extents of the function's own.
  void takeInputs(FunctionImport &import, Builder &body) {
    const coreml::Function &function = import.source;
    OwnExtents extents(import.target);
    unsigned number = 0;
    for (coreml::ValueId input : function.inputs) {
      const coreml::Value &value = function.values[input];
      if (value.type.kind != TypeKind::tensor)
        continue;
      Tensor tensor;
      tensor.element = value.type.tensor.element;
      tensor.value = import.target.getArgument(number);
      const auto declared = function.declaredDims.find(value.name);
      ArrayRef<coreml::DimRange> ranges;
      if (declared != function.declaredDims.end())
        ranges = declared->second;
      std::string letters;
      for (auto [i, dim] : llvm::enumerate(value.type.tensor.dims))
        if (dim != coreml::kAnySize)
          tensor.dims.push_back(ScalarBuilder(body).constant(dim));
        else
          tensor.dims.push_back(extents.add(body, tensor.value, i,
                                            i < ranges.size() && !isContradicted(value.name, i, ranges[i])
                                                ? ranges[i]
                                                : coreml::DimRange(),
                                            letters));
      nameArgument(import.target, number++, value.name, letters);
      import.define(input, std::move(tensor));
    }
    if (!extents.fit())
      import.fail("has more than 26 open dims in its inputs");
    extents.write();
    for (StringRef fact : {"kv.sequences", "kv.tokens"})
      import.target.setArgAttr(import.target.getNumArguments() - 1, fact,
                               b.getI64IntegerAttr(fact == "kv.sequences" ? 1 : 0));
  }

  /// Whether another function takes more than this dim's range allows: exporters leave the ranges of a function as they are
  /// when they fix its shapes for others. No such range is held to.
  bool isContradicted(const std::string &name, size_t dim, const coreml::DimRange &range) const {
    return llvm::any_of(program.functions, [&](const coreml::Function &function) {
      return llvm::any_of(function.inputs, [&](coreml::ValueId input) {
        const coreml::Value &value = function.values[input];
        const std::vector<int64_t> &dims = value.type.tensor.dims;
        return value.name == name && dim < dims.size() && range.to != coreml::kAnySize && dims[dim] > range.to;
      });
    });
  }

  void nameArgument(func::FuncOp target, unsigned number, const std::string &name, const std::string &letters) {
    target.setArgAttr(number, "kv.name", b.getStringAttr(name));
    if (!letters.empty())
      target.setArgAttr(number, kExtentsAttr, b.getStringAttr(letters));
  }

  struct Version {
    std::string name;
    coreml::TensorType type;
    Value slot, contents; ///< contents: as the call finds them, [1] + shape
  };

  /// Each register's contents; those of the function's own states under their names.
  std::vector<Version> getStates(FunctionImport &import, Builder &body) {
    std::vector<Version> versions;
    Value batch = import.target.getArguments().back();
    Value layer = body.create<arith::ConstantIndexOp>(0);
    const unsigned first = import.target.getNumArguments() - 1 - states.list.size();
    for (const auto &[i, state] : llvm::enumerate(states.list)) {
      SmallVector<int64_t> shape{1};
      llvm::append_range(shape, state.second.dims);
      auto type = RankedTensorType::get(shape, elementType(context, state.second.element));
      Value slot = import.target.getArgument(first + i);
      Value contents = body.create<kv::GetOp>(type, slot, layer, batch);
      versions.push_back({state.first, state.second, slot, contents});
      for (coreml::ValueId input : import.source.inputs)
        if (import.source.values[input].type.kind == TypeKind::state && import.source.nameOf(input) == state.first)
          import.states[input] = contentsOf(body, state.second, contents);
    }
    return versions;
  }

  /// The two shapes of one register, with and without the dim of sequences.
  static SmallVector<ReassociationIndices> withoutSequences(size_t rank) {
    SmallVector<ReassociationIndices> groups;
    for (size_t i = 0; i < rank; ++i)
      groups.push_back(i ? ReassociationIndices{int64_t(i) + 1} : ReassociationIndices{0, 1});
    return groups;
  }

  Tensor contentsOf(Builder &body, const coreml::TensorType &type, Value contents) {
    Tensor tensor;
    tensor.element = type.element;
    for (int64_t dim : type.dims)
      tensor.dims.push_back(ScalarBuilder(body).constant(dim));
    tensor.value = body.create<tensor::CollapseShapeOp>(tensorType(context, type.element, tensor.dims), contents,
                                                        withoutSequences(type.dims.size()));
    return tensor;
  }

  Status finish(FunctionImport &import, Builder &body, ArrayRef<Version> versions) {
    body.setLoc(import.target.getLoc());
    SmallVector<Value> results;
    SmallVector<DictionaryAttr> attributes;
    OwnExtents extents(import.target);
    for (coreml::ValueId output : import.source.body.outputs) {
      Tensor tensor = import.find(output, body);
      const std::string &name = import.source.nameOf(output);
      if (import.failure())
        return Failure{*import.failure()};
      std::optional<std::string> letters = extents.lettersOf(tensor.dims);
      if (!letters)
        return Failure{"function '" + import.source.name + "': the extents of output '" + name +
                       "' are no sums of the extents of inputs"};
      SmallVector<NamedAttribute> facts{b.getNamedAttr("kv.name", b.getStringAttr(name))};
      if (!letters->empty())
        facts.push_back(b.getNamedAttr(kExtentsAttr, b.getStringAttr(*letters)));
      results.push_back(elementsOf(import, body, tensor));
      attributes.push_back(b.getDictionaryAttr(facts));
    }
    extents.write();
    setStates(import, body, versions, results);
    attributes.resize(results.size(), b.getDictionaryAttr({}));
    body.create<func::ReturnOp>(results);
    import.target.setType(b.getFunctionType(import.target.getArgumentTypes(), ValueRange(results).getTypes()));
    import.target.setAllResultAttrs(attributes);
    return Done{};
  }

  static Value elementsOf(FunctionImport &import, Builder &body, const Tensor &tensor) {
    static const coreml::Operation kReturn{"return", 0, {}, {}, {}, {}};
    return OpImport(import, kReturn, body).valueOf(tensor);
  }

  void setStates(FunctionImport &import, Builder &body, ArrayRef<Version> versions, SmallVector<Value> &results) {
    Value batch = import.target.getArguments().back();
    Value layer = body.create<arith::ConstantIndexOp>(0);
    for (const Version &version : versions) {
      Value next = version.contents;
      for (const auto &[input, state] : import.states)
        if (import.source.nameOf(input) == version.name)
          next = body.create<tensor::ExpandShapeOp>(version.contents.getType(), state.value,
                                                    withoutSequences(version.type.dims.size()));
      results.push_back(body.create<kv::SetOp>(version.slot.getType(), version.slot, layer, next, batch));
    }
  }

  const coreml::Program &program;
  const States &states;
  PackageWeights &weights;
  MLIRContext *context;
  OwningOpRef<ModuleOp> module;
  Builder b;
};
} // namespace

std::vector<std::string> unknownOps(const coreml::Program &program) {
  std::vector<std::string> unknown;
  for (const coreml::Function &function : program.functions)
    collectUnknown(function, function.body, unknown);
  return unknown;
}

Result<OwningOpRef<ModuleOp>> importProgram(const coreml::Program &program, StringRef name, StringRef identity,
                                            PackageWeights &weights, MLIRContext *context) {
  context->loadDialect<arith::ArithDialect, func::FuncDialect, kv::KvDialect, linalg::LinalgDialect, lm::LmDialect,
                       math::MathDialect, scf::SCFDialect, tensor::TensorDialect>();
  Result<States> states = statesOf(program);
  if (!states)
    return Failure{states.message()};
  return ProgramImport(program, *states, weights, context).run(name, identity);
}

} // namespace kvasir::mil
