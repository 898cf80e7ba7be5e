// SPDX-License-Identifier: MIT
#include "compiler/passes/contract.h"
#include "compiler/passes/extents.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/state_ops.h"
#include "compiler/passes/state_regions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace kvasir;

namespace {
using Builder = ImplicitLocOpBuilder;

/// One entry: its border, and the order in which its ops are lowered. Every version of a slot becomes the entry's
/// argument, which in the end nobody uses.
class EntryLowering {
public:
  EntryLowering(func::FuncOp function, Value batch, const Slots &slots)
      : function(function), batch(batch), slots(slots), stateOps(function, batch, slots) {}

  LogicalResult run() {
    Type index = IndexType::get(function.getContext());
    function.insertArguments({0, 0, 0}, {LLVM::LLVMPointerType::get(function.getContext()), index, index},
                             SmallVector<DictionaryAttr>(3), SmallVector<Location>(3, function.getLoc()));
    SmallVector<Operation *> ops;
    function.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if ((isa<kv::KvDialect>(op->getDialect()) && !isa<kv::YieldOp, kv::RequireOp>(op)) || passesState(op))
        ops.push_back(op); // a yield goes with its parent
    });
    forgetVersions();
    if (failed(keepWaivedRegisters()))
      return failure();
    protectInputs();
    requireFacts();
    for (Operation *op : ops)
      if (failed(stateOps.lower(op)))
        return failure();
    returnThroughArguments();
    return eraseState();
  }

private:
  void forgetVersions();
  LogicalResult keepWaivedRegisters();
  void protectInputs();
  void requireFacts();
  void returnThroughArguments();
  void requireExtents(Builder &builder, Value output, DictionaryAttr attributes, const std::string &name);
  LogicalResult eraseState();

  func::FuncOp function;
  Value batch;
  const Slots &slots;
  StateOps stateOps;
};

/// What happened to a slot is in the order of the ops from here on.
void EntryLowering::forgetVersions() {
  llvm::DenseMap<Type, Value> first;
  for (BlockArgument argument : function.getArguments())
    if (isa<kv::SlotType>(argument.getType()))
      first[argument.getType()] = argument;
  function.walk([&](Operation *op) {
    for (Value result : op->getResults())
      if (isa<kv::SlotType>(result.getType()))
        result.replaceAllUsesWith(first[result.getType()]);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (BlockArgument argument : block.getArguments())
          if (isa<kv::SlotType>(argument.getType()) && argument != first[argument.getType()])
            argument.replaceAllUsesWith(first[argument.getType()]);
  });
}

/// What a call leaves of a register is all that there is of it after the call. So layers that need not be set are
/// copied first, whichever they are.
LogicalResult EntryLowering::keepWaivedRegisters() {
  SetVector<Attribute> waived, set;
  function.walk([&](kv::WaiveOp op) { waived.insert(op.getSlot().getType().getSymbol()); });
  function.walk([&](kv::SetOp op) { set.insert(op.getSlot().getType().getSymbol()); });
  Builder builder(function.getLoc(), function.getContext());
  builder.setInsertionPointToStart(&function.front());
  auto constant = [&](int64_t value) { return builder.create<arith::ConstantIndexOp>(value); };
  for (Attribute symbol : waived) {
    kv::Declaration slot = kv::lookup(function, cast<SymbolRefAttr>(symbol));
    if (!slot.reg || !set.contains(symbol))
      continue;
    auto loop = builder.create<scf::ForOp>(constant(0), constant(slot.numLayers()), constant(1));
    FailureOr<LayerRef> layer = slots.find(function, cast<SymbolRefAttr>(symbol), loop.getInductionVar());
    if (failed(layer))
      return failure();
    auto content = cast<RankedTensorType>(slot.reg.getContent());
    SmallVector<int64_t> shape{ShapedType::kDynamic};
    llvm::append_range(shape, content.getShape());
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(loop.getBody()->getTerminator());
    Value contents = stateOps.emitContents(builder, RankedTensorType::get(shape, content.getElementType()), *layer);
    builder.create<kv::StoreRegisterOp>(contents, layer->symbol, layer->slot, layer->layout, layer->layer);
  }
  return success();
}

/// The caller's tensors are not written.
void EntryLowering::protectInputs() {
  for (BlockArgument argument : function.getArguments())
    if (isa<RankedTensorType>(argument.getType()))
      function.setArgAttr(argument.getArgNumber(), "bufferization.writable",
                          BoolAttr::get(function.getContext(), false));
}

/// What the function takes for granted of its batch.
void EntryLowering::requireFacts() {
  Builder builder(function.getLoc(), function.getContext());
  builder.setInsertionPointToStart(&function.front());
  CallFrame frame(builder, builder.getLoc(), function.getArgument(0));
  std::string name = plainName(function.getName());
  auto require = [&](StringRef fact, Value found, const Twine &message) {
    if (std::optional<int64_t> known = kv::knownOf(batch, fact))
      emitRequire(builder, found, builder.create<arith::ConstantIndexOp>(*known), message);
  };
  require("kv.sequences", frame.sequences(), "the call brings %d sequences, function " + name + " takes %d");
  require("kv.tokens", frame.tokens(), "the call brings %d tokens, function " + name + " takes %d");
}

