// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace kvasir::kv;

namespace kvasir::kv {
#define GEN_PASS_DEF_RAISEWRITES
#include "compiler/dialects/kv/passes.h.inc"
} // namespace kvasir::kv

namespace {
using Bounds = ValueBoundsConstraintSet;

/// The numbers of the call that everything is compared with.
struct Call {
  Value batch, start, count, length;
};

/// What loops over layers carry and never change, as it was before them: value bounds do not look through kv.loop.
Value beforeLoops(Value value) {
  while (auto argument = dyn_cast<BlockArgument>(value)) {
    auto loop = dyn_cast<LoopOp>(argument.getOwner()->getParentOp());
    if (!loop || argument == loop.getLayer())
      break;
    unsigned number = argument.getArgNumber() - 1;
    if (loop.getBody().front().getTerminator()->getOperand(number) != argument)
      break;
    value = loop.getCarried()[number];
  }
  return value;
}

std::string offset(StringRef name, int64_t delta) {
  return (name + (delta < 0 ? " - " : " + ") + Twine(std::abs(delta))).str();
}

/// Why the rows do not begin at start, or empty when they provably do.
std::string whyNotBegin(WriteOp write, const Call &call) {
  APInt constant;
  Value begin = beforeLoops(write.getBegin());
  FailureOr<int64_t> shift = Bounds::computeConstantDelta(begin, call.start);
  if (succeeded(shift))
    return *shift == 0 ? "" : "they begin at " + offset("start", *shift);
  if (matchPattern(begin, m_ConstantInt(&constant)))
    return "they begin at row " + std::to_string(constant.getSExtValue()) + " in every call";
  return "their first row is not provably start; bind the input it comes from with kv.bind";
}

/// Why the rows are not count many, or empty when they provably are.
std::string whyNotSize(WriteOp write, const Call &call) {
  FailureOr<bool> isCount = Bounds::areEqual({write.getRows(), 0}, {call.count});
  if (succeeded(isCount) && *isCount)
    return "";
  auto rows = cast<RankedTensorType>(write.getRows().getType());
  if (!rows.isDynamicDim(0))
    return "they are " + std::to_string(rows.getDimSize(0)) + " of the call's count";
  FailureOr<int64_t> missing = Bounds::computeConstantDelta(write.getRows(), call.count, 0, std::nullopt);
  return succeeded(missing) ? "they are " + offset("count", *missing) : "their number is not provably count";
}

void raise(WriteOp write, const Call &call) {
  std::string reason = whyNotBegin(write, call);
  if (reason.empty())
    reason = whyNotSize(write, call);
  if (!reason.empty())
    return write.setUnraised(reason);
  OpBuilder builder(write);
  auto append = builder.create<AppendOp>(write.getLoc(), write.getSlot().getType(), write.getSlot(), write.getLayer(),
                                         write.getRows(), call.batch);
  write.replaceAllUsesWith(append.getResult());
  write.erase();
}

/// A read that ends where the batch starts sees old rows only; spelled so, verify-state need not prove it again.
void spellEnd(ReadOp read, const Call &call) {
  for (Value end : {call.start, call.length})
    if (Bounds::compare(beforeLoops(read.getEnd()), Bounds::EQ, end))
      read.getEndMutable().assign(end);
}

void raiseAll(func::FuncOp function) {
  SmallVector<WriteOp> writes;
  SmallVector<ReadOp> reads;
  function.walk([&](WriteOp write) { writes.push_back(write); });
  function.walk([&](ReadOp read) { reads.push_back(read); });
  if (writes.empty() && reads.empty())
    return;
  Value batch = batchOf(function.getArguments());
  if (!batch || knownOf(batch, "kv.sequences") != 1) {
    for (WriteOp write : writes)
      write.setUnraised("the function has no batch of one sequence ({kv.sequences = 1})");
    return;
  }
  auto builder = OpBuilder::atBlockBegin(&function.getBody().front());
  Call call{batch, builder.create<StartOp>(function.getLoc(), batch, 0),
            builder.create<CountOp>(function.getLoc(), batch, 0),
            builder.create<LengthOp>(function.getLoc(), batch, 0)};
  for (WriteOp write : writes)
    raise(write, call);
  for (ReadOp read : reads)
    spellEnd(read, call);
  for (Value number : {call.length, call.count, call.start})
    if (number.use_empty())
      number.getDefiningOp()->erase();
}

struct RaiseWrites : kvasir::kv::impl::RaiseWritesBase<RaiseWrites> {
  void runOnOperation() final {
    for (func::FuncOp function : getOperation().getOps<func::FuncOp>())
      raiseAll(function);
  }
};
} // namespace
