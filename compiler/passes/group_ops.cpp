// SPDX-License-Identifier: MIT
#include "compiler/passes/group_ops.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// Ops that will be one group. Refuses what would change the order of definitions and uses.
class Grouping {
public:
  explicit Grouping(ArrayRef<Operation *> members) {
    for (Operation *op : members)
      if (op)
        ops.insert(op);
  }

  /// Whether all ops stand in one block and can move down to the last of them.
  bool isLegal() {
    Block *block = (*ops.begin())->getBlock();
    for (Operation *op : ops)
      if (op->getBlock() != block)
        return false;
    SmallVector<Operation *> ordered(ops.begin(), ops.end());
    llvm::sort(ordered, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    last = ordered.back();
    for (Operation *op : ordered)
      for (Operation *user : op->getUsers()) {
        Operation *above = block->findAncestorOpInBlock(*user);
        if (!ops.contains(user) && (!above || !last->isBeforeInBlock(above)))
          return false;
      }
    ops.clear();
    ops.insert(ordered.begin(), ordered.end());
    return true;
  }

  kv::GroupOp wrap(StringRef kernel) {
    ImplicitLocOpBuilder builder(last->getLoc(), last);
    SmallVector<Value> yielded;
    for (Operation *op : ops)
      for (Value result : op->getResults())
        if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !ops.contains(user); }))
          yielded.push_back(result);
    auto group = builder.create<kv::GroupOp>(ValueRange(yielded).getTypes(), builder.getStringAttr(kernel));
    Block *body = group.getBody().empty() ? &group.getBody().emplaceBlock() : &group.getBody().front();
    if (!body->empty())
      body->back().erase();
    for (Operation *op : ops)
      op->moveBefore(body, body->end());
    for (auto [value, result] : llvm::zip_equal(yielded, group.getResults()))
      value.replaceUsesWithIf(result, [&](OpOperand &use) { return !group->isProperAncestor(use.getOwner()); });
    builder.setInsertionPointToEnd(body);
    builder.create<kv::YieldOp>(yielded);
    sinkWeights(group);
    return group;
  }

private:
  /// Kernels find weights by their symbols.
  static void sinkWeights(kv::GroupOp group) {
    OpBuilder builder = OpBuilder::atBlockBegin(&group.getBody().front());
    SetVector<Value> captured;
    getUsedValuesDefinedAbove(group.getBody(), captured);
    for (Value value : captured)
      if (auto select = value.getDefiningOp<lm::SelectOp>()) {
        replaceAllUsesInRegionWith(value, builder.clone(*select)->getResult(0), group.getBody());
        if (select->use_empty())
          select->erase();
      }
  }

  SetVector<Operation *> ops;
  Operation *last = nullptr;
};
} // namespace

kv::GroupOp kvasir::tryGroup(StringRef kernel, ArrayRef<Operation *> ops) {
  Grouping grouping(ops);
  return grouping.isLegal() ? grouping.wrap(kernel) : kv::GroupOp();
}

void kvasir::inlineGroup(kv::GroupOp group) {
  Block *body = &group.getBody().front();
  Operation *yield = body->getTerminator();
  group->getBlock()->getOperations().splice(group->getIterator(), body->getOperations(), body->begin(),
                                            yield->getIterator());
  group->replaceAllUsesWith(yield->getOperands());
  group->erase();
}
