// SPDX-License-Identifier: MIT
#include "compiler/models/mil/raised/repeated_layers.h"

#include "compiler/dialects/lm/dialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/OperationSupport.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;

namespace kvasir::mil {
namespace {

/// A layer is some dozens of ops; what is followed further is none.
constexpr unsigned kMostSteps = 4096;

/// Constant elements that can lie beside those of other layers.
bool isStackable(Operation *op) {
  auto constant = dyn_cast<arith::ConstantOp>(op);
  auto elements = constant ? dyn_cast<DenseIntOrFPElementsAttr>(constant.getValue()) : DenseIntOrFPElementsAttr();
  return elements && elements.getElementType().isIntOrFloat() &&
         elements.getElementType().getIntOrFloatBitWidth() % 8 == 0;
}

/// All but the attributes that layers may differ in: the place of a result, elements, and which weight is picked.
NamedAttrList comparable(Operation *op) {
  NamedAttrList attributes(op->getAttrDictionary());
  attributes.erase("kv.place");
  if (isStackable(op))
    attributes.erase(cast<arith::ConstantOp>(op).getValueAttrName());
  if (auto select = dyn_cast<lm::SelectOp>(op))
    attributes.erase(select.getSymbolAttrName());
  return attributes;
}

/// Whether two regions do the same with what they take from outside.
bool isAlike(Region &lhs, Region &rhs) {
  DenseMap<Value, Value> inside;
  const auto check = [&](Value left, Value right) {
    const auto known = inside.find(left);
    return success(known == inside.end() || known->second == right);
  };
  const auto mark = [&](Value left, Value right) { inside[left] = right; };
  return OperationEquivalence::isRegionEquivalentTo(&lhs, &rhs, check, mark, OperationEquivalence::IgnoreLocations);
}

/// Whether two ops do the same with what they take.
bool isAlike(Operation *lhs, Operation *rhs) {
  if (lhs->getName() != rhs->getName() || lhs->getResultTypes() != rhs->getResultTypes() ||
      lhs->getNumOperands() != rhs->getNumOperands() || lhs->getNumRegions() != rhs->getNumRegions() ||
      takenBy(lhs).size() != takenBy(rhs).size() || comparable(lhs) != comparable(rhs))
    return false;
  return llvm::all_of(llvm::zip_equal(lhs->getRegions(), rhs->getRegions()),
                      [](auto pair) { return isAlike(std::get<0>(pair), std::get<1>(pair)); });
}

class LayerFinder {
public:
  LayerFinder(ArrayRef<Operation *> all, int64_t from) : anchors(all.drop_front(from)), from(from) {
    if (from > 0)
      addMakers(all[from - 1]);
  }

  std::optional<RepeatedLayers> find();

private:
  /// What of a layer stands for the first's.
  struct Twins {
    DenseMap<Value, Value> values; ///< of results; of what the first takes of the one before, too
    DenseMap<Operation *, Operation *> ops;
  };

  enum class Boundary { sought, known };

  void addMakers(Operation *last);
  void findTaken();
  void cutWhereFewest(const Twins &twins);
  SmallVector<Value> takenBehind(Value cut, const Twins &twins) const;
  size_t matchFronts();
  size_t matchBodies(size_t numFronts);
  bool match(Twins &twins, int64_t layer, Value first, Value other);
  bool matchOps(Twins &twins, int64_t layer, Operation *first, Operation *other);
  static std::optional<int64_t> strideOf(int64_t layer, Value first, Value other);
  bool matchOuts(Twins &twins, int64_t layer, ArrayRef<Value> outs);
  bool findOuts();
  bool findOut(Value out);
  bool isClosed(size_t layer, ArrayRef<Value> outs) const;
  SmallVector<Value> takenAt(size_t layer) const;
  bool areApart(const RepeatedLayers &found) const;
  std::optional<RepeatedLayers> result(size_t count) const;

