// SPDX-License-Identifier: MIT
#include "compiler/passes/codegen/step_marks.h"

#include "compiler/passes/call_frame.h"
#include "compiler/passes/labels.h"
#include "plugins/steps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace kvasir;

Value StepMarks::emitCell() {
  OpBuilder builder = OpBuilder::atBlockBegin(&entry.front());
  Location loc = entry.getLoc();
  Value size = builder.create<arith::ConstantIndexOp>(loc, int64_t(kStepCellBytes));
  Value offset = builder.create<arith::MulIOp>(loc, entry.getArgument(1), size);
  return emitAddress(builder, loc, CallFrame(builder, loc, entry.getArgument(0)).scratch(), offset);
}

void StepMarks::mark(OpBuilder &builder, StringRef kernel, ArrayRef<Operation *> ops) {
  llvm::SetVector<Attribute> labels;
  for (Operation *op : ops)
    op->walk([&](Operation *inner) { collectLabels(inner->getLoc(), labels); });
  if (labels.empty())
    return;
  auto list = builder.getArrayAttr(labels.getArrayRef());
  auto [known, isNew] = numberOf.try_emplace(list, numbered.size() + 1);
  if (!kernel.empty() || isNew) {
    NamedAttrList step;
    step.set("kernel", builder.getStringAttr(kernel));
    step.set("ops", list);
    numbered.push_back(step.getDictionary(context));
  }
  const size_t number = kernel.empty() ? known->second : numbered.size();

  if (!cell)
    cell = emitCell();
  Location loc = ops.front()->getLoc();
  Type i32 = builder.getI32Type();
  auto at = [&](size_t offset) -> Value {
    return builder.create<LLVM::GEPOp>(loc, cell.getType(), builder.getI8Type(), cell,
                                       ArrayRef<LLVM::GEPArg>{int32_t(offset)});
  };
  auto constant = [&](int64_t value) -> Value {
    return builder.create<arith::ConstantOp>(loc, builder.getIntegerAttr(i32, value));
  };
  builder.create<LLVM::StoreOp>(loc, constant(int64_t(number)), at(offsetof(StepCell, step)));
  if (kernel.empty() && !isNew)
    return;
  Value passes = at(offsetof(StepCell, passes));
  Value count = builder.create<LLVM::LoadOp>(loc, i32, passes);
  builder.create<LLVM::StoreOp>(loc, builder.create<arith::AddIOp>(loc, count, constant(1)), passes);
}
