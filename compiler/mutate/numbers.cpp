// SPDX-License-Identifier: MIT
// Layers, bounds of loops, rows, windows and bound fields that are off by one, or constant.
#include "compiler/mutate/mutations.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace kvasir;

namespace {
std::string signedText(int64_t delta) { return (delta < 0 ? "- " : "+ ") + std::to_string(std::abs(delta)); }

void shiftOperands(Operation *op, ArrayRef<unsigned> numbers, int64_t delta) {
  ImplicitLocOpBuilder b(op->getLoc(), op);
  Value by = b.create<arith::ConstantIndexOp>(delta);
  for (unsigned number : numbers)
    op->setOperand(number, b.create<arith::AddIOp>(op->getOperand(number), by));
}

void setOperands(Operation *op, ArrayRef<unsigned> numbers, int64_t constant) {
  ImplicitLocOpBuilder b(op->getLoc(), op);
  Value value = b.create<arith::ConstantIndexOp>(constant);
  for (unsigned number : numbers)
    op->setOperand(number, value);
}

void addShifted(Operation *op, StringRef mutation, StringRef what, SmallVector<unsigned> numbers,
                ArrayRef<int64_t> deltas, MutantList &mutants) {
  for (int64_t delta : deltas)
    mutants.add(op, mutation, "has " + what + " " + signedText(delta),
                [=](ProgramCopy &copy) { shiftOperands(copy.of(op), numbers, delta); });
}

void addConstant(Operation *op, StringRef mutation, StringRef what, SmallVector<unsigned> numbers, int64_t constant,
                 MutantList &mutants) {
  if (llvm::all_of(numbers, [&](unsigned number) {
        return getConstantIntValue(OpFoldResult(op->getOperand(number))) == constant;
      }))
    return;
  mutants.add(op, mutation, "has " + what + " " + Twine(constant),
              [=](ProgramCopy &copy) { setOperands(copy.of(op), numbers, constant); });
}

/// The number of an operand, by its value.
unsigned numberOf(OpOperand &operand) { return operand.getOperandNumber(); }

/// The rows of a write, from `first` on, without `missing` of them.
Value emitSomeRows(ImplicitLocOpBuilder &b, Value rows, bool isLastOnly) {
  auto type = cast<RankedTensorType>(rows.getType());
  Value all = b.create<tensor::DimOp>(rows, 0), one = b.create<arith::ConstantIndexOp>(1);
  Value fewer = b.create<arith::SubIOp>(all, one);
  SmallVector<OpFoldResult> offsets(type.getRank(), b.getIndexAttr(0)), sizes,
      strides(type.getRank(), b.getIndexAttr(1));
  for (int64_t extent : type.getShape())
    sizes.push_back(b.getIndexAttr(extent));
  offsets[0] = isLastOnly ? fewer : OpFoldResult(b.getIndexAttr(0));
  sizes[0] = isLastOnly ? one : fewer;
  return b.create<tensor::ExtractSliceOp>(type, rows, offsets, sizes, strides);
}
} // namespace

void kvasir::addShiftedLayers(Operation *op, MutantList &mutants) {
  SmallVector<unsigned> numbers = layerOperands(op);
  if (numbers.empty())
    return;
  addShifted(op, "layer", "its layer", numbers, {1, -1}, mutants);
  if (numbers.size() > 1)
    for (unsigned side : {0, 1})
      addShifted(op, "layer", side ? "the layer of its values" : "the layer of its keys", {numbers[side]}, {1, -1},
                 mutants);
  Type type = op->getOperand(isa<kv::AttendOp>(op) ? 1 : 0).getType();
  int64_t numLayers = kv::lookup(op, kv::symbolOf(type)).numLayers();
  for (int64_t layer : {int64_t(0), numLayers - 1})
    addConstant(op, "layer", "layer", numbers, layer, mutants);
}

