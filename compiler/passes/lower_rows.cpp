// SPDX-License-Identifier: MIT
#include "compiler/dialects/lm/emit.h"
#include "compiler/packing/weight_planes.h"
#include "compiler/passes/call_frame.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/plane_access.h"

#include "plugins/include/kvasir/plugin.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace kvasir;
using kvasir::lm::emitIndex;

namespace {
/// for i in 0 .. end: body(i)
template <typename Body> void emitLoop(ImplicitLocOpBuilder &builder, Value end, Body body) {
  auto loop = builder.create<scf::ForOp>(emitIndex(builder, 0), end, emitIndex(builder, 1));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

AxisIndices indicesOf(std::initializer_list<std::pair<Axis, Value>> pairs) {
  AxisIndices indices;
  for (auto [axis, value] : pairs)
    indices[size_t(axis)] = value;
  return indices;
}

constexpr const char *kPartNames[kNumWeightParts] = {"values", "codes", "high bits",    "scales",
                                                     "units",  "mins",  "units of mins"};

/// value = scale * (code - zero) + min, of one row; scale and min may be multiples of units.
class WeightReader {
public:
  /// Fails, with a diagnostic at `op`, where the layout lacks a plane that the type asks for or one can't be read.
  static FailureOr<WeightReader> make(Operation *op, lm::WeightOp weight, lm::WeightType type, Value base) {
    WeightReader reader{type};
    const Layout &layout = weight.getLayout()->getLayout();
    reader.isGrouped = type.isGrouped() && !findPlane(layout, PlaneRole::value);
    std::array<const Plane *, kNumWeightParts> planes = weightPlanes(layout);
    bool isGrouped = reader.isGrouped, hasMin = isGrouped && type.getMin();
    bool hasUnits = isGrouped && type.getScale().isSignedInteger(8);
    const bool isWanted[kNumWeightParts] = {!isGrouped, isGrouped,         false, isGrouped, hasUnits,
                                            hasMin,     hasUnits && hasMin};
    for (size_t part = 0; part < kNumWeightParts; ++part) {
      const Plane *plane = planes[part];
      if (isWanted[part] && (!plane || !PlaneAccess::canLoad(*plane)))
        return op->emitOpError("can't read the ")
               << kPartNames[part] << " of @" << weight.getSymName() << " in its layout";
      if (isWanted[part])
        reader.parts[part].emplace(*plane, base);
    }
    if (const Plane *high = planes[size_t(WeightPart::highBits)]; high && isGrouped) {
      reader.parts[size_t(WeightPart::highBits)].emplace(spreadHighBits(*high), base, numHighBits(*high));
      reader.highFactor = float(1 << elementBits(planes[size_t(WeightPart::code)]->element));
    }
    ElementType codes = reader.isGrouped ? findPlane(layout, PlaneRole::code)->element : ElementType::f32;
    bool isBiased = reader.isGrouped && type.getCodes().isSignedInteger(8) && codes == ElementType::u8;
    if (elementBits(codes) < 8)
      reader.values.assign(type.getValues().begin(), type.getValues().end());
    reader.zero = type.getZero() + (isBiased ? 128 : 0);
    return reader;
  }

  /// Runs `use(column, value)` for each column.
  template <typename Use> void emitRow(ImplicitLocOpBuilder &builder, AxisIndices at, Use use) const {
    int64_t columns = type.getNumColumns(), group = isGrouped ? type.getGroup() : columns;
    emitLoop(builder, emitIndex(builder, columns / group), [&](Value groupIndex) {
      Value first = builder.create<arith::MulIOp>(groupIndex, emitIndex(builder, group));
      at[size_t(Axis::column)] = first;
      Value scale = emitFactor(builder, WeightPart::scale, WeightPart::unit, at);
      Value min = emitFactor(builder, WeightPart::min, WeightPart::minUnit, at);
      emitLoop(builder, emitIndex(builder, group), [&](Value lane) {
        at[size_t(Axis::column)] = builder.create<arith::AddIOp>(first, lane);
        Value value = isGrouped ? emitFormula(builder, emitCode(builder, at), scale, min)
                                : emitElement(builder, WeightPart::value, at);
        use(at[size_t(Axis::column)], value);
      });
    });
  }

private:
  explicit WeightReader(lm::WeightType type) : type(type) {}

  /// Null if there is no such plane.
  Value emitElement(ImplicitLocOpBuilder &builder, WeightPart part, const AxisIndices &at) const {
    const std::optional<PlaneAccess> &plane = parts[size_t(part)];
    return plane ? plane->emitLoad(builder, at) : Value();
  }

  Value emitFactor(ImplicitLocOpBuilder &builder, WeightPart part, WeightPart unitPart, const AxisIndices &at) const {
    Value factor = emitElement(builder, part, at), unit = emitElement(builder, unitPart, at);
    return unit ? builder.create<arith::MulFOp>(unit, factor).getResult() : factor;
  }

  Value emitCode(ImplicitLocOpBuilder &builder, const AxisIndices &at) const {
    Value code = emitElement(builder, WeightPart::code, at), high = emitElement(builder, WeightPart::highBits, at);
    if (!values.empty()) {
      auto type = VectorType::get(int64_t(values.size()), builder.getF32Type());
      Value table = builder.create<LLVM::ConstantOp>(type, DenseElementsAttr::get(type, ArrayRef(values)));
      return builder.create<LLVM::ExtractElementOp>(table, builder.create<arith::FPToUIOp>(builder.getI32Type(), code));
    }
    if (!high)
      return code;
    Value factor = builder.create<arith::ConstantOp>(builder.getF32FloatAttr(highFactor));
    return builder.create<arith::AddFOp>(code, builder.create<arith::MulFOp>(high, factor));
  }

  Value emitFormula(ImplicitLocOpBuilder &builder, Value code, Value scale, Value min) const {
    Value shift = builder.create<arith::ConstantOp>(builder.getF32FloatAttr(float(zero)));
    Value centred = zero ? builder.create<arith::SubFOp>(code, shift).getResult() : code;
    Value scaled = builder.create<arith::MulFOp>(scale, centred);
    return min ? builder.create<arith::AddFOp>(scaled, min).getResult() : scaled;
  }

  lm::WeightType type;
  bool isGrouped = false;    // in the layout: one of values holds what the formula gives
  int64_t zero = 0;          // of the plane's codes: signed ones lie in planes of u8 with 128 added
  float highFactor = 0;      // what a code's high bits count
  SmallVector<float> values; // where codes are numbers of these
  std::array<std::optional<PlaneAccess>, kNumWeightParts> parts;
};

/// Expands what reaches packed bytes into loops over memory.
///
///     lm.dequantize %w rows(%n) outs(%tile : memref<32x64xf32>) : !lm.weight<96x64, codes = f16>
///  => scf.for %r { scf.for %k { llvm.load; arith.extf; memref.store } }
///
/// Likewise the ops on rows of caches and on registers. After it no lm.select, lm.dequantize or row op is left.
/// Addresses come from the call (the entry's first argument) and the digits of the layout. Refuses: ops still on
/// tensors, weights without a layout, planes that no code here can read.
struct LowerRows : PassWrapper<LowerRows, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerRows)
  StringRef getArgument() const override { return "lower-rows"; }
  StringRef getDescription() const override { return "expand reads and writes of packed rows into loops"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, LLVM::LLVMDialect, memref::MemRefDialect, scf::SCFDialect>();
  }
  void runOnOperation() override {
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      if (isa<lm::DequantizeOp, kv::CopyRowsOp, kv::LoadRowsOp, kv::StoreRowsOp, kv::LoadRegisterOp,
              kv::StoreRegisterOp>(op))
        ops.push_back(op);
    });
    for (Operation *op : ops)
      if (failed(lower(op)))
        return signalPassFailure();
    getOperation().walk([](lm::SelectOp select) {
      if (select->use_empty())
        select.erase();
    });
  }

