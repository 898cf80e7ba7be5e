// SPDX-License-Identifier: MIT
#include "compiler/passes/attention.h"
#include "compiler/passes/call_frame.h"
#include "compiler/passes/passes.h"

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
bool isState(Type type) { return isa<kv::SlotType, kv::ViewType, kv::BatchType>(type); }

/// Slots of the schema by number.
class Slots {
public:
  explicit Slots(ModuleOp module) {
    for (auto schema : module.getOps<kv::SchemaOp>())
      for (Operation &slot : schema.getBody().front())
        numbers.try_emplace(SymbolTable::getSymbolName(&slot), numbers.size());
  }

  /// Fails, with a diagnostic at `op`, where the cache has no layout.
  FailureOr<LayerRef> find(Operation *op, SymbolRefAttr symbol, Value layer) const {
    kv::CacheOp cache = kv::lookup(op, symbol).cache;
    auto layout = cache ? cache->getAttrOfType<lm::LayoutAttr>(kLayoutAttr) : lm::LayoutAttr();
    if (!layout)
      return op->emitOpError("uses ") << symbol << ", which is not a cache with a layout";
    return LayerRef{symbol, numbers.lookup(symbol.getLeafReference()), layout, cache, layer};
  }

private:
  DenseMap<StringAttr, int64_t> numbers;
};

/// One entry. Slots vanish in the order of the program: a write is replaced by the version that it consumed.
class EntryLowering {
public:
  EntryLowering(func::FuncOp function, const Slots &slots) : function(function), slots(slots) {}

  LogicalResult run() {
    function.insertArguments({0, 0, 0},
                             {LLVM::LLVMPointerType::get(function.getContext()), IndexType::get(function.getContext()),
                              IndexType::get(function.getContext())},
                             {DictionaryAttr(), DictionaryAttr(), DictionaryAttr()},
                             {function.getLoc(), function.getLoc(), function.getLoc()});
    SmallVector<Operation *> ops;
    function.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (isa<kv::KvDialect>(op->getDialect()) && !isa<kv::YieldOp>(op)) // a yield goes with its parent
        ops.push_back(op);
    });
    for (Operation *op : ops)
      if (failed(lower(op)))
        return failure();
    returnThroughArguments();
    return eraseState();
  }

private:
  LogicalResult lower(Operation *op);
  LogicalResult lowerAppend(ImplicitLocOpBuilder &builder, kv::AppendOp op);
  LogicalResult lowerAttend(ImplicitLocOpBuilder &builder, kv::AttendOp op);
  LogicalResult lowerLoop(ImplicitLocOpBuilder &builder, kv::LoopOp op);
  LogicalResult lowerArray(ImplicitLocOpBuilder &builder, Operation *op, Value memref);
  FailureOr<LayerRef> layerOf(Operation *op, Value source, Value layer);
  void inlineGroup(kv::GroupOp op);
  void returnThroughArguments();
  LogicalResult eraseState();

  LogicalResult replace(Operation *op, ValueRange values) {
    op->replaceAllUsesWith(values);
    op->erase();
    return success();
  }

  func::FuncOp function;
  const Slots &slots;
  DenseMap<Value, Value> borrowedLayer; // by view
};

LogicalResult EntryLowering::lower(Operation *op) {
  ImplicitLocOpBuilder builder(op->getLoc(), op);
  CallFrame frame(builder, op->getLoc(), function.getArgument(0));
  if (auto append = dyn_cast<kv::AppendOp>(op))
    return lowerAppend(builder, append);
  if (auto attend = dyn_cast<kv::AttendOp>(op))
    return lowerAttend(builder, attend);
  if (auto loop = dyn_cast<kv::LoopOp>(op))
    return lowerLoop(builder, loop);
  if (auto group = dyn_cast<kv::GroupOp>(op))
    return inlineGroup(group), success();
  if (auto waive = dyn_cast<kv::WaiveOp>(op))
    return replace(op, waive.getSlot());
  if (auto borrow = dyn_cast<kv::BorrowOp>(op))
    return borrowedLayer[borrow.getResult()] = borrow.getLayer(), success();
  if (isa<kv::PositionsOp>(op))
    return lowerArray(builder, op, frame.positionsArray());
  if (isa<kv::WantedOp>(op))
    return lowerArray(builder, op, frame.wantedArray());
  if (auto tokens = dyn_cast<kv::TokensOp>(op)) {
    std::optional<int64_t> known = kv::knownOf(tokens.getBatch(), "kv.tokens");
    return replace(op, known ? builder.create<arith::ConstantIndexOp>(*known).getResult() : frame.tokens());
  }
  if (isa<kv::SequencesOp>(op))
    return replace(op, frame.sequences());
  if (auto sequence = dyn_cast<kv::SequenceOp>(op)) {
    Value index = sequence.getIndex();
    return replace(op, {frame.first(index), frame.count(index), frame.start(index)});
  }
  return op->emitOpError("has no lowering yet");
}

LogicalResult EntryLowering::lowerAppend(ImplicitLocOpBuilder &builder, kv::AppendOp op) {
  FailureOr<LayerRef> layer = slots.find(op, op.getSlot().getType().getSymbol(), op.getLayer());
  if (failed(layer))
    return failure();
  builder.create<kv::StoreRowsOp>(op.getRows(), layer->symbol, layer->slot, layer->layout, layer->layer);
  return replace(op, op.getSlot());
}

