// SPDX-License-Identifier: MIT
#include "backends/cpu/code.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace kvasir::cpu {

Code::Code(ImplicitLocOpBuilder &builder)
    : i8(builder.getI8Type()), i16(builder.getI16Type()), i32(builder.getI32Type()), i64(builder.getI64Type()),
      f16(builder.getF16Type()), bf16(builder.getBF16Type()), f32(builder.getF32Type()), f64(builder.getF64Type()),
      ptr(LLVM::LLVMPointerType::get(builder.getContext())), b(builder) {}

Value Code::num(int64_t value) { return b.create<arith::ConstantOp>(b.getI64IntegerAttr(value)); }
Value Code::add(Value a, Value c) { return b.createOrFold<arith::AddIOp>(a, c); }
Value Code::add(Value a, int64_t c) { return c == 0 ? a : add(a, num(c)); }
Value Code::sub(Value a, Value c) { return b.createOrFold<arith::SubIOp>(a, c); }
Value Code::mul(Value a, Value c) { return b.createOrFold<arith::MulIOp>(a, c); }
Value Code::mul(Value a, int64_t c) { return c == 1 ? a : mul(a, num(c)); }
Value Code::div(Value a, int64_t c) { return c == 1 ? a : div(a, num(c)); }
Value Code::div(Value a, Value c) { return b.createOrFold<arith::DivUIOp>(a, c); }
Value Code::rem(Value a, int64_t c) { return b.createOrFold<arith::RemUIOp>(a, num(c)); }
Value Code::min(Value a, Value c) { return b.createOrFold<arith::MinSIOp>(a, c); }
Value Code::max(Value a, Value c) { return b.createOrFold<arith::MaxSIOp>(a, c); }
Value Code::less(Value a, Value c) { return b.create<arith::CmpIOp>(arith::CmpIPredicate::slt, a, c); }
Value Code::equal(Value a, int64_t c) { return b.create<arith::CmpIOp>(arith::CmpIPredicate::eq, a, num(c)); }
Value Code::within(Value a, Value begin, Value end) { return andI(less(sub(begin, num(1)), a), less(a, end)); }
Value Code::select(Value condition, Value a, Value c) { return b.create<arith::SelectOp>(condition, a, c); }
Value Code::fromIndex(Value index) { return b.createOrFold<arith::IndexCastOp>(i64, index); }
Value Code::toIndex(Value number) { return b.createOrFold<arith::IndexCastOp>(b.getIndexType(), number); }

Value Code::fromWord(Value word) { return b.createOrFold<arith::ExtUIOp>(i64, word); }

Value Code::at(Value base, Value bytes) {
  return b.create<LLVM::GEPOp>(ptr, i8, base, ArrayRef<LLVM::GEPArg>{bytes}, /*inbounds=*/true);
}

Value Code::at(Value base, int64_t bytes) {
  return bytes == 0 ? base
                    : b.create<LLVM::GEPOp>(ptr, i8, base, ArrayRef<LLVM::GEPArg>{int32_t(bytes)}, true).getResult();
}

Value Code::load(Type type, Value address, unsigned align) { return b.create<LLVM::LoadOp>(type, address, align); }
void Code::store(Value value, Value address, unsigned align) { b.create<LLVM::StoreOp>(value, address, align); }

Value Code::loadSplat(int64_t lanes, Type type, Value address) {
  return splat(lanes, load(type, address, std::min<unsigned>(4, type.getIntOrFloatBitWidth() / 8)));
}

void Code::prefetch(Value address, int64_t bytes, int64_t level) {
  for (int64_t byte = 0; byte < bytes; byte += 64)
    b.create<LLVM::Prefetch>(at(address, byte), /*rw=*/0, /*hint=*/4 - level, /*cache=*/1);
}

void Code::prefetchToWrite(Value address) { b.create<LLVM::Prefetch>(address, /*rw=*/1, /*hint=*/3, /*cache=*/1); }

Value Code::atomicLoad(Value address) {
  return b.create<LLVM::LoadOp>(i64, address, /*alignment=*/8, /*isVolatile=*/false, /*isNonTemporal=*/false,
                                /*isInvariant=*/false, LLVM::AtomicOrdering::monotonic);
}

Value Code::atomicAdd(Value address, int64_t number) {
  return b.create<LLVM::AtomicRMWOp>(LLVM::AtomicBinOp::add, address, num(number), LLVM::AtomicOrdering::monotonic);
}

