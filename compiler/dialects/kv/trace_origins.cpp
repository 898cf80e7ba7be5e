// SPDX-License-Identifier: MIT
// What numbers and rows are made from: constants, positions, the weights that the schema names.
#include "compiler/dialects/kv/state_trace.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace kvasir::kv;

/// Any op that is not of the state: fold it when its operands are constants, and carry on what its rows are made from.
/// `body` is what it runs where that is not inside it.
void StateTrace::visitArithmetic(Operation *op, Facts &facts, Operation *body) {
  Origin origin = originOf(op, body ? body : op, facts);
  for (Value value : op->getResults())
    facts[value] = Fact{Fact::nothing, {}, {}, 0, -1, origin};
  fold(op, facts, origin);
}

/// The weights of the schema's `by` that an op mentions, as lm.select @attn_k and func.call @wk do.
const Weights &StateTrace::weightsNamedBy(Operation *op) {
  auto [it, isNew] = weightsNamed.try_emplace(op);
  if (isNew && !weights.empty())
    op->getAttrDictionary().walk([&, &named = it->second](SymbolRefAttr symbol) {
      if (llvm::is_contained(weights, symbol.getLeafReference()) &&
          !llvm::is_contained(named, symbol.getLeafReference()))
        named.push_back(symbol.getLeafReference());
    });
  return it->second;
}

/// Rows are made by the last weight of `by` that they went through: an op on tensors that mentions one, or takes what
/// mentions one. What came before it, positions too, is no longer theirs.
Origin StateTrace::originOf(Operation *op, Operation *body, Facts &facts) {
  Origin origin, weight;
  bool isPosition = false;
  body->walk([&](Operation *inner) { // what a region captures counts too
    isPosition |= isa<PositionsOp, StartOp, LengthOp>(inner);
    if (auto bind = dyn_cast<BindOp>(inner))
      isPosition |= isa<IndexType>(bind.getSource().getType()) && bind.getField() != Field::count;
    origin.wanted |= isa<WantedOp>(inner);
    weight.named.append(weightsNamedBy(inner));
    // Another dialect's op that takes the batch itself may turn rows by their positions.
    for (Value operand : inner->getOperands())
      isPosition |= isa<BatchType>(operand.getType()) && !isa_and_nonnull<KvDialect>(inner->getDialect());
  });
  bool takesTensors = false, takesPositions = false, takesOthers = false;
  auto take = [&](Value operand) {
    const Fact fact = facts.lookup(operand);
    takesTensors |= isa<ShapedType>(operand.getType());
    takesPositions |= fact.origin.isPosition;
    takesOthers |= isa<ShapedType>(operand.getType()) && !fact.origin.isPosition;
    weight.named.append(fact.origin.named);
    origin |= fact.origin;
  };
  op->walk([&](Operation *inner) { llvm::for_each(inner->getOperands(), take); });
  origin.named.clear();
  Origin sorted;
  sorted |= weight;
  if (!sorted.named.empty() && takesTensors) {
    origin.made = sorted.named;
    origin.positions = takesPositions;
  } else {
    origin.named = sorted.named;
  }
  origin.positions |= isPosition;
  origin.isPosition = isPosition || (takesPositions && !takesOthers);
  return origin;
}

void StateTrace::fold(Operation *op, Facts &facts, const Origin &origin) {
  Attribute constant;
  if (matchPattern(op, m_Constant(&constant))) {
    facts[op->getResult(0)] = Fact::ofNumber(constant);
    return;
  }
  SmallVector<Attribute> constants;
  for (Value operand : op->getOperands())
    if (Attribute known = facts.lookup(operand).constant)
      constants.push_back(known);
  if (op->getNumRegions() || op->getNumOperands() == 0 || constants.size() != op->getNumOperands())
    return;
  Operation *copy = op->clone(); // fold may rewrite in place, the verifier changes nothing
  SmallVector<OpFoldResult> folded;
  if (succeeded(copy->fold(constants, folded)) && folded.size() == op->getNumResults())
    for (auto [value, result] : llvm::zip(op->getResults(), folded)) {
      // x + 0 folds to x, which is a constant here.
      auto known = dyn_cast<Attribute>(result) ? cast<Attribute>(result) : facts.lookup(cast<Value>(result)).constant;
      if (known)
        facts[value] = Fact::ofNumber(known, origin);
    }
  copy->erase();
}

/// Rows of a rotated cache depend on the positions, its values do not.
void StateTrace::checkPhase(AppendOp op, StringAttr symbol, int64_t layer, const Origin &origin) {
  CacheOp cache = slots[symbol].declaration.cache;
  CacheOp keys = cache.getValues() ? lookup(op, cache.getValuesAttr()).cache : cache;
  if (cache.getRotated() && !origin.positions)
    report(op, Rule::unrotated, symbol, {}, layer);
  if (!cache.getRotated() && keys.getRotated() && origin.positions)
    report(op, Rule::rotated, symbol, {}, layer);
}

/// Rows are made by the weights that the schema says: keys and values exchanged are right in every other way.
void StateTrace::checkMaker(AppendOp op, StringAttr symbol, int64_t layer, const Origin &origin) {
  CacheOp cache = slots[symbol].declaration.cache;
  if (!cache.getBy())
    return;
  ArrayAttr by = *cache.getBy();
  StringAttr expected = cast<FlatSymbolRefAttr>(by[by.size() == 1 ? 0 : layer]).getAttr();
  if (origin.made.size() == 1 && origin.made.front() == expected)
    return;
  std::string made;
  for (StringAttr weight : origin.made)
    made += (made.empty() ? "@" : ", @") + weight.str();
  Finding &finding =
      report(op, Rule::made, symbol, {made.empty() ? "no weight that it names" : made, "@" + expected.str()}, layer);
  finding.note(cache.getLoc(), "the schema says so here");
}
