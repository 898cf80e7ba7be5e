// SPDX-License-Identifier: MIT
// Elements in their order along a dim: equal ones as they lie, NaN last, whichever way it goes.
#include "compiler/models/mil/channels.h"
#include "compiler/models/mil/families.h"
#include "compiler/models/mil/loops.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;
using Predicate = arith::CmpIPredicate;

/// Sorts places along an axis by the elements that lie there: runs of 1, 2, 4, … that are in order are merged two by
/// two, between two tensors of i32.
class Sorter {
public:
  Sorter(OpImport &op, const Tensor &x, int64_t axis, bool isAscending)
      : op(op), x(x), axis(axis), isAscending(isAscending), source(op.valueOf(x)), extent(x.dims[axis].value) {
    for (const Scalar &dim : x.dims)
      extents.push_back(dim.value);
  }

  Value places() {
    Builder &b = op.b;
    Value lying = emitGenerate(op, Element::i32, x.dims, [&](Builder &inner, ValueRange at) -> Value {
      return inner.create<arith::IndexCastOp>(inner.getI32Type(), at[axis]);
    });
    auto build = [&](OpBuilder &builder, Location loc, Value step, ValueRange carried) {
      Builder inner(loc, builder);
      Value one = inner.create<arith::ConstantIndexOp>(1);
      Value width = inner.create<arith::ShLIOp>(one, inner.create<arith::ShLIOp>(step, one));
      Value there = merged(inner, width, carried[0], carried[1]);
      Value back = merged(inner, inner.create<arith::ShLIOp>(width, one), there, carried[0]);
      inner.create<scf::YieldOp>(ValueRange{back, there});
    };
    Value zero = op.index(0), one = op.index(1);
    return b.create<scf::ForOp>(zero, numRounds(), one, ValueRange{lying, op.filled(Element::i32, x.dims, 0)}, build)
        .getResult(0);
  }

private:
  /// Each merges runs of one width and of twice that: half the bits of the extent less 1, rounded up.
  Value numRounds() {
    if (std::optional<int64_t> known = x.dims[axis].constant())
      return op.index((llvm::Log2_64_Ceil(uint64_t(std::max<int64_t>(*known, 1))) + 1) / 2);
    Builder &b = op.b;
    Value last = b.create<arith::IndexCastOp>(b.getI64Type(), b.create<arith::SubIOp>(extent, op.index(1)));
    Value zeros = b.create<math::CountLeadingZerosOp>(last);
    Value bits = b.create<arith::SubIOp>(op.index(65), b.create<arith::IndexCastOp>(b.getIndexType(), zeros));
    return b.create<arith::ShRUIOp>(bits, op.index(1));
  }

  /// Of the runs of `width` elements in `from` each two make one in `into`: an element goes as far behind the start of
  /// both as there are elements before it in its own run and in the other.
  Value merged(Builder &b, Value width, Value from, Value into) {
    return emitFold(b, extents, into, [&](Builder &inner, ValueRange at, Value soFar) -> Value {
      Value one = inner.create<arith::ConstantIndexOp>(1), both = inner.create<arith::ShLIOp>(width, one);
      Value start = inner.create<arith::MulIOp>(inner.create<arith::DivUIOp>(at[axis], both), both);
      Value middle = inner.create<arith::MinUIOp>(inner.create<arith::AddIOp>(start, width), extent);
      Value end = inner.create<arith::MinUIOp>(inner.create<arith::AddIOp>(start, both), extent);
      Value isFirst = inner.create<arith::CmpIOp>(Predicate::ult, at[axis], middle);
      Value low = inner.create<arith::SelectOp>(isFirst, middle, start);
      Value high = inner.create<arith::SelectOp>(isFirst, end, middle);
      Value place = inner.create<tensor::ExtractOp>(from, at);
      Value numBefore = inner.create<arith::SubIOp>(countBefore(inner, from, at, place, isFirst, low, high), low);
      Value own = inner.create<arith::SelectOp>(
          isFirst, at[axis], inner.create<arith::AddIOp>(start, inner.create<arith::SubIOp>(at[axis], middle)));
      SmallVector<Value> target(at);
      target[axis] = inner.create<arith::AddIOp>(own, numBefore);
      return inner.create<tensor::InsertOp>(place, soFar, target);
    });
  }

