// SPDX-License-Identifier: MIT
#include "compiler/models/mil/raised/raise.h"

#include "compiler/dialects/kv/dialect.h"
#include "compiler/dialects/kv/verify_state.h"
#include "compiler/models/mil/raised/raised_function.h"
#include "compiler/models/mil/raised/roll_layers.h"

#include "mlir/IR/Verifier.h"

using namespace mlir;

namespace kvasir::mil {
namespace {

/// What -1e4 and less is added to has no part in a softmax, whatever its scores are.
constexpr int64_t kHidden = -10000;

class Raising {
public:
  Raising(ModuleOp module, const coreml::Program &program, const std::deque<FunctionImport> &opaque)
      : module(module), program(program), opaque(opaque), b(module.getContext()) {
    for (const FunctionImport &function : opaque)
      plans.push_back(planFunction(KnownNumbers(function)));
  }

  std::vector<coreml::StateForm> run();

private:
  void keepOneSet();
  StateTypes keptRegisters() const;
  coreml::TensorType typeOf(StringRef state) const;
  Status raise(size_t index, const StateTypes &registers);
  void declare(kv::SchemaOp schema);
  void rollAll();
  DictionaryAttr describe(const coreml::Function &function, const PlannedBind &bind);
  void undo(kv::SchemaOp schema);
  std::vector<coreml::StateForm> forms() const;
  static void drop(FunctionPlan &plan, const std::string &reason);

  ModuleOp module;
  const coreml::Program &program;
  const std::deque<FunctionImport> &opaque;
  OpBuilder b;
  std::vector<FunctionPlan> plans;
  std::vector<PlannedCache> caches;
  std::string owner; ///< the function whose caches they are
};

/// What is not proved of the raised forms, in one line; empty if nothing is.
std::string refusalOf(ModuleOp module) {
  std::string refusal;
  ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic &diagnostic) {
    if (refusal.empty())
      refusal = diagnostic.str();
    return success();
  });
  const bool isProved = succeeded(verify(module)) && succeeded(kv::verifyState(module));
  return isProved ? "" : refusal.empty() ? "it is not proved" : refusal;
}

void Raising::drop(FunctionPlan &plan, const std::string &reason) {
  for (const PlannedCache &cache : plan.caches)
    plan.reasons.try_emplace(cache.state, reason);
  plan.caches.clear();
}

/// The caches of the first function that is raised are everybody's.
void Raising::keepOneSet() {
  for (auto [plan, function] : llvm::zip_equal(plans, program.functions)) {
    if (!plan.isRaised())
      continue;
    if (caches.empty()) {
      caches = plan.caches;
      owner = function.name;
    } else if (plan.caches != caches) {
      drop(plan, "function '" + owner + "' keeps other rows, or in other places");
    }
  }
}

/// The states that have no cache.
StateTypes Raising::keptRegisters() const {
  StateTypes registers;
  for (auto schema : ModuleOp(module).getOps<kv::SchemaOp>())
    for (auto reg : schema.getBody().front().getOps<kv::RegisterOp>())
      if (llvm::none_of(caches, [&](const PlannedCache &cache) { return cache.state == reg.getSymName(); }))
        registers.emplace_back(reg.getSymName().str(), typeOf(reg.getSymName()));
  return registers;
}

/// All functions agree on it.
coreml::TensorType Raising::typeOf(StringRef state) const {
  for (const coreml::Function &function : program.functions)
    for (coreml::ValueId input : function.inputs)
      if (const coreml::Value &value = function.values[input];
          value.type.kind == coreml::TypeKind::state && value.name == state)
        return value.type.tensor;
  return {};
}

void Raising::declare(kv::SchemaOp schema) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(&schema.getBody().front());
  for (const PlannedCache &planned : caches) {
    auto cache = b.create<kv::CacheOp>(schema.getLoc(), planned.name, planned.layers, planned.heads, planned.width);
    cache.setRoundsAttr(TypeAttr::get(elementType(b.getContext(), planned.element)));
    cache.setOrigin(planned.state);
    cache.setOriginAxesAttr(b.getStrArrayAttr(SmallVector<StringRef>(planned.axes.begin(), planned.axes.end())));
    cache.setOriginRows(planned.capacity);
    if (!planned.keys.empty())
      cache.setValues(planned.keys);
  }
}

DictionaryAttr Raising::describe(const coreml::Function &function, const PlannedBind &bind) {
  static constexpr StringRef kNames[] = {"count", "start", "length", "causal"};
  SmallVector<NamedAttribute> facts{b.getNamedAttr("input", b.getStringAttr(function.nameOf(bind.input))),
                                    b.getNamedAttr("is", b.getStringAttr(kNames[size_t(bind.is)]))};
  if (bind.dim)
    facts.push_back(b.getNamedAttr("dim", b.getI64IntegerAttr(*bind.dim)));
  if (bind.is == PlannedBind::Is::causal)
    facts.push_back(b.getNamedAttr("hidden", b.getI64IntegerAttr(kHidden)));
  return b.getDictionaryAttr(facts);
}

