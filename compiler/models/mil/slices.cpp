// SPDX-License-Identifier: MIT
// Parts of a tensor by offsets: read, and replaced.
#include "compiler/models/mil/families.h"

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;
using Predicate = arith::CmpIPredicate;

/// [begin, begin + stride, …) of one dim, `size` of them. A dropped dim has one, and no place in the result.
struct Range {
  Scalar begin, size;
  int64_t stride = 1;
  bool isDropped = false;
};

/// The flags of a mask; false where it is not given.
SmallVector<bool> maskOf(OpImport &op, StringRef name, size_t rank) {
  SmallVector<bool> mask(rank);
  if (!op.has(name))
    return mask;
  SmallVector<int64_t> numbers = op.integers(name);
  if (numbers.size() != rank)
    op.fail("has a '" + name + "' that is not one flag for each dim");
  for (size_t i = 0; i < std::min(rank, numbers.size()); ++i)
    mask[i] = numbers[i] != 0;
  return mask;
}

/// One number for each dim; none after a failure.
Scalars numbersOf(OpImport &op, StringRef name, size_t rank) {
  Tensor given = op.tensor(name);
  Scalars list = op.isSmall(given) ? op.scalarsOf(given) : Scalars();
  if (list.size() != rank)
    op.fail("has a '" + name + "' that is not one integer for each dim");
  return list;
}

/// Negative numbers count from the end.
Scalar fromEnd(OpImport &op, const Scalar &number, const Scalar &extent) {
  Scalar isNegative = op.scalars.compare(Predicate::slt, number, op.scalars.constant(0));
  return op.scalars.select(isNegative, op.scalars.add(number, extent), number);
}

/// What the masks and numbers of slice_by_index and slice_update say, dim by dim.
class RangeReader {
public:
  RangeReader(OpImport &op, ArrayRef<Scalar> dims)
      : op(op), s(op.scalars), dims(dims), begins(numbersOf(op, "begin", dims.size())),
        ends(numbersOf(op, "end", dims.size())), fromStart(maskOf(op, "begin_mask", dims.size())),
        toEnd(maskOf(op, "end_mask", dims.size())), dropped(maskOf(op, "squeeze_mask", dims.size())),
        strides(dims.size(), 1) {
    if (!op.has("stride"))
      return;
    SmallVector<int64_t> given = op.integers("stride");
    if (given.size() == dims.size() && llvm::all_of(given, [](int64_t stride) { return stride >= 1; }))
      strides = given;
    else
      op.fail("has a stride that is not one positive number for each dim, which is not compiled");
  }

  /// `expected`: by dim, the number of rows that there must be; null where nothing says.
  SmallVector<Range> read(ArrayRef<std::optional<Scalar>> expected) {
    SmallVector<Range> ranges;
    for (size_t i = 0; i < dims.size() && !op.failed(); ++i)
      ranges.push_back(dropped[i] ? readOne(i) : readMany(i, expected[i]));
    return ranges;
  }

  bool isDropped(size_t i) const { return dropped[i]; }

private:
  Range readOne(size_t i) {
    Scalar at = fromEnd(op, begins[i], dims[i]);
    Scalar last = s.subtract(dims[i], s.constant(1));
    Scalar outside = s.larger(s.compare(Predicate::slt, at, s.constant(0)), s.compare(Predicate::sgt, at, last));
    op.refuseIf(outside, "takes an index that is outside of dim " + Twine(i));
    return {s.larger(s.smaller(at, last), s.constant(0)), s.constant(1), 1, true};
  }

  Range readMany(size_t i, const std::optional<Scalar> &expected) {
    const Scalar zero = s.constant(0);
    Scalar begin = fromStart[i] ? zero : fromEnd(op, begins[i], dims[i]);
    Scalar end = toEnd[i] ? dims[i] : fromEnd(op, ends[i], dims[i]);
    if (end.constant() && dims[i].constant()) // as a package's own constants are read, which say "to the end" so
      end = s.smaller(end, dims[i]);
    Scalar span = spanOf(i, begin, end);
    Scalar outside = s.larger(s.compare(Predicate::slt, begin, zero), s.compare(Predicate::sgt, end, dims[i]));
    Scalar isBackward = s.compare(Predicate::slt, s.subtract(end, begin), zero);
    op.refuseIf(s.larger(outside, isBackward), "has offsets that are outside of dim " + Twine(i));
    if (expected && strides[i] == 1) {
      op.refuseIf(s.compare(Predicate::ne, span, *expected),
                  "has offsets in dim " + Twine(i) + " that are not as far apart as its rows are many");
      span = *expected;
    }
    if (!span.isExtent)
      op.fail("has a number of rows that a call computes, in dim " + Twine(i) + "; only their place may be computed");
    span = s.smaller(s.larger(span, zero), dims[i]);
    begin = s.larger(s.smaller(begin, s.subtract(dims[i], span)), zero);
    Scalar size = span;
    if (strides[i] != 1)
      size = s.divide(s.add(span, s.constant(strides[i] - 1)), s.constant(strides[i]));
    return {begin, size, strides[i], false};
  }

  /// end - begin. Of two computed numbers of equal sign the difference is that of the numbers as they are given.
  Scalar spanOf(size_t i, const Scalar &begin, const Scalar &end) {
    Scalar span = s.subtract(end, begin);
    if (span.isExtent || fromStart[i] || toEnd[i])
      return span;
    Scalar given = s.subtract(ends[i], begins[i]);
    if (!given.constant())
      return span;
    op.refuseIf(s.compare(Predicate::ne, span, given), "has offsets on both sides of the start of dim " + Twine(i));
    return given;
  }

  OpImport &op;
  ScalarBuilder &s;
  ArrayRef<Scalar> dims;
  Scalars begins, ends;
  SmallVector<bool> fromStart, toEnd, dropped;
  SmallVector<int64_t> strides;
};

