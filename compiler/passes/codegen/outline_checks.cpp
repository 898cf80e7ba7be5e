// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/dialect.h"
#include "compiler/passes/codegen/passes.h"
#include "compiler/passes/contract.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// Whether `memref` is an input or a part of one.
bool isInput(Value memref) {
  while (Operation *op = memref.getDefiningOp()) {
    if (op->hasAttr(kInputAttr))
      return true;
    if (!isa<ViewLikeOpInterface>(op))
      return false;
    memref = op->getOperand(0);
  }
  return false;
}

/// Whether `op` gives the same before the function runs as within it.
bool isKnownBefore(Operation *op) {
  if (auto load = dyn_cast<LLVM::LoadOp>(op))
    return load.getInvariant();
  if (auto load = dyn_cast<memref::LoadOp>(op))
    return isInput(load.getMemRef());
  if (!isa<scf::ForOp, scf::IfOp>(op))
    return op->getNumRegions() == 0 && isMemoryEffectFree(op);
  for (Region &region : op->getRegions())
    for (Operation &inner : region.getOps())
      if (!inner.hasTrait<OpTrait::IsTerminator>() && !isKnownBefore(&inner))
        return false;
  return true;
}

/// Copies what computes a number into another function.
class Repeater {
public:
  Repeater(func::FuncOp function, ImplicitLocOpBuilder &builder, Value call) : function(function), builder(builder) {
    mapping.map(function.getArgument(0), call);
  }

  /// Null where it is not known before the function runs.
  Value repeat(Value value) {
    if (Value known = mapping.lookupOrNull(value))
      return known;
    Operation *op = value.getDefiningOp();
    if (!op || !isKnownBefore(op))
      return {};
    SetVector<Value> needed;
    getUsedValuesDefinedAbove(op->getRegions(), needed);
    needed.insert(op->operand_begin(), op->operand_end());
    for (Value operand : needed)
      if (!repeat(operand))
        return {};
    builder.clone(*op, mapping);
    return mapping.lookup(value);
  }

private:
  func::FuncOp function;
  ImplicitLocOpBuilder &builder;
  IRMapping mapping;
};

/// Makes of an entry's requirements a function that is asked before it runs.
///
///     func @f(%call, %member, %members) { … kv.require %position = %start, "position is %d, …" … }
///  => func @f(%call, %member, %members) attributes {kvasir.checks = ["position is %d, …"]} { … }
///     func @f.check(%call, %fault: !llvm.ptr) -> i64
///
/// The result is 0, or the number of the first message that applies, counted from 1; `fault` then holds the two numbers
/// that belong into it (i64). Entries whose requirements always hold get no function. Late requirements stay. Refuses
/// another of something that depends on more than the call and its inputs.
struct OutlineChecks : PassWrapper<OutlineChecks, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(OutlineChecks)
  StringRef getArgument() const override { return "outline-checks"; }
  StringRef getDescription() const override { return "check what a call must be like before it runs"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, LLVM::LLVMDialect>();
  }
  void runOnOperation() override {
    for (func::FuncOp function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (isEntry(function) && failed(outline(function)))
        return signalPassFailure();
  }

private:
  struct Check {
    Value found, expected;
    StringAttr message;
  };

  static LogicalResult outline(func::FuncOp function) {
    ImplicitLocOpBuilder builder(function.getLoc(), function.getContext());
    builder.setInsertionPointAfter(function);
    Type pointer = LLVM::LLVMPointerType::get(function.getContext());
    auto checker = builder.create<func::FuncOp>((function.getName() + kCheckSuffix).str(),
                                                builder.getFunctionType({pointer, pointer}, builder.getI64Type()));
    Block *body = checker.addEntryBlock();
    builder.setInsertionPointToStart(body);
    Repeater repeater(function, builder, body->getArgument(0));
    SmallVector<Check> checks;
    WalkResult walked = function.walk([&](kv::RequireOp op) {
      if (op->hasAttr(kLateAttr))
        return WalkResult::advance();
      Value found = repeater.repeat(op.getFound()), expected = repeater.repeat(op.getExpected());
      if (!found || !expected)
        return op.emitOpError("asks for something that the function computes, expected a number of the call or its "
                              "inputs"),
               WalkResult::interrupt();
      bool isNew = found != expected && llvm::none_of(checks, [&](const Check &check) {
                     return check.found == found && check.expected == expected;
                   });
      if (isNew)
        checks.push_back({found, expected, op.getMessageAttr()});
      op.erase();
      return WalkResult::advance();
    });
    if (walked.wasInterrupted())
      return failure();
    if (checks.empty())
      return checker.erase(), success();
    emitAnswer(builder, checks, body->getArgument(1));
    SmallVector<Attribute> messages;
    for (const Check &check : checks)
      messages.push_back(check.message);
    function->setAttr(kChecksAttr, builder.getArrayAttr(messages));
    return success();
  }

  static void emitAnswer(ImplicitLocOpBuilder &builder, ArrayRef<Check> checks, Value fault) {
    auto constant = [&](int64_t value) -> Value { return builder.create<arith::ConstantIntOp>(value, 64); };
    auto wide = [&](Value index) -> Value { return builder.create<arith::IndexCastOp>(builder.getI64Type(), index); };
    Value number = constant(0), found = constant(0), expected = constant(0);
    for (size_t i = checks.size(); i-- > 0;) {
      const Check &check = checks[i];
      Value isWrong = builder.create<arith::CmpIOp>(arith::CmpIPredicate::ne, check.found, check.expected);
      auto choose = [&](Value &value, Value ifWrong) {
        value = builder.create<arith::SelectOp>(isWrong, ifWrong, value);
      };
      choose(number, constant(int64_t(i) + 1));
      choose(found, wide(check.found));
      choose(expected, wide(check.expected));
    }
    builder.create<LLVM::StoreOp>(found, fault);
    Value second = builder.create<LLVM::GEPOp>(fault.getType(), builder.getI64Type(), fault, ArrayRef<LLVM::GEPArg>{1});
    builder.create<LLVM::StoreOp>(expected, second);
    builder.create<func::ReturnOp>(number);
  }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeOutlineChecks() { return std::make_unique<OutlineChecks>(); }