Value Code::addressOf(Value memref) {
  Value index = b.create<memref::ExtractAlignedPointerAsIndexOp>(memref);
  return b.create<LLVM::IntToPtrOp>(ptr, b.create<arith::IndexCastOp>(i64, index));
}

Value Code::splat(int64_t lanes, float value) {
  return b.create<arith::ConstantOp>(DenseElementsAttr::get(vec(lanes, f32), value));
}

Value Code::splat(int64_t lanes, Type integer, int64_t value) {
  return b.create<arith::ConstantOp>(DenseElementsAttr::get(vec(lanes, integer), b.getIntegerAttr(integer, value)));
}

Value Code::splat(int64_t lanes, Value scalar) {
  return b.create<vector::BroadcastOp>(vec(lanes, scalar.getType()), scalar);
}

static Value constantLike(ImplicitLocOpBuilder &b, Type type, int64_t value) {
  if (auto vector = dyn_cast<VectorType>(type))
    return b.create<arith::ConstantOp>(
        DenseElementsAttr::get(vector, b.getIntegerAttr(vector.getElementType(), value)));
  return b.create<arith::ConstantOp>(b.getIntegerAttr(type, value));
}

Value Code::addI(Value a, Value c) { return b.create<arith::AddIOp>(a, c); }
Value Code::subI(Value a, Value c) { return b.create<arith::SubIOp>(a, c); }
Value Code::andI(Value a, Value c) { return b.create<arith::AndIOp>(a, c); }
Value Code::orI(Value a, Value c) { return b.create<arith::OrIOp>(a, c); }
Value Code::shl(Value a, int64_t bits) { return b.create<arith::ShLIOp>(a, constantLike(b, a.getType(), bits)); }
Value Code::shr(Value a, int64_t bits) { return b.create<arith::ShRUIOp>(a, constantLike(b, a.getType(), bits)); }
Value Code::sar(Value a, int64_t bits) { return b.create<arith::ShRSIOp>(a, constantLike(b, a.getType(), bits)); }
Value Code::addF(Value a, Value c) { return b.create<arith::AddFOp>(a, c); }
Value Code::subF(Value a, Value c) { return b.create<arith::SubFOp>(a, c); }
Value Code::mulF(Value a, Value c) { return b.create<arith::MulFOp>(a, c); }
Value Code::divF(Value a, Value c) { return b.create<arith::DivFOp>(a, c); }

Value Code::maxF(Value a, Value c) { return select(b.create<arith::CmpFOp>(arith::CmpFPredicate::OGT, a, c), a, c); }

Value Code::minF(Value a, Value c) { return select(b.create<arith::CmpFOp>(arith::CmpFPredicate::OLT, a, c), a, c); }

Value Code::fma(Value a, Value c, Value d) { return b.create<LLVM::FMAOp>(a, c, d); }
Value Code::ceilF(Value a) { return intrinsic("llvm.ceil", a.getType(), a); }
Value Code::absF(Value a) { return b.create<LLVM::FAbsOp>(a); }
Value Code::sqrtF(Value a) { return b.create<LLVM::SqrtOp>(a); }

/// `type` with another element.
static Type withElement(Type type, Type element) {
  auto vector = dyn_cast<VectorType>(type);
  return vector ? VectorType::get(vector.getShape(), element) : element;
}

Value Code::toFloat(Value integers) {
  return b.create<arith::SIToFPOp>(withElement(integers.getType(), f32), integers);
}

Value Code::toInt(Value floats) { return intrinsic("llvm.lrint", withElement(floats.getType(), i32), floats); }

Value Code::extF(Value floats, Type element) {
  return b.create<arith::ExtFOp>(withElement(floats.getType(), element), floats);
}

Value Code::truncI(Value integers, Type element) {
  return b.create<arith::TruncIOp>(withElement(integers.getType(), element), integers);
}

Value Code::bitcast(Value value, Type type) {
  return value.getType() == type ? value : b.create<LLVM::BitcastOp>(type, value).getResult();
}

Value Code::zero(Type type) { return b.create<arith::ConstantOp>(b.getZeroAttr(type)); }

Value Code::shuffle(Value a, Value c, ArrayRef<int64_t> lanes) {
  return b.create<LLVM::ShuffleVectorOp>(a, c, SmallVector<int32_t>(lanes));
}

Value Code::extract(Value vector, int64_t lane) {
  return b.create<LLVM::ExtractElementOp>(vector, b.create<arith::ConstantOp>(b.getI32IntegerAttr(lane)));
}

