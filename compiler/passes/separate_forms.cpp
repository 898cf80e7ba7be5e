// SPDX-License-Identifier: MIT
#include "compiler/passes/passes.h"
#include "plugins/member_name.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace kvasir;

namespace {
constexpr size_t kMostKinds = 4; // copies of one group: beyond that code costs more than the bytes of a joined form

/// A weight whose layers differ, and one weight for each of their types.
struct MixedWeight {
  lm::WeightOp op;
  SmallVector<int64_t> formOf, rankOf; ///< of each layer: its type's number, and how many before it are of that type
  SmallVector<std::vector<uint64_t>> layersOf; ///< of each type
  SmallVector<lm::WeightOp> families = {};     ///< of each type
};

/// A group that selects mixed weights, or an op in none that uses them: what there will be one of for each kind of
/// layer, which is the types of its weights there.
struct Unit {
  Operation *op;
  SmallVector<lm::SelectOp> selects = {};
  SmallVector<SmallVector<int64_t>> kinds = {}; ///< each the numbers of the selects' types
  SmallVector<int64_t> kindOf = {};             ///< of each layer; 0 where the unit never runs
};

MixedWeight readMixed(lm::WeightOp op) {
  MixedWeight mixed{op, {}, {}, {}};
  SetVector<Attribute> types;
  for (auto [layer, type] : llvm::enumerate(*op.getMembers())) {
    types.insert(type);
    int64_t form = llvm::find(types, type) - types.begin();
    mixed.layersOf.resize(types.size());
    mixed.formOf.push_back(form);
    mixed.rankOf.push_back(int64_t(mixed.layersOf[form].size()));
    mixed.layersOf[form].push_back(layer);
  }
  return mixed;
}

struct Layers {
  int64_t from, to;
};

/// The layers that an index may be, of a family.
Layers layersOf(Value index, int64_t family) {
  if (std::optional<int64_t> known = getConstantIntValue(index))
    return {*known, *known + 1};
  auto argument = dyn_cast<BlockArgument>(index);
  auto loop = argument ? dyn_cast<kv::LoopOp>(argument.getOwner()->getParentOp()) : kv::LoopOp();
  return loop && loop.getLayer() == index ? Layers{int64_t(loop.getFrom()), int64_t(loop.getTo())} : Layers{0, family};
}

class FormSeparation {
public:
  explicit FormSeparation(ModuleOp module) : module(module) {}

  void run() {
    for (lm::WeightOp weight : module.getOps<lm::WeightOp>())
      if (weight.getMembers() && weight.getFamily() > 1)
        mixed.insert({weight.getSymNameAttr(), readMixed(weight)});
    if (mixed.empty())
      return;
    leaveUnplacedMakers();
    while (!findUnits())
      ;
    for (auto &[symbol, weight] : mixed)
      makeFamilies(weight);
    for (auto &[op, unit] : units)
      separate(unit);
    nameMakers();
    eraseMixed();
  }

private:
  static ArrayRef<Attribute> makersOf(kv::CacheOp cache) {
    return cache.getBy() ? cache.getBy()->getValue() : ArrayRef<Attribute>();
  }

  MixedWeight &weightOf(lm::SelectOp select) { return mixed.find(select.getSymbolAttr().getAttr())->second; }

  bool isMixed(lm::SelectOp select) { return mixed.contains(select.getSymbolAttr().getAttr()); }

  /// Rows of a cache are made by one type's weight in each layer; which one is known where layers are the weight's.
  void leaveUnplacedMakers() {
    module.walk([&](kv::CacheOp cache) {
      for (Attribute maker : makersOf(cache)) {
        auto *found = mixed.find(cast<FlatSymbolRefAttr>(maker).getAttr());
        if (found != mixed.end() && found->second.formOf.size() != cache.getLayers())
          mixed.erase(found);
      }
    });
  }

  /// False if a unit needs a weight to stay as it is, which is mixed no more.
  bool findUnits() {
    units.clear();
    module.walk([&](lm::SelectOp select) {
      for (Operation *user : select->getUsers()) {
        Operation *group = user->getParentOfType<kv::GroupOp>(), *op = group ? group : user;
        if (isMixed(select) && !llvm::is_contained(units.insert({op, {op}}).first->second.selects, select))
          units[op].selects.push_back(select);
      }
    });
    for (auto &[op, unit] : units)
      if (!findKinds(unit)) {
        for (lm::SelectOp select : unit.selects)
          mixed.erase(select.getSymbolAttr().getAttr());
        return false;
      }
    return true;
  }