private:
  LogicalResult lower(Operation *op) {
    auto isTensor = [](Value value) { return isa<TensorType>(value.getType()); };
    auto function = op->getParentOfType<func::FuncOp>();
    if (llvm::any_of(op->getOperands(), isTensor))
      return op->emitOpError("is still on tensors; bufferize first");
    if (!function || !function.getNumArguments() || !isa<LLVM::LLVMPointerType>(function.getArgument(0).getType()))
      return op->emitOpError("is in a function that takes no call");
    ImplicitLocOpBuilder builder(op->getLoc(), op);
    CallFrame frame(builder, op->getLoc(), function.getArgument(0));
    LogicalResult done = failure();
    if (auto dequantize = dyn_cast<lm::DequantizeOp>(op))
      done = lowerDequantize(builder, frame, dequantize);
    else if (auto load = dyn_cast<kv::LoadRowsOp>(op))
      done = lowerLoad(builder, frame, load);
    else if (auto copy = dyn_cast<kv::CopyRowsOp>(op))
      done = lowerCopy(builder, frame, copy);
    else if (auto store = dyn_cast<kv::StoreRowsOp>(op))
      done = lowerStore(builder, frame, store);
    else if (auto load = dyn_cast<kv::LoadRegisterOp>(op))
      done = lowerRegister(builder, frame, load, load.getOuts(), /*isStore=*/false);
    else
      done = lowerRegister(builder, frame, cast<kv::StoreRegisterOp>(op), op->getOperand(0), /*isStore=*/true);
    if (succeeded(done))
      op->erase();
    return done;
  }

  LogicalResult lowerDequantize(ImplicitLocOpBuilder &builder, CallFrame &frame, lm::DequantizeOp op) {
    auto select = op.getWeight().getDefiningOp<lm::SelectOp>();
    auto weight = select ? getOperation().lookupSymbol<lm::WeightOp>(select.getSymbol()) : lm::WeightOp();
    if (!weight || !weight.getLayout())
      return op.emitOpError("reads a weight that has no layout yet; pack it first");
    Value offset = emitIndex(builder, *weight.getOffset());
    if (Value layer = select.getLayer(); layer && *weight.getStride()) {
      Value before = builder.create<arith::MulIOp>(layer, emitIndex(builder, *weight.getStride()));
      offset = builder.create<arith::AddIOp>(offset, before);
    }
    Value base = emitAddress(builder, op.getLoc(), frame.weights(), offset);
    lm::WeightType type = op.getWeight().getType();
    FailureOr<WeightReader> reader = WeightReader::make(op, weight, type, base);
    if (failed(reader))
      return failure();
    Value rows = emitIndex(builder, cast<MemRefType>(op.getOuts().getType()).getDimSize(0));
    Value left = builder.create<arith::SubIOp>(emitIndex(builder, type.getNumRows()), op.getBegin());
    emitLoop(builder, builder.create<arith::MinSIOp>(rows, left), [&](Value r) {
      Value row = builder.create<arith::AddIOp>(op.getBegin(), r);
      AxisIndices at = indicesOf({{Axis::layer, select.getLayer()}, {Axis::row, row}});
      reader->emitRow(builder, at, [&](Value column, Value value) {
        builder.create<memref::StoreOp>(value, op.getOuts(), ValueRange{r, column});
      });
    });
    return success();
  }

  static FailureOr<const Plane *> planeOf(Operation *op, const Layout &layout) {
    const Plane *plane = findPlane(layout, PlaneRole::value);
    if (!plane || layout.planes.size() != 1 || !PlaneAccess::canLoad(*plane) || elementBits(plane->element) < 16)
      return op->emitOpError("can't reach rows whose layout is not one plane of float values");
    return plane;
  }

  static LogicalResult lowerLoad(ImplicitLocOpBuilder &builder, CallFrame &frame, kv::LoadRowsOp op) {
    FailureOr<const Plane *> plane = planeOf(op, op.getLayout());
    if (failed(plane))
      return failure();
    PlaneAccess access(**plane, frame.block(op.getSlot(), op.getSequence(), op.getPartition()));
    emitLoop(builder, op.getCount(), [&](Value r) {
      emitLoop(builder, emitIndex(builder, cast<MemRefType>(op.getOuts().getType()).getDimSize(1)), [&](Value d) {
        AxisIndices at =
            indicesOf({{Axis::layer, op.getLayer()}, {Axis::head, op.getHead()}, {Axis::token, r}, {Axis::lane, d}});
        builder.create<memref::StoreOp>(access.emitLoad(builder, at), op.getOuts(), ValueRange{r, d});
      });
    });
    return success();
  }

  using VisitElement = llvm::function_ref<void(const PlaneAccess &, const AxisIndices &, Value head, Value lane)>;

  /// Goes through the elements of the row [G, D] that token `position` of the sequence has in the layer of `op`.
  template <typename Op>
  static void emitRow(ImplicitLocOpBuilder &builder, CallFrame &frame, Op op, const Plane &plane, MemRefType rows,
                      Value sequence, Value position, VisitElement visit) {
    Value perBlock = emitIndex(builder, KV_BLOCK_TOKENS);
    Value partition = builder.create<arith::DivUIOp>(position, perBlock);
    Value token = builder.create<arith::RemUIOp>(position, perBlock);
    PlaneAccess access(plane, frame.block(op.getSlot(), sequence, partition));
    emitLoop(builder, emitIndex(builder, rows.getDimSize(1)), [&](Value g) {
      emitLoop(builder, emitIndex(builder, rows.getDimSize(2)), [&](Value d) {
        visit(access, indicesOf({{Axis::layer, op.getLayer()}, {Axis::head, g}, {Axis::token, token}, {Axis::lane, d}}),
              g, d);
      });
    });
  }

  static LogicalResult lowerCopy(ImplicitLocOpBuilder &builder, CallFrame &frame, kv::CopyRowsOp op) {
    FailureOr<const Plane *> plane = planeOf(op, op.getLayout());
    if (failed(plane))
      return failure();
    auto type = cast<MemRefType>(op.getOuts().getType());
    emitLoop(builder, builder.create<memref::DimOp>(op.getOuts(), 0), [&](Value r) {
      Value position = builder.create<arith::AddIOp>(op.getBegin(), r);
      emitRow(builder, frame, op, **plane, type, op.getSequence(), position,
              [&](const PlaneAccess &access, const AxisIndices &at, Value g, Value d) {
                builder.create<memref::StoreOp>(access.emitLoad(builder, at), op.getOuts(), ValueRange{r, g, d});
              });
    });
    return success();
  }

  /// Goes through the elements of `memref` [B, content] and of the register alike; they are of one type.
  template <typename Op>
  static LogicalResult lowerRegister(ImplicitLocOpBuilder &builder, CallFrame &frame, Op op, Value memref,
                                     bool isStore) {
    const Layout &layout = op.getLayout();
    const Plane *plane = findPlane(layout, PlaneRole::value);
    unsigned bits = cast<MemRefType>(memref.getType()).getElementTypeBitWidth();
    if (!plane || layout.planes.size() != 1 || elementBits(plane->element) != bits)
      return op->emitOpError("can't reach a register whose layout is not one plane of ") << memref.getType();
    emitLoop(builder, builder.create<memref::DimOp>(memref, 0), [&](Value b) {
      PlaneAccess access(*plane, isStore ? frame.registerOut(op.getSlot(), b) : frame.registerIn(op.getSlot(), b));
      emitElements(builder, access, op.getLayer(), memref, {b}, emitIndex(builder, 0), isStore);
    });
    return success();
  }

  /// The elements memref[indices, …]; `lane` counts in row-major order over the indices after the first.
  static void emitElements(ImplicitLocOpBuilder &builder, const PlaneAccess &access, Value layer, Value memref,
                           SmallVector<Value> indices, Value lane, bool isStore) {
    auto type = cast<MemRefType>(memref.getType());
    if (int64_t(indices.size()) < type.getRank()) {
      Value extent = emitIndex(builder, type.getDimSize(indices.size()));
      return emitLoop(builder, extent, [&](Value i) {
        Value before = builder.create<arith::MulIOp>(lane, extent);
        SmallVector<Value> deeper = indices;
        deeper.push_back(i);
        emitElements(builder, access, layer, memref, deeper, builder.create<arith::AddIOp>(before, i), isStore);
      });
    }
    Value address = access.emitAddressOf(builder, indicesOf({{Axis::layer, layer}, {Axis::lane, lane}}));
    if (isStore) {
      Value value = builder.create<memref::LoadOp>(memref, indices);
      builder.create<LLVM::StoreOp>(value, address, /*alignment=*/1);
      return;
    }
    Value value = builder.create<LLVM::LoadOp>(type.getElementType(), address, /*alignment=*/1);
    builder.create<memref::StoreOp>(value, memref, indices);
  }

  static LogicalResult lowerStore(ImplicitLocOpBuilder &builder, CallFrame &frame, kv::StoreRowsOp op) {
    FailureOr<const Plane *> plane = planeOf(op, op.getLayout());
    if (failed(plane))
      return failure();
    auto type = cast<MemRefType>(op.getRows().getType());
    emitLoop(builder, frame.tokens(), [&](Value t) {
      Value position = frame.position(t), sequence = frame.tokenSequence(t);
      emitRow(builder, frame, op, **plane, type, sequence, position,
              [&](const PlaneAccess &access, const AxisIndices &at, Value g, Value d) {
                access.emitStore(builder, at, builder.create<memref::LoadOp>(op.getRows(), ValueRange{t, g, d}));
              });
    });
    return success();
  }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeLowerRows() { return std::make_unique<LowerRows>(); }