/// What the caller made room for.
void EntryLowering::requireExtents(Builder &builder, Value output, DictionaryAttr attributes, const std::string &name) {
  std::string letters = extentsOf(cast<RankedTensorType>(output.getType()), attributes, 'W');
  for (auto [dim, letter] : llvm::enumerate(letters))
    if (letter)
      emitRequire(builder, builder.createOrFold<tensor::DimOp>(output, dim),
                  emitExtent(builder, builder.getLoc(), function.getArgument(0), letter),
                  "output " + name + " would have an extent of %d, the caller made room for %d");
}

/// Results that are tensors are written to arguments after all others, marked kv.output.
void EntryLowering::returnThroughArguments() {
  auto terminator = cast<func::ReturnOp>(function.front().getTerminator());
  Builder builder(terminator.getLoc(), terminator);
  unsigned numOutputs = 0;
  for (auto [i, value] : llvm::enumerate(terminator.getOperands())) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type)
      continue;
    NamedAttrList attributes(function.getResultAttrDict(i));
    auto name = dyn_cast_or_null<StringAttr>(attributes.get("kv.name"));
    std::string called = name ? plainName(name) : "output" + std::to_string(numOutputs);
    requireExtents(builder, value, attributes.getDictionary(builder.getContext()), called);
    attributes.set("kv.output", builder.getUnitAttr());
    auto memref = MemRefType::get(type.getShape(), type.getElementType());
    unsigned number = function.getNumArguments();
    function.insertArgument(number, memref, attributes.getDictionary(builder.getContext()), value.getLoc());
    builder.create<bufferization::MaterializeInDestinationOp>(TypeRange(), value, function.getArgument(number),
                                                              /*restrict=*/true, /*writable=*/true);
    ++numOutputs;
  }
  builder.create<func::ReturnOp>();
  terminator.erase();
  function.eraseResults(llvm::BitVector(function.getNumResults(), true));
}

LogicalResult EntryLowering::eraseState() {
  SmallVector<UnrealizedConversionCastOp> numbers, views;
  function.walk([&](UnrealizedConversionCastOp cast) {
    if (isa<kv::ViewType>(cast.getResultTypes()[0]))
      views.push_back(cast);
    else if (isa<kv::ViewType>(cast.getOperandTypes()[0]))
      numbers.push_back(cast);
  });
  for (UnrealizedConversionCastOp number : numbers) {
    auto view = number.getOperand(0).getDefiningOp<UnrealizedConversionCastOp>();
    number.getResult(0).replaceAllUsesWith(view.getOperand(0));
    number.erase();
  }
  for (UnrealizedConversionCastOp view : llvm::reverse(views))
    view.erase();
  llvm::BitVector state(function.getNumArguments());
  for (BlockArgument argument : function.getArguments()) {
    if (!isState(argument.getType()))
      continue;
    state.set(argument.getArgNumber());
    if (!argument.use_empty())
      return argument.use_begin()->getOwner()->emitOpError("still uses ") << argument.getType() << " after lower-slots";
  }
  function.eraseArguments(state);
  return success();
}

/// Removes slots and batches: the last pass that knows them. verify-state has proved the program.
///
///     func @forward(%ids: tensor<?xi32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> (tensor<?x8xf32>, !kv.slot<@k>)
///       %k1 = kv.append %k[%layer], %rows, %batch
///  => func @forward(%call: !llvm.ptr, %member: index, %members: index, %ids: tensor<?xi32>,
///                   %y: memref<?x8xf32> {kv.output})
///       kv.require (tensor.dim %rows, 0) = %t, "…"
///       kv.store_rows %rows into @k slot(0) layout(…)[%layer]
///
/// kv.attend becomes loops over sequences, partitions, heads and rows (attention.h), kv.loop scf.for, groups that no
/// kernel took their bodies; numbers of the batch become loads from the call. What verify-state left to the run (that
/// two dynamic T are one, what is bound, what the batch is said to be) becomes kv.require. Refuses functions that call
/// others with slots (inline first), writes that raise-writes left as they were, and masks that are not causal.
struct LowerSlots : PassWrapper<LowerSlots, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerSlots)
  StringRef getArgument() const override { return "lower-slots"; }
  StringRef getDescription() const override { return "turn state into rows of memory that the call leads to"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, bufferization::BufferizationDialect, LLVM::LLVMDialect, linalg::LinalgDialect,
                    math::MathDialect, memref::MemRefDialect, scf::SCFDialect, tensor::TensorDialect>();
  }
  void runOnOperation() override {
    Slots slots(getOperation());
    for (func::FuncOp function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal() || llvm::none_of(function.getArgumentTypes(), isState))
        continue;
      Value batch = kv::batchOf(function.getArguments());
      if (!batch) {
        function.emitOpError("takes state but no batch");
        return signalPassFailure();
      }
      if (failed(EntryLowering(function, batch, slots).run()))
        return signalPassFailure();
    }
  }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeLowerSlots() { return std::make_unique<LowerSlots>(); }
