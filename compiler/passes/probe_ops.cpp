// SPDX-License-Identifier: MIT
#include "compiler/passes/extents.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/probes.h"
#include "plugins/member_name.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace kvasir;

/// "blk.{layer}.attn_q" for the weight "blk.{}.attn_q.weight".
static std::string placeOf(lm::SelectOp select) {
  auto weight = SymbolTable::lookupNearestSymbolFrom<lm::WeightOp>(select, select.getSymbolAttr());
  StringRef source = weight ? weight.getSource() : select.getSymbol();
  source.consume_back(".weight");
  return withoutNumbers(std::string_view(source), "{layer}");
}

std::string kvasir::placeOf(Operation *op) {
  std::string name;
  op->getLoc()->walk([&](Location location) {
    auto named = dyn_cast<NameLoc>(location);
    if (!named)
      return WalkResult::advance();
    name = named.getName().str();
    return WalkResult::interrupt();
  });
  for (Value operand : op->getOperands())
    if (auto select = operand.getDefiningOp<lm::SelectOp>(); select && name.empty())
      name = ::placeOf(select);
  return name.empty() ? op->getName().stripDialect().str() : name;
}

namespace {
constexpr StringLiteral kPrefix = "probe.";

constexpr StringLiteral kLayer = ".{layer}";

/// One op as a function of its own.
class Probe {
public:
  Probe(ModuleOp module, Operation *op) : module(module), op(op), builder(op->getLoc(), op->getContext()) {}

  /// Whether all that the op takes can be an input, or comes from the call.
  bool isPossible() const {
    return llvm::all_of(op->getOperands(), [&](Value operand) {
      if (auto type = dyn_cast<RankedTensorType>(operand.getType()))
        return !isInput(operand) || (isRows(type) && !isRowNumbers(operand));
      return operand.getDefiningOp<lm::SelectOp>() != nullptr;
    });
  }

  void write(StringRef name) {
    collectInputs();
    builder.setInsertionPointToEnd(module.getBody());
    auto function = builder.create<func::FuncOp>(name, builder.getFunctionType(types, op->getResultTypes()));
    function->setAttr(kProbeAttr, builder.getUnitAttr());
    function.setAllArgAttrs(attributes);
    for (unsigned i = 0; i < op->getNumResults(); ++i)
      function.setResultAttrs(i, describeResult(i));
    Block *body = function.addEntryBlock();
    builder.setInsertionPointToStart(body);
    builder.create<func::ReturnOp>(copyOp(body)->getResults());
  }

private:
  /// The rows that a call wants are the call's in a probe too: others could lie outside.
  static bool isInput(Value operand) { return !operand.getDefiningOp<kv::WantedOp>(); }

  /// Whether `operand` says which rows of another are read.
  bool isRowNumbers(Value operand) const {
    auto take = dyn_cast<lm::TakeOp>(op);
    return take && operand == take.getRows();
  }

  /// Whether no extent but the first is one of the call's.
  static bool isRows(RankedTensorType type) {
    return type.getRank() && llvm::none_of(type.getShape().drop_front(), ShapedType::isDynamic);
  }

  void addInput(Type type, StringRef name, int64_t limit) {
    NamedAttrList list;
    list.set("kv.name", builder.getStringAttr(name));
    if (limit)
      list.set(kLimitAttr, builder.getI64IntegerAttr(limit));
    types.push_back(type);
    attributes.push_back(list.getDictionary(op->getContext()));
  }

  void collectInputs() {
    for (auto [i, operand] : llvm::enumerate(op->getOperands()))
      if (isa<RankedTensorType>(operand.getType()) && isInput(operand)) {
        auto embedding = dyn_cast<lm::EmbeddingOp>(op);
        addInput(operand.getType(), cast<lm::Decomposes>(op).operandName(i),
                 embedding ? embedding.getWeight().getType().getNumRows() : 0);
      }
    if (int64_t layers = numLayers())
      addInput(RankedTensorType::get({1}, builder.getI32Type()), "layer", layers);
    types.push_back(kv::BatchType::get(op->getContext()));
    attributes.push_back(builder.getDictionaryAttr({}));
  }

  int64_t familyOf(lm::SelectOp select) const {
    return ModuleOp(module).lookupSymbol<lm::WeightOp>(select.getSymbol()).getFamily();
  }

  /// Layers that each weight of the op has; 0 where none is of a layer.
  int64_t numLayers() const {
    int64_t least = 0;
    for (Value operand : op->getOperands()) {
      auto select = operand.getDefiningOp<lm::SelectOp>();
      if (!select || !select.getLayer())
        continue;
      int64_t family = familyOf(select);
      least = least ? std::min(least, family) : family;
    }
    return least;
  }

  DictionaryAttr describeResult(unsigned number) {
    NamedAttrList list;
    list.set("kv.name", builder.getStringAttr(number == 0 ? "result" : "result" + std::to_string(number)));
    if (llvm::all_of(op->getOperands(), isInput))
      list.set(kExtentsAttr, builder.getStringAttr("T"));
    return list.getDictionary(op->getContext());
  }