Value Code::pinned(Value value) {
  bool isAddress = value.getType() == ptr;
  return b
      .create<LLVM::InlineAsmOp>(TypeRange{value.getType()}, ValueRange{value}, /*asm_string=*/"",
                                 /*constraints=*/isAddress ? "=r,0" : "=v,0", /*has_side_effects=*/true,
                                 /*is_align_stack=*/false, LLVM::AsmDialectAttr{}, ArrayAttr{})
      .getResult(0);
}

Value Code::intrinsic(StringRef name, Type result, ValueRange operands) {
  return b.create<LLVM::CallIntrinsicOp>(TypeRange{result}, b.getStringAttr(name), operands, LLVM::FastmathFlagsAttr{})
      .getResult(0);
}

/// Folds the upper half of a vector onto the lower one until a lane is left.
template <typename Combine> static Value reduceTree(Code &code, Value vector, Combine combine) {
  for (int64_t lanes = cast<VectorType>(vector.getType()).getNumElements(); lanes > 1; lanes /= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t lane = 0; lane < lanes / 2; ++lane)
      low.push_back(lane), high.push_back(lanes / 2 + lane);
    vector = combine(code.shuffle(vector, vector, low), code.shuffle(vector, vector, high));
  }
  return code.extract(vector, 0);
}

Value Code::reduceAdd(Value vector) {
  bool isFloat = isa<FloatType>(cast<VectorType>(vector.getType()).getElementType());
  return reduceTree(*this, vector, [&](Value a, Value c) { return isFloat ? addF(a, c) : addI(a, c); });
}

Value Code::reduceMax(Value vector) {
  return reduceTree(*this, vector, [&](Value a, Value c) { return maxF(a, c); });
}

std::pair<Value, Value> Code::alternating(Value a, Value c, int64_t half) {
  SmallVector<int64_t> even, odd;
  for (int64_t lane = 0; lane < 2 * cast<VectorType>(a.getType()).getNumElements(); ++lane)
    (lane / half % 2 ? odd : even).push_back(lane);
  return {shuffle(a, c, even), shuffle(a, c, odd)};
}

Value Code::reduceTogether(ArrayRef<Value> vectors, Combine combine) {
  Values left(vectors);
  for (int64_t half = cast<VectorType>(left[0].getType()).getNumElements() / 2; half > 0; half /= 2) {
    Values folded;
    for (size_t i = 0; i < left.size(); i += 2) {
      auto [even, odd] = alternating(left[i], left[std::min(i + 1, left.size() - 1)], half);
      folded.push_back(combine(even, odd));
    }
    left = folded;
  }
  return left[0];
}

void Code::loop(Value begin, Value end, int64_t step, const Body &body) {
  loop(begin, end, step, ValueRange{}, [&](Value index, ValueRange) {
    body(index);
    return Values{};
  });
}

Values Code::loop(Value begin, Value end, int64_t step, ValueRange carried, const CarryBody &body) {
  auto loop = b.create<scf::ForOp>(begin, end, num(step), carried);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Values results = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!carried.empty())
    b.create<scf::YieldOp>(results);
  return Values(loop.getResults());
}

void Code::when(Value condition, const std::function<void()> &then, const std::function<void()> &otherwise) {
  auto branch = b.create<scf::IfOp>(condition, /*withElseRegion=*/bool(otherwise));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  then();
  if (!otherwise)
    return;
  b.setInsertionPointToStart(branch.elseBlock());
  otherwise();
}

Values Code::choose(Value condition, const std::function<Values()> &then, const std::function<Values()> &otherwise,
                    TypeRange types) {
  auto branch = b.create<scf::IfOp>(types, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  b.create<scf::YieldOp>(then());
  b.setInsertionPointToStart(branch.elseBlock());
  b.create<scf::YieldOp>(otherwise());
  return Values(branch.getResults());
}

func::FuncOp sharedFunction(ModuleOp module, StringRef name, TypeRange arguments,
                            const std::function<void(Code &, ValueRange)> &write) {
  if (auto function = module.lookupSymbol<func::FuncOp>(name))
    return function;
  ImplicitLocOpBuilder builder(module.getLoc(), module.getContext());
  builder.setInsertionPointToEnd(module.getBody());
  auto function = builder.create<func::FuncOp>(name, builder.getFunctionType(arguments, {}));
  function.setPrivate();
  function->setAttr("passthrough", builder.getStrArrayAttr({"noinline", "nounwind"}));
  builder.setInsertionPointToStart(function.addEntryBlock());
  Code code(builder);
  write(code, function.getArguments());
  builder.create<func::ReturnOp>();
  return function;
}

} // namespace kvasir::cpu