void kvasir::addShiftedLoops(Operation *op, MutantList &mutants) {
  if (!carriesState(op))
    return;
  if (isa<kv::LoopOp>(op))
    for (StringRef bound : {"from", "to"})
      for (int64_t delta : {1, -1})
        mutants.add(op, "loop", "has `" + bound + "` " + signedText(delta), [=](ProgramCopy &copy) {
          Operation *mine = copy.of(op);
          auto old = mine->getAttrOfType<IntegerAttr>(bound);
          mine->setAttr(bound, IntegerAttr::get(old.getType(), old.getInt() + delta));
        });
  if (auto loop = dyn_cast<scf::ForOp>(op)) {
    addShifted(op, "loop", "its lower bound", {numberOf(loop.getLowerBoundMutable())}, {1, -1}, mutants);
    addShifted(op, "loop", "its upper bound", {numberOf(loop.getUpperBoundMutable())}, {1, -1}, mutants);
    addShifted(op, "loop", "its step", {numberOf(loop.getStepMutable())}, {1}, mutants);
  }
}

void kvasir::addShiftedRanges(Operation *op, MutantList &mutants) {
  if (auto write = dyn_cast<kv::WriteOp>(op)) {
    SmallVector<unsigned> begin = {numberOf(write.getBeginMutable())};
    addShifted(op, "range", "its first row", begin, {1, -1}, mutants);
    addConstant(op, "range", "its first row at", begin, 0, mutants);
  }
  if (auto read = dyn_cast<kv::ReadOp>(op)) {
    SmallVector<unsigned> begin = {numberOf(read.getBeginMutable())}, end = {numberOf(read.getEndMutable())};
    addShifted(op, "range", "its first row", begin, {1, -1}, mutants);
    addShifted(op, "range", "its end", end, {1, -1}, mutants);
    addConstant(op, "range", "its first row at", begin, 0, mutants);
  }
}

void kvasir::addFewerRows(Operation *op, MutantList &mutants) {
  constexpr unsigned kRows = 2;
  if (!isa<kv::AppendOp, kv::WriteOp>(op) || !cast<RankedTensorType>(op->getOperand(kRows).getType()).isDynamicDim(0))
    return;
  for (bool isLastOnly : {true, false})
    mutants.add(op, "rows", isLastOnly ? "writes the last row only" : "writes all rows but the last",
                [=](ProgramCopy &copy) {
                  Operation *mine = copy.of(op);
                  ImplicitLocOpBuilder b(mine->getLoc(), mine);
                  mine->setOperand(kRows, emitSomeRows(b, mine->getOperand(kRows), isLastOnly));
                });
}

void kvasir::addOtherWindows(Operation *op, MutantList &mutants) {
  auto attend = dyn_cast<kv::AttendOp>(op);
  if (!attend)
    return;
  auto add = [&](std::optional<int64_t> window, const Twine &change) {
    mutants.add(op, "window", change, [=](ProgramCopy &copy) {
      auto mine = cast<kv::AttendOp>(copy.of(op));
      mine.setWindow(window);
    });
  };
  if (std::optional<int64_t> window = attend.getWindow()) {
    add(std::nullopt, "has no window");
    for (int64_t delta : {1, -1})
      add(*window + delta, "has its window " + signedText(delta));
  } else {
    add(1, "has a window of 1");
  }
}

void kvasir::addOtherBinds(Operation *op, MutantList &mutants) {
  auto bind = dyn_cast<kv::BindOp>(op);
  if (!bind)
    return;
  for (uint32_t number = 0; std::optional<kv::Field> field = kv::symbolizeField(number); ++number)
    if (*field != bind.getField())
      mutants.add(op, "bind", "is to the " + kv::stringifyField(*field),
                  [=](ProgramCopy &copy) { cast<kv::BindOp>(copy.of(op)).setField(*field); });
  mutants.add(op, "bind", "is of the next sequence", [=](ProgramCopy &copy) {
    auto mine = cast<kv::BindOp>(copy.of(op));
    mine.setSequence(mine.getSequence() + 1);
  });
  if (std::optional<int64_t> dim = bind.getDim())
    for (int64_t delta : {1, -1})
      mutants.add(op, "bind", "is of dim " + Twine(*dim + delta),
                  [=](ProgramCopy &copy) { cast<kv::BindOp>(copy.of(op)).setDim(*dim + delta); });
}