  ArrayRef<Operation *> anchors;
  const int64_t from;
  DenseSet<Operation *> earlier; ///< that the attention before the first is made of
  Boundary boundary = Boundary::sought;
  llvm::MapVector<Value, Value> taken;                   ///< by the first: what the second takes in its place
  std::vector<Twins> layers;                             ///< of the second and later ones
  DenseSet<Value> shared;                                ///< values that all layers use
  DenseMap<OpOperand *, std::optional<int64_t>> strides; ///< of operands of the first that are numbers of it
  SmallVector<Value> lastOuts;
  unsigned depth = 0; ///< of the ops that are being followed
};

/// What each layer adds to an index; nothing for what is no constant index, or the same.
std::optional<int64_t> LayerFinder::strideOf(int64_t layer, Value first, Value other) {
  APInt mine, its;
  if (first == other || !first.getType().isIndex() || !matchPattern(first, m_ConstantInt(&mine)) ||
      !matchPattern(other, m_ConstantInt(&its)))
    return std::nullopt;
  const int64_t sum = its.getSExtValue() - mine.getSExtValue();
  return sum % layer == 0 ? std::optional(sum / layer) : std::nullopt;
}

void LayerFinder::addMakers(Operation *last) {
  SmallVector<Operation *> open{last};
  while (!open.empty()) {
    Operation *op = open.pop_back_val();
    if (!op || op->getBlock() != last->getBlock() || !earlier.insert(op).second)
      continue;
    for (OpOperand *operand : takenBy(op))
      open.push_back(operand->get().getDefiningOp());
  }
}

/// Follows what two values are made of, until both are the same, or what the layer before hands on.
bool LayerFinder::match(Twins &twins, int64_t layer, Value first, Value other) {
  if (const auto known = twins.values.find(first); known != twins.values.end())
    return known->second == other;
  const bool isTaken = taken.contains(first);
  if (first == other && !isTaken)
    return shared.insert(first), true;
  Operation *mine = first.getDefiningOp(), *its = other.getDefiningOp();
  const bool isOwn = !isTaken && mine && !earlier.contains(mine) && its && !shared.contains(first) &&
                     mine->getBlock() == anchors[0]->getBlock() && its->getBlock() == mine->getBlock() &&
                     (!mine->hasTrait<OpTrait::ConstantLike>() || isStackable(mine)) &&
                     cast<OpResult>(first).getResultNumber() == cast<OpResult>(other).getResultNumber() &&
                     isAlike(mine, its);
  if (isOwn)
    return matchOps(twins, layer, mine, its);
  if (boundary == Boundary::sought)
    taken.insert({first, other});
  else if (!taken.contains(first) || first.getType() != other.getType())
    return false;
  twins.values[first] = other;
  return true;
}

bool LayerFinder::matchOps(Twins &twins, int64_t layer, Operation *first, Operation *other) {
  const auto [known, isNew] = twins.ops.insert({first, other});
  if (!isNew)
    return known->second == other;
  for (auto [result, twin] : llvm::zip_equal(first->getResults(), other->getResults()))
    twins.values[result] = twin;
  const llvm::SaveAndRestore restore(depth, depth + 1);
  if (depth > kMostSteps)
    return false;
  for (auto [mine, its] : llvm::zip_equal(takenBy(first), takenBy(other))) {
    const std::optional<int64_t> stride = strideOf(layer, mine->get(), its->get());
    if (strides.try_emplace(mine, stride).first->second != stride ||
        (!stride && !match(twins, layer, mine->get(), its->get())))
      return false;
  }
  return true;
}

/// What the first attention is made of that comes of the layer before, where `cut` does, too.
SmallVector<Value> LayerFinder::takenBehind(Value cut, const Twins &twins) const {
  SmallVector<Value> found;
  SmallVector<Operation *> open{anchors[0]};
  DenseSet<Value> seen;
  while (!open.empty()) {
    for (OpOperand *operand : takenBy(open.pop_back_val())) {
      Value value = operand->get();
      if (!seen.insert(value).second)
        continue;
      if (value == cut || taken.contains(value))
        found.push_back(value);
      else if (twins.ops.contains(value.getDefiningOp()))
        open.push_back(value.getDefiningOp());
    }
  }
  return found;
}

/// Ends of two layers may be alike, too: a layer begins where it takes the fewest values of the one before, as early as
/// that is so.
void LayerFinder::cutWhereFewest(const Twins &twins) {
  SmallVector<Operation *> ops;
  for (auto [first, second] : twins.ops)
    ops.push_back(first);
  llvm::sort(ops, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  SmallVector<Value> fewest(llvm::make_first_range(taken));
  for (Operation *op : ops)
    if (SmallVector<Value> found = takenBehind(op->getResult(0), twins); found.size() < fewest.size() && !found.empty())
      fewest = std::move(found);
  llvm::MapVector<Value, Value> cut;
  for (Value value : fewest)
    cut.insert({value, twins.values.lookup(value)});
  taken = std::move(cut);
}

/// What the first two attentions are made of is alike up to what the layers before them hand on.
void LayerFinder::findTaken() {
  Twins twins;
  boundary = Boundary::sought;
  if (isAlike(anchors[0], anchors[1]) && matchOps(twins, 1, anchors[0], anchors[1]))
    cutWhereFewest(twins);
  else
    taken.clear();
  boundary = Boundary::known;
  strides.clear();
  shared.clear();
}

/// How many layers make their attention as the first does, the first among them.
size_t LayerFinder::matchFronts() {
  for (size_t layer = 1; layer < anchors.size(); ++layer) {
    Twins twins;
    if (!isAlike(anchors[0], anchors[layer]) || !matchOps(twins, int64_t(layer), anchors[0], anchors[layer]))
      break;
    if (!llvm::all_of(taken, [&](const auto &pair) { return twins.values.contains(pair.first); }))
      break;
    layers.push_back(std::move(twins));
  }
  return layers.size() + 1;
}

SmallVector<Value> LayerFinder::takenAt(size_t layer) const {
  SmallVector<Value> values;
  for (const auto &[first, second] : taken)
    values.push_back(layer == 0 ? first : layers[layer - 1].values.lookup(first));
  return values;
}

bool LayerFinder::matchOuts(Twins &twins, int64_t layer, ArrayRef<Value> outs) {
  for (auto [pair, out] : llvm::zip_equal(taken, outs))
    if (!match(twins, layer, pair.second, out))
      return false;
  return true;
}

/// What of the last layer stands for what the first hands on, `out`: nobody says, so it is sought.
bool LayerFinder::findOut(Value out) {
  const int64_t layer = int64_t(layers.size());
  if (const auto known = layers.back().values.find(out); known != layers.back().values.end())
    return lastOuts.push_back(known->second), true;
  Operation *mine = out.getDefiningOp();
  for (Operation *op = anchors[layer]; mine && op; op = op->getNextNode()) {
    Twins twins = layers.back();
    if (op->getName() != mine->getName() || !isAlike(mine, op))
      continue;
    Value other = op->getResult(cast<OpResult>(out).getResultNumber());
    const auto before = std::pair(shared, strides);
    if (match(twins, layer, out, other)) {
      layers.back() = std::move(twins);
      lastOuts.push_back(other);
      return true;
    }
    std::tie(shared, strides) = before;
  }
  return false;
}

bool LayerFinder::findOuts() {
  return llvm::all_of(taken, [&](const auto &pair) { return findOut(pair.second); });
}

/// How many layers hand on what the first does, the first among them; `lastOuts` is what the last of them hands on.
size_t LayerFinder::matchBodies(size_t numFronts) {
  for (size_t layer = 1; layer + 1 < numFronts; ++layer)
    if (!matchOuts(layers[layer - 1], int64_t(layer), takenAt(layer + 1)))
      return lastOuts = takenAt(layer), layer;
  if (findOuts())
    return numFronts;
  return lastOuts = takenAt(numFronts - 1), numFronts - 1;
}

/// Nobody outside uses what the layer computes, but for what it hands on, which the next one takes.
bool LayerFinder::isClosed(size_t layer, ArrayRef<Value> outs) const {
  const Twins &twins = layers[std::max<size_t>(layer, 1) - 1];
  DenseSet<Operation *> own, next;
  for (auto [first, other] : twins.ops)
    own.insert(layer == 0 ? first : other);
  if (layer < layers.size())
    for (auto [first, other] : layers[layer].ops)
      next.insert(other);
  const bool isLast = outs == ArrayRef(lastOuts);
  Block *block = anchors[0]->getBlock();
  return llvm::all_of(own, [&](Operation *op) {
    return llvm::all_of(op->getResults(), [&](OpResult result) {
      const bool isOut = llvm::is_contained(outs, Value(result));
      return llvm::all_of(result.getUsers(), [&](Operation *user) {
        Operation *top = block->findAncestorOpInBlock(*user);
        return own.contains(top) || (isOut && (isLast || next.contains(top)));
      });
    });
  });
}

/// Nobody's ops are another layer's, too, or make what all layers use.
bool LayerFinder::areApart(const RepeatedLayers &found) const {
  DenseSet<Operation *> seen;
  for (const auto &twins : found.twins)
    for (auto [first, other] : twins)
      if (!seen.insert(other).second)
        return false;
  return llvm::none_of(shared, [&](Value value) { return seen.contains(value.getDefiningOp()); });
}

std::optional<RepeatedLayers> LayerFinder::result(size_t count) const {
  RepeatedLayers found;
  found.from = from;
  found.handedOn = lastOuts;
  for (size_t layer = 0; layer < count; ++layer) {
    found.taken.push_back(takenAt(layer));
    found.twins.push_back(layers[std::max<size_t>(layer, 1) - 1].ops);
    if (layer == 0)
      for (auto &[first, other] : found.twins[0])
        other = first;
    if (found.twins[layer].size() != found.twins[0].size() ||
        !isClosed(layer, layer + 1 == count ? lastOuts : takenAt(layer + 1)))
      return std::nullopt;
  }
  if (!areApart(found))
    return std::nullopt;
  for (auto [op, same] : found.twins[0])
    found.ops.push_back(op);
  llvm::sort(found.ops, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  for (auto [operand, stride] : strides)
    if (stride)
      found.strides[operand] = *stride;
  return found;
}

std::optional<RepeatedLayers> LayerFinder::find() {
  if (anchors.size() < 2)
    return std::nullopt;
  findTaken();
  const size_t numFronts = taken.empty() ? 0 : matchFronts();
  if (numFronts < 2)
    return std::nullopt;
  const size_t count = matchBodies(numFronts);
  return count < 2 ? std::nullopt : result(count);
}
} // namespace

SmallVector<OpOperand *> takenBy(Operation *op) {
  SmallVector<OpOperand *> taken;
  for (OpOperand &operand : op->getOpOperands())
    taken.push_back(&operand);
  for (Region &region : op->getRegions())
    region.walk([&](Operation *inner) {
      for (OpOperand &operand : inner->getOpOperands())
        if (!region.isAncestor(operand.get().getParentRegion()))
          taken.push_back(&operand);
    });
  return taken;
}

std::optional<RepeatedLayers> findRepeatedLayers(ArrayRef<Operation *> anchors) {
  for (int64_t from = 0; from < 2; ++from)
    if (int64_t(anchors.size()) >= from + 2)
      if (std::optional<RepeatedLayers> found = LayerFinder(anchors, from).find())
        return found;
  return std::nullopt;
}

} // namespace kvasir::mil