  /// False if the unit can't be separated: it tells too many kinds apart, or its weights are not of one layer.
  bool findKinds(Unit &unit) {
    Value layer = unit.selects.front().getLayer();
    const int64_t numLayers = int64_t(weightOf(unit.selects.front()).formOf.size());
    const Layers layers = layersOf(layer, numLayers);
    for (lm::SelectOp select : unit.selects)
      if (select.getLayer() != layer || int64_t(weightOf(select).formOf.size()) != numLayers)
        return false;
    if (layers.from < 0 || layers.to > numLayers || unit.op->hasTrait<OpTrait::IsTerminator>())
      return false;
    unit.kindOf.assign(numLayers, 0);
    for (int64_t i = layers.from; i < layers.to; ++i) {
      SmallVector<int64_t> kind;
      for (lm::SelectOp select : unit.selects)
        kind.push_back(weightOf(select).formOf[i]);
      unit.kindOf[i] = llvm::find(unit.kinds, kind) - unit.kinds.begin();
      if (unit.kindOf[i] == int64_t(unit.kinds.size()))
        unit.kinds.push_back(kind);
    }
    return unit.kinds.size() <= kMostKinds;
  }

  void makeFamilies(MixedWeight &weight) {
    lm::WeightOp op = weight.op;
    OpBuilder builder(op);
    for (auto [form, layers] : llvm::enumerate(weight.layersOf)) {
      auto type = cast<lm::WeightType>(cast<TypeAttr>((*op.getMembers())[layers.front()]).getValue());
      std::string symbol = (op.getSymName() + "." + Twine(form)).str();
      while (module.lookupSymbol(symbol))
        symbol += "_";
      weight.families.push_back(builder.create<lm::WeightOp>(op.getLoc(), symbol, int64_t(layers.size()),
                                                             patternOfMembers(std::string_view(op.getSource()), layers),
                                                             type));
    }
  }

  /// What a table has at the layer's place: a number, where the layer is one.
  static Value lookUp(ImplicitLocOpBuilder &builder, ArrayRef<int64_t> table, Value layer) {
    if (std::optional<int64_t> known = getConstantIntValue(layer))
      return builder.create<arith::ConstantIndexOp>(table[*known]);
    auto type = RankedTensorType::get({int64_t(table.size())}, builder.getIndexType());
    Value numbers = builder.create<arith::ConstantOp>(type, DenseIntElementsAttr::get(type, table));
    return builder.create<tensor::ExtractOp>(numbers, layer);
  }

  void separate(Unit &unit) {
    ImplicitLocOpBuilder builder(unit.op->getLoc(), unit.op);
    SmallVector<Value> ranks;
    for (lm::SelectOp select : unit.selects)
      ranks.push_back(lookUp(builder, weightOf(select).rankOf, select.getLayer()));
    Value kind = unit.kinds.size() > 1 ? lookUp(builder, unit.kindOf, unit.selects.front().getLayer()) : Value();
    unit.op->replaceAllUsesWith(emitKinds(builder, unit, ranks, kind, 0));
    unit.op->erase();
  }

  /// The kinds from `number` on, each behind its condition.
  ValueRange emitKinds(ImplicitLocOpBuilder &builder, Unit &unit, ArrayRef<Value> ranks, Value kind, size_t number) {
    if (number + 1 == unit.kinds.size())
      return emitKind(builder, unit, ranks, unit.kinds[number])->getResults();
    Value here = builder.create<arith::ConstantIndexOp>(int64_t(number));
    Value isHere = builder.create<arith::CmpIOp>(arith::CmpIPredicate::eq, kind, here);
    const bool yields = unit.op->getNumResults() != 0;
    auto branch = builder.create<scf::IfOp>(unit.op->getResultTypes(), isHere, /*addThenBlock=*/true,
                                            /*addElseBlock=*/true);
    for (Block *block : {branch.thenBlock(), branch.elseBlock()}) {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToStart(block);
      ValueRange values = block == branch.thenBlock() ? emitKind(builder, unit, ranks, unit.kinds[number])->getResults()
                                                      : emitKinds(builder, unit, ranks, kind, number + 1);
      if (yields)
        builder.create<scf::YieldOp>(values);
    }
    return branch.getResults();
  }