  Operation *copyOp(Block *body) {
    IRMapping mapping;
    Value batch = body->getArguments().back(), layer;
    unsigned numUsed = 0;
    if (numLayers()) {
      Value zero = builder.create<arith::ConstantIndexOp>(0);
      Value number = builder.create<tensor::ExtractOp>(*std::prev(body->args_end(), 2), zero);
      layer = builder.create<arith::IndexCastOp>(builder.getIndexType(), number);
    }
    Operation *copy = op->clone();
    for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
      Operation *source = operand.getDefiningOp();
      if (auto select = operand.getDefiningOp<lm::SelectOp>(); select && select.getLayer())
        mapping.map(select.getLayer(), layer);
      else if (auto wanted = operand.getDefiningOp<kv::WantedOp>())
        mapping.map(wanted.getBatch(), batch);
      bool isCopied = isa<lm::WeightType>(operand.getType()) || !isInput(operand);
      Value given = isCopied ? Value(builder.clone(*source, mapping)->getResult(0)) : body->getArgument(numUsed++);
      copy->setOperand(i, given);
    }
    builder.insert(copy);
    return copy;
  }

  ModuleOp module;
  Operation *op;
  ImplicitLocOpBuilder builder;
  SmallVector<Type> types;
  SmallVector<Attribute> attributes;
};

/// Adds a function for each op of lm in the schema's first entry, so that it can be run alone and compared.
///
///     func @forward(…) { … %y = lm.linear %x, (lm.select @attn_q[%layer]) loc("blk.{layer}.attn_q") … }
///  => func @forward(…) { … }
///     func @probe.blk.attn_q(%input: tensor<?x64xf32>, %layer: tensor<1xi32> {kv.limit = 30}, %batch: !kv.batch)
///         -> tensor<?x64xf32> attributes {kv.probe}
///
/// A probe takes the tensors that the op takes, each with T rows, and the layer where its weights are of one; it holds
/// no slot. Wanted rows remain the call's, and what is made of them has W rows. Named after the op's location; the op's
/// own name follows where another op has that. Ops that differ in nothing but their inputs and layer share one. Leaves
/// out ops of kv, which have state, and those that take something else.
struct ProbeOps : PassWrapper<ProbeOps, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ProbeOps)
  StringRef getArgument() const override { return "probe-ops"; }
  StringRef getDescription() const override { return "make each op a function of its own, too"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, kv::KvDialect, tensor::TensorDialect>();
  }
  void runOnOperation() override {
    llvm::StringSet<> written;
    for (auto &[op, name] : probesOf(getOperation()))
      if (written.insert(name).second)
        Probe(getOperation(), op).write(name);
  }
};

/// Names that no function has yet.
class Names {
public:
  explicit Names(ModuleOp module) : module(module) {}

  std::string of(Operation *op) {
    std::string place = kPrefix.str() + placeOf(op);
    if (size_t at = place.find(kLayer); at != std::string::npos)
      place.erase(at, kLayer.size());
    std::string name = place;
    if (isTaken(name))
      name = place = place + "." + op->getName().stripDialect().str();
    for (unsigned number = 1; isTaken(name); ++number)
      name = place + "." + std::to_string(number);
    given.insert(name);
    return name;
  }

private:
  bool isTaken(StringRef name) { return given.contains(name) || module.lookupSymbol(name); }

  ModuleOp module;
  llvm::StringSet<> given;
};
} // namespace

/// What a probe of the op is made from, but for the layer: equal for ops that can have one probe.
static std::string textOf(Operation *op) {
  std::string text;
  llvm::raw_string_ostream out(text);
  out << placeOf(op) << op->getName() << op->getAttrDictionary();
  for (Value operand : op->getOperands()) {
    out << operand.getType();
    if (auto select = operand.getDefiningOp<lm::SelectOp>())
      out << select.getSymbol() << bool(select.getLayer());
    else if (operand.getDefiningOp<kv::WantedOp>())
      out << "wanted";
  }
  return text;
}

llvm::MapVector<Operation *, std::string> kvasir::probesOf(ModuleOp module) {
  llvm::MapVector<Operation *, std::string> probes;
  Names names(module);
  llvm::StringMap<std::string> shared;
  for (auto schema : module.getOps<kv::SchemaOp>())
    if (!schema.getEntries().empty())
      if (auto entry = module.lookupSymbol<func::FuncOp>(cast<FlatSymbolRefAttr>(schema.getEntries()[0])))
        entry.walk([&](lm::Decomposes op) {
          if (!Probe(module, op).isPossible())
            return;
          std::string &name = shared[textOf(op)];
          if (name.empty())
            name = names.of(op);
          probes.insert({op, name});
        });
  return probes;
}

std::unique_ptr<Pass> kvasir::makeProbeOps() { return std::make_unique<ProbeOps>(); }
