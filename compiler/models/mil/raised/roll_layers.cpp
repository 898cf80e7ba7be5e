// SPDX-License-Identifier: MIT
#include "compiler/models/mil/raised/roll_layers.h"

#include "compiler/dialects/kv/dialect.h"
#include "compiler/models/mil/raised/repeated_layers.h"

#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/CSE.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace kvasir::mil {
namespace {

class LayerRoller {
public:
  LayerRoller(func::FuncOp function, const RepeatedLayers &layers, PackageWeights &weights)
      : module(function->getParentOfType<ModuleOp>()), function(function), layers(layers), weights(weights) {}

  void roll();

private:
  bool findFamilies();
  void declareFamilies();
  kv::LoopOp writeLoop();
  Operation *cloneOp(OpBuilder &b, Operation *op, IRMapping &mapping, kv::LoopOp loop);
  Value numberOf(OpBuilder &b, kv::LoopOp loop, int64_t first, int64_t stride) const;
  Value pick(OpBuilder &b, lm::SelectOp select, kv::LoopOp loop);
  Value take(OpBuilder &b, arith::ConstantOp constant, kv::LoopOp loop);
  Location locate(Operation *op) const;
  void replaceMembers();

  ModuleOp module;
  func::FuncOp function;
  const RepeatedLayers &layers;
  PackageWeights &weights;
  llvm::MapVector<StringAttr, SmallVector<lm::WeightOp>> members; ///< by the first layer's weight, where layers differ
  llvm::MapVector<StringAttr, std::pair<lm::WeightOp, int64_t>> memberOf;
};

/// Which weight is picked where. False if one weight is picked by several layers, or in several places: as a family it
/// would be packed more than once.
bool LayerRoller::findFamilies() {
  DenseSet<StringAttr> seen, everywhere;
  for (Operation *op : layers.ops) {
    auto select = dyn_cast<lm::SelectOp>(op);
    if (!select || members.contains(select.getSymbolAttr().getAttr()))
      continue;
    SmallVector<lm::WeightOp> picked;
    for (const auto &twins : layers.twins)
      picked.push_back(module.lookupSymbol<lm::WeightOp>(cast<lm::SelectOp>(twins.lookup(op)).getSymbol()));
    if (llvm::all_equal(picked)) {
      everywhere.insert(picked[0].getSymNameAttr());
      continue;
    }
    for (lm::WeightOp member : picked)
      if (member.getFamily() > 1 || !seen.insert(member.getSymNameAttr()).second)
        return false;
    members[select.getSymbolAttr().getAttr()] = std::move(picked);
  }
  return llvm::none_of(everywhere, [&](StringAttr name) { return seen.contains(name); });
}

void LayerRoller::declareFamilies() {
  for (auto &[first, list] : members) {
    lm::WeightOp family = weights.declareFamily(list);
    for (auto [number, member] : llvm::enumerate(list))
      memberOf[member.getSymNameAttr()] = {family, int64_t(number)};
  }
}

/// "linear 'q_cast_fp16' (op 45)" => "linear 'q_cast_fp16' of layer {layer}", for the first layer's op 45.
Location LayerRoller::locate(Operation *op) const {
  auto named = dyn_cast<NameLoc>(op->getLoc());
  if (!named)
    return op->getLoc();
  const StringRef text = named.getName().strref().rsplit(" (op ").first;
  return NameLoc::get(StringAttr::get(op->getContext(), text + " of layer {layer}"));
}

/// The number that is `first` in the first layer, and rises by `stride`.
Value LayerRoller::numberOf(OpBuilder &b, kv::LoopOp loop, int64_t first, int64_t stride) const {
  Value number = loop.getLayer();
  const auto constant = [&](int64_t value) -> Value { return b.create<arith::ConstantIndexOp>(loop.getLoc(), value); };
  if (stride != 1)
    number = b.create<arith::MulIOp>(loop.getLoc(), number, constant(stride));
  const int64_t offset = first - layers.from * stride;
  return offset == 0 ? number : b.create<arith::AddIOp>(loop.getLoc(), number, constant(offset)).getResult();
}

/// Null for a weight that all layers pick.
Value LayerRoller::pick(OpBuilder &b, lm::SelectOp select, kv::LoopOp loop) {
  const auto found = memberOf.find(select.getSymbolAttr().getAttr());
  if (found == memberOf.end())
    return {};
  lm::WeightOp family = found->second.first;
  return b.create<lm::SelectOp>(family.getLoc(), family.getType(), family.getSymName(), numberOf(b, loop, 0, 1));
}

void append(std::vector<char> &bytes, DenseElementsAttr elements) {
  const ArrayRef<char> raw = elements.getRawData();
  for (int64_t i = 0, times = elements.isSplat() ? elements.getNumElements() : 1; i < times; ++i)
    bytes.insert(bytes.end(), raw.begin(), raw.end());
}

/// This layer's elements, of those of all layers in one constant before the loop.
Value LayerRoller::take(OpBuilder &b, arith::ConstantOp constant, kv::LoopOp loop) {
  std::vector<char> bytes;
  for (const auto &twins : layers.twins)
    append(bytes, cast<DenseElementsAttr>(cast<arith::ConstantOp>(twins.lookup(constant)).getValue()));
  auto type = cast<RankedTensorType>(constant.getType());
  SmallVector<int64_t> shape{int64_t(layers.count())};
  llvm::append_range(shape, type.getShape());
  auto all = DenseElementsAttr::getFromRawBuffer(type.clone(shape), bytes);
  Value elements = OpBuilder(loop).create<arith::ConstantOp>(constant.getLoc(), all);
  SmallVector<OpFoldResult> offsets(shape.size(), b.getIndexAttr(0)), sizes, strides(shape.size(), b.getIndexAttr(1));
  offsets[0] = numberOf(b, loop, 0, 1);
  shape[0] = 1;
  for (int64_t extent : shape)
    sizes.push_back(b.getIndexAttr(extent));
  return b.create<tensor::ExtractSliceOp>(constant.getLoc(), type, elements, offsets, sizes, strides);
}

Operation *LayerRoller::cloneOp(OpBuilder &b, Operation *op, IRMapping &mapping, kv::LoopOp loop) {
  Value own;
  if (auto select = dyn_cast<lm::SelectOp>(op))
    own = pick(b, select, loop);
  else if (auto constant = dyn_cast<arith::ConstantOp>(op))
    own = take(b, constant, loop);
  if (own)
    return mapping.map(op->getResult(0), own), own.getDefiningOp();
  Operation *clone = b.clone(*op, mapping);
  OpBuilder before(clone);
  for (auto [mine, its] : llvm::zip_equal(takenBy(op), takenBy(clone)))
    if (const auto found = layers.strides.find(mine); found != layers.strides.end())
      its->set(numberOf(before, loop, *getConstantIntValue(mine->get()), found->second));
  clone->setLoc(locate(op));
  return clone;
}

/// Whether a yielded tensor comes to lie where the carried one does.
bool isInPlace(Value value, Value carried) {
  if (value == carried || !isa<RankedTensorType>(value.getType()))
    return true;
  if (auto insert = value.getDefiningOp<tensor::InsertSliceOp>())
    return isInPlace(insert.getDest(), carried);
  auto sum = value.getDefiningOp<arith::AddFOp>(); // becomes its first operand's place
  return sum && isInPlace(sum.getLhs(), carried);
}

/// A loop's buffers are those that it begins with.
Value placed(OpBuilder &b, Location loc, Value value, Value carried) {
  auto sum = value.getDefiningOp<arith::AddFOp>();
  if (sum && !isInPlace(sum, carried) && isInPlace(sum.getRhs(), carried))
    sum->setOperands({sum.getRhs(), sum.getLhs()});
  if (isInPlace(value, carried))
    return value;
  return b.create<bufferization::MaterializeInDestinationOp>(loc, value.getType(), value, carried)->getResult(0);
}

/// Behind the last op of the last layer.
kv::LoopOp LayerRoller::writeLoop() {
  Operation *last = layers.ops.front();
  for (const auto &twins : layers.twins)
    for (auto [first, other] : twins)
      last = last->isBeforeInBlock(other) ? other : last;
  OpBuilder b(function->getContext());
  b.setInsertionPointAfter(last);
  auto loop = b.create<kv::LoopOp>(NameLoc::get(b.getStringAttr("layers")), layers.from,
                                   layers.from + int64_t(layers.count()), layers.taken[0]);
  IRMapping mapping;
  mapping.map(layers.taken[0], loop.getRegionIterArgs());
  b.setInsertionPointToStart(&loop.getBody().front());
  for (Operation *op : layers.ops)
    cloneOp(b, op, mapping, loop);
  SmallVector<Value> yielded;
  for (auto [value, carried] : llvm::zip_equal(layers.taken[1], loop.getRegionIterArgs()))
    yielded.push_back(placed(b, loop.getLoc(), mapping.lookupOrDefault(value), carried));
  b.create<kv::YieldOp>(loop.getLoc(), yielded);
  return loop;
}

/// Selects that are left, of opaque forms and of other functions, pick from the families.
void LayerRoller::replaceMembers() {
  SmallVector<lm::SelectOp> selects;
  module.walk([&](lm::SelectOp select) { selects.push_back(select); });
  for (lm::SelectOp select : selects) {
    const auto found = memberOf.find(select.getSymbolAttr().getAttr());
    if (found == memberOf.end())
      continue;
    OpBuilder b(select);
    auto [family, number] = found->second;
    Value layer = b.create<arith::ConstantIndexOp>(select.getLoc(), number);
    Value picked = b.create<lm::SelectOp>(select.getLoc(), family.getType(), family.getSymName(), layer);
    select.replaceAllUsesWith(picked);
    select.erase();
  }
  for (auto &[name, member] : memberOf)
    module.lookupSymbol(name)->erase();
}

void LayerRoller::roll() {
  if (!findFamilies())
    return;
  declareFamilies();
  kv::LoopOp loop = writeLoop();
  for (auto [value, result] : llvm::zip_equal(layers.handedOn, loop.getResults()))
    Value(value).replaceAllUsesWith(result);
  SmallVector<Operation *> rolled;
  for (const auto &twins : layers.twins)
    for (auto [first, other] : twins)
      rolled.push_back(other);
  llvm::sort(rolled, [](Operation *a, Operation *b) { return b->isBeforeInBlock(a); });
  for (Operation *op : rolled)
    op->erase();
  sortTopologically(&function.front());
  replaceMembers();
}

/// What depends on the same is one, so that layers that use it use the same: constants first, wherever they stand.
void share(func::FuncOp function) {
  Block &entry = function.front();
  SmallVector<arith::ConstantOp> constants;
  function.walk([&](arith::ConstantOp constant) { constants.push_back(constant); });
  for (arith::ConstantOp constant : llvm::reverse(constants))
    constant->moveBefore(&entry, entry.begin());
  IRRewriter rewriter(function->getContext());
  DominanceInfo dominance(function);
  eliminateCommonSubExpressions(rewriter, dominance, function);
}

/// Offsets that are numbers of an op as operands of it, which may be a layer's number.
template <typename Slice> void spreadOffsets(Slice slice) {
  OpBuilder b(slice);
  SmallVector<Value> offsets;
  for (OpFoldResult offset : slice.getMixedOffsets())
    offsets.push_back(getValueOrCreateConstantIndexOp(b, slice.getLoc(), offset));
  slice.getOffsetsMutable().assign(offsets);
  slice.setStaticOffsets(SmallVector<int64_t>(offsets.size(), ShapedType::kDynamic));
}
} // namespace

void rollLayers(func::FuncOp function, ArrayRef<Operation *> attentions, PackageWeights &weights) {
  if (attentions.size() < 2)
    return;
  for (Operation &op : llvm::make_early_inc_range(function.front())) {
    if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op))
      spreadOffsets(slice);
    else if (auto insert = dyn_cast<tensor::InsertSliceOp>(op))
      spreadOffsets(insert);
  }
  share(function);
  DenseSet<Operation *> left;
  for (Operation &op : function.front())
    left.insert(&op);
  if (!llvm::all_of(attentions, [&](Operation *op) { return left.contains(op); })) // two that are the same became one
    return;
  if (const std::optional<RepeatedLayers> layers = findRepeatedLayers(attentions))
    LayerRoller(function, *layers, weights).roll();
}

} // namespace kvasir::mil