  /// The unit, with the weights of one kind.
  Operation *emitKind(ImplicitLocOpBuilder &builder, Unit &unit, ArrayRef<Value> ranks, ArrayRef<int64_t> kind) {
    IRMapping mapping;
    Operation *copy = builder.clone(*unit.op, mapping);
    for (auto [select, rank, form] : llvm::zip_equal(unit.selects, ranks, kind)) {
      lm::WeightOp family = weightOf(select).families[form];
      const bool isInside = unit.op->isAncestor(select);
      Value old = mapping.lookupOrDefault(select.getResult());
      OpBuilder at(isInside ? old.getDefiningOp() : copy);
      Value made = at.create<lm::SelectOp>(select.getLoc(), family.getType(), family.getSymName(),
                                           family.getFamily() > 1 ? rank : Value());
      old.replaceUsesWithIf(made, [&](OpOperand &use) { return copy->isAncestor(use.getOwner()); });
      if (isInside)
        old.getDefiningOp()->erase();
    }
    return copy;
  }

  /// The schema says of each layer which weight makes its rows.
  void nameMakers() {
    module.walk([&](kv::CacheOp cache) {
      ArrayRef<Attribute> by = makersOf(cache);
      auto isMixed = [&](Attribute maker) { return mixed.contains(cast<FlatSymbolRefAttr>(maker).getAttr()); };
      if (llvm::none_of(by, isMixed))
        return;
      SmallVector<Attribute> makers;
      for (uint64_t layer = 0; layer < cache.getLayers(); ++layer) {
        auto maker = cast<FlatSymbolRefAttr>(by[by.size() == 1 ? 0 : layer]);
        if (auto *found = mixed.find(maker.getAttr()); found != mixed.end())
          maker = FlatSymbolRefAttr::get(found->second.families[found->second.formOf[layer]]);
        makers.push_back(maker);
      }
      cache.setByAttr(ArrayAttr::get(module.getContext(), makers));
    });
  }

  void eraseMixed() {
    module.walk([&](lm::SelectOp select) {
      if (isMixed(select))
        select.erase();
    });
    for (auto &[symbol, weight] : mixed)
      weight.op.erase();
  }

  ModuleOp module;
  llvm::MapVector<StringAttr, MixedWeight> mixed;
  llvm::MapVector<Operation *, Unit> units;
};

/// Lets each layer of a weight keep the type that it has in the file.
///
///     lm.weight @down family(3) members([A, B, A]) source("blk.{}.down") : J
///     %y = kv.group { … lm.select @down[%layer] : J … }
///  => lm.weight @down.0 family(2) source("blk.{0,2}.down") : A
///     lm.weight @down.1 source("blk.{1}.down") : B
///     %rank = tensor.extract dense<[0, 0, 1]>[%layer]
///     %kind = tensor.extract dense<[0, 1, 0]>[%layer]
///     %y = scf.if %kind == 0 { kv.group { … lm.select @down.0[%rank] : A … } }
///          else { kv.group { … lm.select @down.1 : B … } }
///
/// What a group is stays together, and what selects no such weight is there once. A layer that is a number has no
/// branch. Tables are constants, so verify-state knows which branch each layer takes, and a cache's `by` says which
/// weight makes its rows in which layer. A weight keeps the type J that holds all of its layers where that would be
/// copied for more than four kinds of layers, and where its layers can't be told.
struct SeparateForms : PassWrapper<SeparateForms, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SeparateForms)
  StringRef getArgument() const override { return "separate-forms"; }
  StringRef getDescription() const override {
    return "let each layer of a weight keep the type that it has in the file";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, lm::LmDialect, scf::SCFDialect, tensor::TensorDialect>();
  }
  void runOnOperation() override { FormSeparation(getOperation()).run(); }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeSeparateForms() { return std::make_unique<SeparateForms>(); }