Status Raising::raise(size_t index, const StateTypes &registers) {
  const FunctionPlan &plan = plans[index];
  const coreml::Function &function = program.functions[index];
  std::vector<std::string> slots;
  for (const auto &[name, type] : registers)
    slots.push_back(name);
  for (const PlannedCache &cache : plan.caches)
    slots.push_back(cache.name);
  b.setInsertionPointToEnd(module.getBody());
  func::FuncOp opaqueForm = opaque[index].target;
  auto target = b.create<func::FuncOp>(opaqueForm.getLoc(), function.name + ".raised",
                                       b.getFunctionType(argumentTypes(b.getContext(), function, slots), {}));
  target.addEntryBlock();
  const unsigned batch = target.getNumArguments() - 1;
  target.setArgAttr(batch, "kv.sequences", b.getI64IntegerAttr(1));
  if (plan.count.isConstant())
    target.setArgAttr(batch, "kv.tokens", b.getI64IntegerAttr(plan.count.constant));
  if (Status status = buildRaisedFunction(program, opaque[index], plan, registers, target); !status) {
    target.erase();
    return status;
  }
  SmallVector<Attribute> binds;
  for (const PlannedBind &bind : plan.binds)
    binds.push_back(describe(function, bind));
  opaqueForm->setAttr("kv.raised", FlatSymbolRefAttr::get(target));
  opaqueForm->setAttr("kv.binds", b.getArrayAttr(binds));
  return Done{};
}

/// The ops that make what the planned attentions do, in the order of the package.
SmallVector<Operation *> attentionsOf(const FunctionImport &import, const FunctionPlan &plan) {
  SmallVector<Operation *> makers;
  for (const coreml::Operation &operation : import.source.body.operations) {
    const Tensor *made = plan.attends.contains(&operation) ? import.lookup(operation.outputs.front()) : nullptr;
    if (Operation *maker = made && made->value ? made->value.getDefiningOp() : nullptr)
      makers.push_back(maker);
  }
  return makers;
}

/// Both forms of a function that has two. From here on what was imported of the opaque forms is another.
void Raising::rollAll() {
  for (auto [plan, function] : llvm::zip_equal(plans, opaque)) {
    if (!plan.isRaised())
      continue;
    auto raised = module.lookupSymbol<func::FuncOp>(function.source.name + ".raised");
    rollLayers(raised, llvm::to_vector_of<Operation *>(raised.front().getOps<kv::AttendOp>()), function.weights);
    rollLayers(func::FuncOp(function.target), attentionsOf(function, plan), function.weights);
  }
}

std::vector<coreml::StateForm> Raising::forms() const {
  std::vector<coreml::StateForm> forms;
  for (auto [plan, function] : llvm::zip_equal(plans, program.functions))
    for (coreml::ValueId input : function.inputs)
      if (const coreml::Value &value = function.values[input]; value.type.kind == coreml::TypeKind::state) {
        const auto reason = plan.reasons.find(value.name);
        forms.push_back({function.name, value.name, reason == plan.reasons.end() ? "" : reason->second});
      }
  return forms;
}

/// The program in the opaque form alone.
void Raising::undo(kv::SchemaOp schema) {
  SmallVector<Attribute> entries;
  for (const FunctionImport &function : opaque) {
    func::FuncOp opaqueForm = function.target;
    if (auto raised = opaqueForm->getAttrOfType<FlatSymbolRefAttr>("kv.raised"))
      module.lookupSymbol(raised.getAttr())->erase();
    opaqueForm->removeAttr("kv.raised");
    opaqueForm->removeAttr("kv.binds");
    entries.push_back(FlatSymbolRefAttr::get(opaqueForm));
  }
  schema.setEntriesAttr(b.getArrayAttr(entries));
  for (auto cache : llvm::make_early_inc_range(schema.getBody().front().getOps<kv::CacheOp>()))
    cache.erase();
}

std::vector<coreml::StateForm> Raising::run() {
  keepOneSet();
  if (caches.empty())
    return forms();
  auto schema = *module.getOps<kv::SchemaOp>().begin();
  const StateTypes registers = keptRegisters();
  declare(schema);
  SmallVector<Attribute> entries(schema.getEntries().begin(), schema.getEntries().end());
  for (size_t i = 0; i < plans.size(); ++i) {
    if (!plans[i].isRaised())
      continue;
    if (Status status = raise(i, registers); !status)
      drop(plans[i], status.message());
    else
      entries.push_back(FlatSymbolRefAttr::get(b.getContext(), program.functions[i].name + ".raised"));
  }
  schema.setEntriesAttr(b.getArrayAttr(entries));
  rollAll();
  if (const std::string refusal = refusalOf(module); !refusal.empty())
    for (FunctionPlan &plan : plans)
      drop(plan, refusal);
  if (llvm::none_of(plans, [](const FunctionPlan &plan) { return plan.isRaised(); }))
    undo(schema);
  return forms();
}
} // namespace

std::vector<coreml::StateForm> opaqueForms(const coreml::Program &program, const std::string &reason) {
  std::vector<coreml::StateForm> forms;
  for (const coreml::Function &function : program.functions)
    for (coreml::ValueId input : function.inputs)
      if (function.values[input].type.kind == coreml::TypeKind::state)
        forms.push_back({function.name, function.nameOf(input), reason});
  return forms;
}

std::vector<coreml::StateForm> addRaisedForms(ModuleOp module, const coreml::Program &program,
                                              const std::deque<FunctionImport> &opaque) {
  return Raising(module, program, opaque).run();
}

} // namespace kvasir::mil