FailureOr<LayerRef> EntryLowering::layerOf(Operation *op, Value source, Value layer) {
  return slots.find(op, kv::symbolOf(source.getType()), layer ? layer : borrowedLayer.lookup(source));
}

LogicalResult EntryLowering::lowerAttend(ImplicitLocOpBuilder &builder, kv::AttendOp op) {
  if (op.getMask() != kv::Mask::causal)
    return op.emitOpError("has a ") << stringifyMask(op.getMask()) << " mask; only causal ones are lowered yet";
  FailureOr<LayerRef> keys = layerOf(op, op.getKeys(), op.getKeyLayer());
  FailureOr<LayerRef> values = layerOf(op, op.getValues(), op.getValueLayer());
  if (failed(keys) || failed(values))
    return failure();
  return replace(op, emitAttention(builder, function.getArgument(0), op, *keys, *values));
}

/// The same loop without the slots that it carried; their versions are all the first one.
LogicalResult EntryLowering::lowerLoop(ImplicitLocOpBuilder &builder, kv::LoopOp op) {
  Operation *yield = op.getBody().front().getTerminator();
  SmallVector<Value> inits, yielded;
  for (auto [init, next] : llvm::zip_equal(op.getCarried(), yield->getOperands()))
    if (!isState(init.getType()))
      inits.push_back(init), yielded.push_back(next);
  auto constant = [&](int64_t value) { return builder.create<arith::ConstantIndexOp>(value); };
  auto loop = builder.create<scf::ForOp>(constant(op.getFrom()), constant(op.getTo()), constant(1), inits);
  Block *body = loop.getBody();
  if (!body->empty())
    body->getTerminator()->erase();
  SmallVector<Value> arguments{loop.getInductionVar()}, results;
  for (auto [i, init] : llvm::enumerate(op.getCarried())) {
    unsigned number = results.size() - llvm::count_if(results, [](Value v) { return isState(v.getType()); });
    bool isSlot = isState(init.getType());
    arguments.push_back(isSlot ? init : loop.getRegionIterArg(number));
    results.push_back(isSlot ? init : loop.getResult(number));
  }
  Block *old = &op.getBody().front();
  for (auto [argument, value] : llvm::zip_equal(old->getArguments(), arguments))
    argument.replaceAllUsesWith(value);
  yield->erase();
  body->getOperations().splice(body->end(), old->getOperations());
  builder.setInsertionPointToEnd(body);
  builder.create<scf::YieldOp>(yielded);
  return replace(op, results);
}

/// positions or wanted, as the tensor that the program asks for.
LogicalResult EntryLowering::lowerArray(ImplicitLocOpBuilder &builder, Operation *op, Value memref) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  Value tensor = builder.create<bufferization::ToTensorOp>(memref, /*restrict=*/true);
  Type element = cast<RankedTensorType>(tensor.getType()).getElementType();
  auto shaped = RankedTensorType::get({ShapedType::kDynamic}, type.getElementType());
  if (element.isInteger(64) && type.getElementType().isInteger(32))
    tensor = builder.create<arith::TruncIOp>(shaped, tensor);
  else if (element.isInteger(32) && type.getElementType().isInteger(64))
    tensor = builder.create<arith::ExtUIOp>(shaped, tensor);
  else if (type.getElementType().isIndex())
    tensor = builder.create<arith::IndexCastUIOp>(shaped, tensor);
  return replace(op, builder.createOrFold<tensor::CastOp>(type, tensor));
}

void EntryLowering::inlineGroup(kv::GroupOp op) {
  Block *body = &op.getBody().front();
  Operation *yield = body->getTerminator();
  op->getBlock()->getOperations().splice(op->getIterator(), body->getOperations(), body->begin(), yield->getIterator());
  op->replaceAllUsesWith(yield->getOperands());
  op->erase();
}

/// Results that are tensors are written to arguments after all others, marked kv.output.
void EntryLowering::returnThroughArguments() {
  auto terminator = cast<func::ReturnOp>(function.front().getTerminator());
  ImplicitLocOpBuilder builder(terminator.getLoc(), terminator);
  for (auto [i, value] : llvm::enumerate(terminator.getOperands())) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type)
      continue;
    NamedAttrList attributes(function.getResultAttrDict(i));
    attributes.set("kv.output", builder.getUnitAttr());
    auto memref = MemRefType::get(type.getShape(), type.getElementType());
    unsigned number = function.getNumArguments();
    function.insertArgument(number, memref, attributes.getDictionary(builder.getContext()), value.getLoc());
    builder.create<bufferization::MaterializeInDestinationOp>(TypeRange(), value, function.getArgument(number),
                                                              /*restrict=*/true, /*writable=*/true);
  }
  builder.create<func::ReturnOp>();
  terminator.erase();
  function.eraseResults(llvm::BitVector(function.getNumResults(), true));
}

LogicalResult EntryLowering::eraseState() {
  for (auto [view, layer] : borrowedLayer)
    view.getDefiningOp()->erase();
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
///       kv.store_rows %rows into @k slot(0) layout(…)[%layer]
///
/// kv.attend becomes loops over sequences, partitions, heads and rows (attention.h), kv.loop scf.for, groups that no
/// kernel took their bodies; numbers of the batch become loads from the call. Refuses functions that call others with
/// slots (inline first), registers, and reads and writes of imported programs.
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
      bool takesState = llvm::any_of(function.getArgumentTypes(), isState);
      if (takesState && !function.isExternal() && failed(EntryLowering(function, slots).run()))
        return signalPassFailure();
    }
  }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeLowerSlots() { return std::make_unique<LowerSlots>(); }
