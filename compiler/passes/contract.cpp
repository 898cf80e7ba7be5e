// SPDX-License-Identifier: MIT
#include "compiler/passes/contract.h"

#include "compiler/dialects/lm/emit.h"

#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace kvasir;
using kvasir::lm::emitIndex;

namespace {
/// What hides a row is as far below every score as this, or further.
constexpr double kHidden = -1e4;

/// The input that `value` is made of first, by the name that a caller knows.
std::string inputNameOf(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!op->getNumOperands())
      return "a bound number";
    value = op->getOperand(0);
  }
  auto argument = cast<BlockArgument>(value);
  auto function = dyn_cast<FunctionOpInterface>(argument.getOwner()->getParentOp());
  auto name = function ? function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "kv.name") : StringAttr();
  return name ? plainName(name) : "input " + std::to_string(argument.getArgNumber());
}

StringRef meaningOf(kv::Field field) {
  switch (field) {
  case kv::Field::start:
    return "the sequence holds %d rows";
  case kv::Field::count:
    return "the call brings %d tokens";
  default:
    return "the sequence has %d rows after the call";
  }
}

/// 1 where mask[indices] is not what a causal one has, whose token at indices[-2] sees the rows up to `last`.
Value emitFault(ImplicitLocOpBuilder &b, Value mask, ValueRange indices, Value last) {
  Value value = b.create<tensor::ExtractOp>(mask, indices);
  Type type = value.getType();
  auto constant = [&](double number) { return b.create<arith::ConstantOp>(b.getFloatAttr(type, number)); };
  Value isSeen = b.create<arith::CmpIOp>(arith::CmpIPredicate::sle, indices.back(), last);
  Value shows = b.create<arith::CmpFOp>(arith::CmpFPredicate::OEQ, value, constant(0));
  Value hides = b.create<arith::CmpFOp>(arith::CmpFPredicate::OLE, value, constant(kHidden));
  Value isRight = b.create<arith::SelectOp>(isSeen, shows, hides);
  return b.create<arith::SelectOp>(isRight, emitIndex(b, 0), emitIndex(b, 1));
}

/// How many faults mask[indices, …] has.
Value emitFaults(ImplicitLocOpBuilder &b, Value mask, Value start, SmallVector<Value> indices) {
  int64_t rank = cast<RankedTensorType>(mask.getType()).getRank();
  if (int64_t(indices.size()) == rank)
    return emitFault(b, mask, indices, b.create<arith::AddIOp>(start, indices[rank - 2]));
  Value extent = b.createOrFold<tensor::DimOp>(mask, int64_t(indices.size()));
  auto build = [&](OpBuilder &nested, Location loc, Value i, ValueRange sum) {
    ImplicitLocOpBuilder inner(loc, nested);
    SmallVector<Value> deeper = indices;
    deeper.push_back(i);
    Value faults = emitFaults(inner, mask, start, deeper);
    inner.create<scf::YieldOp>(ValueRange{inner.create<arith::AddIOp>(sum[0], faults)});
  };
  Value none = emitIndex(b, 0);
  return b.create<scf::ForOp>(none, extent, emitIndex(b, 1), ValueRange{none}, build).getResult(0);
}
} // namespace

std::string kvasir::plainName(StringRef name) {
  std::string plain = name.str();
  llvm::erase(plain, '%');
  return plain;
}

void kvasir::emitRequire(ImplicitLocOpBuilder &builder, Value found, Value expected, const Twine &message) {
  builder.create<kv::RequireOp>(found, expected, builder.getStringAttr(message));
}

void kvasir::emitLateRefusal(ImplicitLocOpBuilder &builder, Value isWrong, const Twine &message) {
  Value wrong = builder.create<arith::IndexCastUIOp>(builder.getIndexType(), isWrong);
  auto require = builder.create<kv::RequireOp>(wrong, emitIndex(builder, 0), builder.getStringAttr(message));
  require->setAttr(kLateAttr, builder.getUnitAttr());
}

void kvasir::emitRequireRows(ImplicitLocOpBuilder &builder, Value tensor, Value expected, const Twine &message) {
  emitRequire(builder, builder.createOrFold<tensor::DimOp>(tensor, 0), expected, message);
}

void kvasir::lowerBind(ImplicitLocOpBuilder &builder, kv::BindOp op, Value number) {
  std::string name = inputNameOf(op.getSource());
  if (!op.getDim()) {
    emitRequire(builder, op.getSource(), number, name + " is %d, " + meaningOf(op.getField()));
    op.replaceAllUsesWith(number);
    return op.erase();
  }
  int64_t dim = *op.getDim();
  emitRequire(builder, builder.createOrFold<tensor::DimOp>(op.getSource(), dim), number,
              name + " has an extent of %d, " + meaningOf(op.getField()));
  for (Operation *user : llvm::make_early_inc_range(op.getResult().getUsers()))
    if (auto extent = dyn_cast<tensor::DimOp>(user); extent && extent.getConstantIndex() == dim) {
      extent.replaceAllUsesWith(number);
      extent.erase();
    }
  op.replaceAllUsesWith(op.getSource());
  op.erase();
}

void kvasir::lowerCausalBind(ImplicitLocOpBuilder &builder, kv::BindOp op, Value start) {
  Value faults = emitFaults(builder, op.getSource(), start, {});
  emitRequire(builder, faults, emitIndex(builder, 0),
              inputNameOf(op.getSource()) + " is not causal: %d of its numbers are other than 0 for a row that a token "
                                            "sees and at most -1e4 for one that it does not, %d may be");
  op.replaceAllUsesWith(op.getSource());
  op.erase();
}