  /// The first of [low, high) in `from` that does not go before `place`. Of equals the first run's go first.
  Value countBefore(Builder &b, Value from, ValueRange at, Value place, Value isFirst, Value low, Value high) {
    Value key = elementAt(b, at, place);
    Type index = b.getIndexType();
    auto test = [&](OpBuilder &builder, Location loc, ValueRange bounds) {
      Builder inner(loc, builder);
      Value isOpen = inner.create<arith::CmpIOp>(Predicate::ult, bounds[0], bounds[1]);
      inner.create<scf::ConditionOp>(isOpen, bounds);
    };
    auto halve = [&](OpBuilder &builder, Location loc, ValueRange bounds) {
      Builder inner(loc, builder);
      Value one = inner.create<arith::ConstantIndexOp>(1);
      Value half = inner.create<arith::ShRUIOp>(inner.create<arith::AddIOp>(bounds[0], bounds[1]), one);
      SmallVector<Value> middle(at);
      middle[axis] = half;
      Value other = elementAt(inner, at, inner.create<tensor::ExtractOp>(from, middle));
      Value isAfter = isBefore(inner, key, other);
      Value isNotAfter = inner.create<arith::XOrIOp>(isAfter, op.number(inner.getI1Type(), 1));
      Value goesFirst = inner.create<arith::SelectOp>(isFirst, isBefore(inner, other, key), isNotAfter);
      Value next = inner.create<arith::AddIOp>(half, one);
      inner.create<scf::YieldOp>(ValueRange{inner.create<arith::SelectOp>(goesFirst, next, bounds[0]),
                                            inner.create<arith::SelectOp>(goesFirst, bounds[1], half)});
    };
    return b.create<scf::WhileOp>(TypeRange{index, index}, ValueRange{low, high}, test, halve).getResult(0);
  }

  Value elementAt(Builder &b, ValueRange at, Value place) {
    SmallVector<Value> own(at);
    own[axis] = b.create<arith::IndexCastOp>(b.getIndexType(), place);
    return extract(b, source, own);
  }

  Value isBefore(Builder &b, Value lhs, Value rhs) {
    if (isInteger(x.element)) {
      const Predicate less = isSigned(x.element) ? Predicate::slt : Predicate::ult;
      const Predicate more = isSigned(x.element) ? Predicate::sgt : Predicate::ugt;
      return b.create<arith::CmpIOp>(isAscending ? less : more, lhs, rhs);
    }
    using Float = arith::CmpFPredicate;
    Value isBetter = b.create<arith::CmpFOp>(isAscending ? Float::OLT : Float::OGT, lhs, rhs);
    Value isNumber = b.create<arith::CmpFOp>(Float::ORD, lhs, lhs);
    Value isNone = b.create<arith::CmpFOp>(Float::UNO, rhs, rhs);
    return b.create<arith::OrIOp>(isBetter, b.create<arith::AndIOp>(isNumber, isNone));
  }

  OpImport &op;
  const Tensor &x;
  const int64_t axis;
  const bool isAscending;
  const Value source, extent;
  SmallVector<Value> extents;
};

std::optional<Element> placeElement(OpImport &op) {
  const std::string name = op.text("output_indices_dtype", "int32");
  if (name == "int32" || name == "uint16")
    return name == "int32" ? Element::i32 : Element::u16;
  op.fail("gives indices of type '" + name + "', which is not known");
  return std::nullopt;
}
} // namespace

void importArgsort(OpImport &op) {
  Tensor x = op.tensor("x");
  const int64_t axis = op.axis(op.integer("axis", -1), x.rank());
  const bool isAscending = op.flag("ascending", false);
  if (!isInteger(x.element) && !isReal(x))
    op.fail("orders elements of a type that is not compiled");
  if (op.failed())
    return;
  op.set(op.make(Element::i32, x.dims, Sorter(op, x, axis, isAscending).places()));
}

/// The first k of the elements in order, and where they lay. k -1: all.
void importTopk(OpImport &op) {
  Tensor x = op.tensor("x");
  const int64_t axis = op.axis(op.integer("axis", -1), x.rank()), k = op.integer("k", 1);
  const bool isAscending = op.flag("ascending", false), givesPlaces = op.flag("return_indices", true);
  const std::optional<Element> element = placeElement(op);
  if (!isInteger(x.element) && !isReal(x))
    op.fail("orders elements of a type that is not compiled");
  if (op.failed())
    return;
  if (k < -1 || op.numResults() != (givesPlaces ? 2 : 1))
    return op.fail("has k " + Twine(k) + ", or another number of results than it gives");
  Scalars dims = x.dims;
  ScalarBuilder &s = op.scalars;
  if (k >= 0)
    dims[axis] = s.constant(k);
  op.refuseIf(s.compare(Predicate::slt, x.dims[axis], dims[axis]), "takes more elements than there are");
  if (element == Element::u16)
    op.refuseIf(s.compare(Predicate::sgt, x.dims[axis], s.constant(UINT16_MAX + 1)),
                "has indices that uint16 does not hold");
  if (op.failed())
    return;
  Value source = op.valueOf(x), places = Sorter(op, x, axis, isAscending).places();
  Value values = emitGenerate(op, x.element, dims, [&](Builder &b, ValueRange at) {
    SmallVector<Value> own(at);
    own[axis] = b.create<arith::IndexCastOp>(b.getIndexType(), b.create<tensor::ExtractOp>(places, at));
    return extract(b, source, own);
  });
  op.set(op.make(x.element, dims, values), 0);
  if (!givesPlaces)
    return;
  Value first = emitGenerate(op, *element, dims, [&](Builder &b, ValueRange at) -> Value {
    Value place = b.create<tensor::ExtractOp>(places, at);
    return element == Element::i32 ? place : b.create<arith::TruncIOp>(b.getI16Type(), place).getResult();
  });
  op.set(op.make(*element, dims, first), 1);
}

} // namespace kvasir::mil