OpFoldResult foldOf(Builder &b, const Scalar &scalar) {
  return scalar.constant() ? OpFoldResult(b.getIndexAttr(*scalar.constant())) : OpFoldResult(scalar.value);
}

struct Place {
  SmallVector<OpFoldResult> offsets, sizes, strides;
};

Place placeOf(Builder &b, ArrayRef<Range> ranges) {
  Place place;
  for (const Range &range : ranges) {
    place.offsets.push_back(foldOf(b, range.begin));
    place.sizes.push_back(foldOf(b, range.size));
    place.strides.push_back(b.getIndexAttr(range.stride));
  }
  return place;
}

Scalars keptDims(ArrayRef<Range> ranges) {
  Scalars dims;
  for (const Range &range : ranges)
    if (!range.isDropped)
      dims.push_back(range.size);
  return dims;
}

void setSlice(OpImport &op, const Tensor &x, ArrayRef<Range> ranges) {
  Scalars dims = keptDims(ranges);
  if (op.isSmall(x) && x.rank() == 1 && ranges[0].begin.constant() && ranges[0].size.constant()) {
    Scalars all = op.scalarsOf(x), list;
    for (int64_t i = 0; i < *ranges[0].size.constant(); ++i)
      list.push_back(all[*ranges[0].begin.constant() + i * ranges[0].stride]);
    return op.set(op.make(x.element, dims, std::move(list)));
  }
  Place place = placeOf(op.b, ranges);
  Value slice = op.b.create<tensor::ExtractSliceOp>(tensorType(op.b.getContext(), x.element, dims), op.valueOf(x),
                                                    place.offsets, place.sizes, place.strides);
  op.set(op.make(x.element, dims, slice));
}

/// `known` of the dims that are kept, put to the dims of x.
SmallVector<std::optional<Scalar>> expectedFor(const RangeReader &reader, size_t rank,
                                               ArrayRef<std::optional<Scalar>> known) {
  SmallVector<std::optional<Scalar>> expected(rank);
  size_t next = 0;
  for (size_t i = 0; i < rank; ++i)
    if (!reader.isDropped(i) && next < known.size())
      expected[i] = known[next++];
  return expected;
}

/// The update in the shape of the place that it goes to.
Value updateFor(OpImport &op, Tensor update, ArrayRef<Range> ranges) {
  Scalars dims = keptDims(ranges);
  if (update.dims.size() > dims.size()) {
    op.fail("has an update of more dims than the slice that it replaces");
    return {};
  }
  Tensor place = op.make(update.element, dims, op.empty(update.element, dims));
  Scalars result;
  const auto isEqual = [](auto pair) {
    auto [own, wanted] = pair;
    return own.value == wanted.value || (own.constant() && own.constant() == wanted.constant());
  };
  if (update.dims.size() == dims.size() && llvm::all_of(llvm::zip_equal(update.dims, dims), isEqual))
    return op.valueOf(update);
  return emitElementwise(
      op, {place, update}, update.element, result, [](Builder &, ValueRange elements) { return elements[1]; },
      /*isFixed=*/true);
}
} // namespace

void importSliceByIndex(OpImport &op) {
  Tensor x = op.tensor("x");
  SmallVector<std::optional<Scalar>> known;
  for (int64_t dim : op.declared().dims)
    known.push_back(dim == coreml::kAnySize ? std::nullopt : std::optional(op.scalars.constant(dim)));
  RangeReader reader(op, x.dims);
  SmallVector<Range> ranges = reader.read(expectedFor(reader, x.dims.size(), known));
  if (!op.failed())
    setSlice(op, x, ranges);
}

/// `size` -1: up to the end.
void importSliceBySize(OpImport &op) {
  Tensor x = op.tensor("x");
  Scalars begins = numbersOf(op, "begin", x.dims.size()), sizes = numbersOf(op, "size", x.dims.size());
  if (op.failed())
    return;
  ScalarBuilder &s = op.scalars;
  SmallVector<Range> ranges;
  for (size_t i = 0; i < begins.size(); ++i) {
    Scalar begin = fromEnd(op, begins[i], x.dims[i]);
    Scalar left = s.subtract(x.dims[i], begin);
    Scalar size = sizes[i].constant() == -1 ? left : sizes[i];
    Scalar isShort = s.compare(Predicate::slt, left, size);
    op.refuseIf(s.larger(isShort, s.compare(Predicate::slt, s.smaller(begin, size), s.constant(0))),
                "has offsets that are outside of dim " + Twine(i));
    size = s.smaller(s.larger(size, s.constant(0)), x.dims[i]);
    ranges.push_back({s.larger(s.smaller(begin, s.subtract(x.dims[i], size)), s.constant(0)), size, 1, false});
  }
  if (!op.failed())
    setSlice(op, x, ranges);
}

/// x with a slice of it replaced; as a value: who else reads x sees what it was.
void importSliceUpdate(OpImport &op) {
  Tensor x = op.tensor("x"), update = op.tensor("update");
  if (x.element != update.element)
    return op.fail("has an update of another element type");
  SmallVector<std::optional<Scalar>> known(update.dims.begin(), update.dims.end());
  RangeReader reader(op, x.dims);
  SmallVector<Range> ranges = reader.read(expectedFor(reader, x.dims.size(), known));
  Value part = op.failed() ? Value() : updateFor(op, update, ranges);
  if (op.failed())
    return;
  Place place = placeOf(op.b, ranges);
  Value result = op.b.create<tensor::InsertSliceOp>(part, op.valueOf(x), place.offsets, place.sizes, place.strides);
  op.set(op.make(x.element, x.dims, result));
}

} // namespace kvasir::mil
