// SPDX-License-Identifier: MIT
// What is read and written in the order of the op list, and branches, in which only the chosen block does so.
#include "compiler/models/mil/families.h"
#include "compiler/models/mil/function_import.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

/// The contents of the state that the op's `input` names; null after a failure.
Tensor *stateOf(OpImport &op) {
  const coreml::Operand *operand = op.operation.find("input");
  auto found = operand && operand->value ? op.function.states.find(*operand->value) : op.function.states.end();
  if (found != op.function.states.end())
    return &found->second;
  op.fail("has an input that is no state");
  return nullptr;
}
} // namespace

void importReadState(OpImport &op) {
  if (const Tensor *state = stateOf(op))
    op.set(*state);
}

void importWriteState(OpImport &op) {
  Tensor *state = stateOf(op);
  Tensor data = op.tensor("data");
  if (!state)
    return;
  Value value = op.valueOf(data);
  if (value.getType() != state->value.getType())
    return op.fail("writes a tensor of another type than the state's");
  state->value = value;
}

namespace {
/// One branch of a cond, under construction.
class Branches {
public:
  explicit Branches(OpImport &op) : op(op), before(op.function.states) {}

  void import(OpBuilder &builder, Location loc, const coreml::Block &block) {
    ImplicitLocOpBuilder inner(loc, builder);
    op.function.states = before;
    op.function.importBlock(block, inner);
    SmallVector<Value> yielded;
    OpImport within(op.function, op.operation, inner);
    for (coreml::ValueId output : block.outputs)
      yielded.push_back(within.valueOf(op.function.find(output, inner)));
    for (auto &[input, state] : op.function.states)
      yielded.push_back(state.value);
    inner.create<scf::YieldOp>(yielded);
  }

  /// What the branches yielded: the op's results, then the states.
  void take(scf::IfOp branch) {
    op.function.states = before;
    for (size_t i = 0; i < op.numResults(); ++i) {
      Scalars dims;
      for (int64_t dim : op.declared(i).dims)
        dims.push_back(op.scalars.constant(dim));
      op.set(op.make(op.declared(i).element, dims, branch.getResult(i)), i);
    }
    size_t next = op.numResults();
    for (auto &[input, state] : op.function.states)
      state.value = branch.getResult(next++);
  }

private:
  OpImport &op;
  std::map<coreml::ValueId, Tensor> before;
};
} // namespace

/// Runs the first block if pred holds, else the second.
void importCond(OpImport &op) {
  const std::vector<coreml::Block> &blocks = op.operation.blocks;
  Tensor pred = op.tensor("pred");
  if (blocks.size() != 2 || pred.element != Element::boolean || !op.isSmall(pred) || op.scalarsOf(pred).size() != 1)
    return op.fail("has no bool to choose by, or other than two blocks");
  for (size_t i = 0; i < op.numResults(); ++i)
    if (llvm::is_contained(op.declared(i).dims, coreml::kAnySize))
      return op.fail("has a result whose extents only a call knows, which is not compiled");
  for (const coreml::Block &block : blocks)
    if (block.outputs.size() != op.numResults())
      return op.fail("has blocks with other numbers of outputs");
  Value condition = op.scalars.asCondition(op.scalarsOf(pred)[0]);
  Branches branches(op);
  auto build = [&](const coreml::Block &block) {
    return [&branches, &block](OpBuilder &builder, Location loc) { branches.import(builder, loc, block); };
  };
  auto branch = op.b.create<scf::IfOp>(condition, build(blocks[0]), build(blocks[1]));
  if (!op.failed())
    branches.take(branch);
}

} // namespace kvasir::mil
