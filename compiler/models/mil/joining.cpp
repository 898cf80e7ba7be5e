// SPDX-License-Identifier: MIT
// Tensors put together, cut apart, repeated, made.
#include "compiler/models/mil/families.h"

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;

/// Longer lists of numbers are joined as tensors: doubled often enough, one by one they would fill any memory.
constexpr int64_t kMostJoined = 1024;

OpFoldResult foldOf(Builder &b, const Scalar &scalar) {
  return scalar.constant() ? OpFoldResult(b.getIndexAttr(*scalar.constant())) : OpFoldResult(scalar.value);
}

SmallVector<OpFoldResult> foldsOf(Builder &b, ArrayRef<Scalar> scalars) {
  SmallVector<OpFoldResult> folds;
  for (const Scalar &scalar : scalars)
    folds.push_back(foldOf(b, scalar));
  return folds;
}

SmallVector<OpFoldResult> repeated(Builder &b, size_t count, int64_t number) {
  return SmallVector<OpFoldResult>(count, b.getIndexAttr(number));
}

/// Of all but one dim, those of the first; all must agree. Along `axis` their sum.
std::optional<Scalars> joinedDims(OpImport &op, ArrayRef<Tensor> parts, int64_t axis) {
  Scalars dims = parts.front().dims;
  for (const Tensor &part : parts.drop_front()) {
    if (part.dims.size() != dims.size() || part.element != parts.front().element) {
      op.fail("joins tensors of different ranks or element types");
      return std::nullopt;
    }
    for (int64_t i = 0; i < int64_t(dims.size()); ++i)
      if (i == axis)
        dims[i] = op.scalars.add(dims[i], part.dims[i]);
      else
        op.refuseIf(op.scalars.compare(arith::CmpIPredicate::ne, dims[i], part.dims[i]),
                    "joins tensors of different extents");
  }
  return op.failed() ? std::nullopt : std::optional(dims);
}

/// Writes the parts one behind the other along an axis.
Value joined(OpImport &op, ArrayRef<Tensor> parts, ArrayRef<Scalar> dims, int64_t axis) {
  Builder &b = op.b;
  Value result = op.empty(parts.front().element, dims);
  Scalar begin = op.scalars.constant(0);
  for (const Tensor &part : parts) {
    SmallVector<OpFoldResult> offsets = repeated(b, dims.size(), 0), sizes = foldsOf(b, part.dims);
    offsets[axis] = foldOf(b, begin);
    result = b.create<tensor::InsertSliceOp>(op.valueOf(part), result, offsets, sizes, repeated(b, dims.size(), 1));
    begin = op.scalars.add(begin, part.dims[axis]);
  }
  return result;
}
} // namespace

void importConcat(OpImport &op) {
  SmallVector<Tensor> parts = op.tensors("values");
  for (Tensor &part : parts) // exporters put single numbers beside vectors of one
    if (part.rank() == 0 && op.isSmall(part))
      part = op.make(part.element, {op.scalars.constant(1)}, op.scalarsOf(part));
  if (parts.empty() || op.flag("interleave", false))
    return op.fail(parts.empty() ? "joins nothing" : "interleaves, which is not compiled");
  const int64_t axis = op.axis(op.integer("axis", 0), parts.front().rank());
  std::optional<Scalars> dims = op.failed() ? std::nullopt : joinedDims(op, parts, axis);
  if (!dims)
    return;
  if (dims->size() == 1 && dims->front().constant().value_or(kMostJoined + 1) <= kMostJoined &&
      llvm::all_of(parts, [&](const Tensor &part) { return op.isSmall(part); })) {
    Scalars list;
    for (const Tensor &part : parts)
      llvm::append_range(list, op.scalarsOf(part));
    return op.set(op.make(parts.front().element, *dims, std::move(list)));
  }
  op.set(op.make(parts.front().element, *dims, joined(op, parts, *dims, axis)));
}

/// A new dim, along which the tensors lie.
void importStack(OpImport &op) {
  SmallVector<Tensor> parts = op.tensors("values");
  if (parts.empty())
    return op.fail("joins nothing");
  const int64_t axis = op.axis(op.integer("axis", 0), parts.front().rank() + 1);
  if (op.failed())
    return;
  if (int64_t(parts.size()) <= kMostJoined &&
      llvm::all_of(parts, [&](const Tensor &part) { return op.isSmall(part) && part.rank() == 0; })) {
    Scalars list;
    for (const Tensor &part : parts)
      llvm::append_range(list, op.scalarsOf(part));
    Scalars dims{op.scalars.constant(int64_t(list.size()))};
    return op.set(op.make(parts.front().element, dims, std::move(list)));
  }
  std::optional<Scalars> same = joinedDims(op, parts, /*axis=*/-1);
  if (!same)
    return;
  Scalars dims = *same;
  dims.insert(dims.begin() + axis, op.scalars.constant(int64_t(parts.size())));
  Builder &b = op.b;
  Value result = op.empty(parts.front().element, dims);
  for (auto [i, part] : llvm::enumerate(parts)) {
    SmallVector<OpFoldResult> offsets = repeated(b, dims.size(), 0), sizes = foldsOf(b, dims);
    offsets[axis] = b.getIndexAttr(int64_t(i));
    sizes[axis] = b.getIndexAttr(1);
    result = b.create<tensor::InsertSliceOp>(op.valueOf(part), result, offsets, sizes, repeated(b, dims.size(), 1));
  }
  op.set(op.make(parts.front().element, dims, result));
}

/// Equal parts, or parts of the sizes that are given, along an axis.
void importSplit(OpImport &op) {
  Tensor x = op.tensor("x");
  const int64_t axis = op.axis(op.integer("axis", 0), x.rank());
  const std::optional<int64_t> extent = x.rank() ? x.dims[axis].constant() : std::nullopt;
  SmallVector<int64_t> sizes;
  if (op.has("split_sizes"))
    sizes = op.integers("split_sizes");
  else if (const int64_t count = op.integer("num_splits", 0); extent && count == int64_t(op.numResults()))
    sizes.assign(count, *extent / count);
  int64_t sum = 0;
  bool fits = extent.has_value();
  for (int64_t size : sizes) {
    fits = fits && size > 0 && size <= *extent - sum;
    sum += fits ? size : 0;
  }
  if (!fits || sum != *extent || sizes.size() != op.numResults())
    return op.fail("cuts a dim into parts that do not make it up");
  Builder &b = op.b;
  int64_t begin = 0;
  for (auto [i, size] : llvm::enumerate(sizes)) {
    Scalars dims = x.dims;
    dims[axis] = op.scalars.constant(size);
    SmallVector<OpFoldResult> offsets = repeated(b, dims.size(), 0);
    offsets[axis] = b.getIndexAttr(begin);
    Value part = b.create<tensor::ExtractSliceOp>(tensorType(b.getContext(), x.element, dims), op.valueOf(x), offsets,
                                                  foldsOf(b, dims), repeated(b, dims.size(), 1));
    op.set(op.make(x.element, dims, part), i);
    begin += size;
  }
}

void importTile(OpImport &op) {
  Tensor x = op.tensor("x"), reps = op.tensor("reps");
  if (!op.isSmall(reps) || op.scalarsOf(reps).size() != size_t(x.rank()))
    return op.fail("has reps that are not one integer for each dim");
  Scalars dims;
  for (auto [dim, count] : llvm::zip_equal(x.dims, op.scalarsOf(reps)))
    dims.push_back(op.scalars.multiply(dim, op.scalars.larger(count, op.scalars.constant(0))));
  Value value = op.valueOf(x);
  Value result = emitGenerate(op, x.element, dims, [&](Builder &b, ValueRange indices) {
    SmallVector<Value> own;
    for (auto [index, dim] : llvm::zip_equal(indices, x.dims))
      own.push_back(b.create<arith::RemUIOp>(index, dim.value));
    return extract(b, value, own);
  });
  op.set(op.make(x.element, dims, result));
}

/// start, start + step, … below end.
void importRange(OpImport &op) {
  Tensor start = op.tensor("start"), end = op.tensor("end"), step = op.tensor("step");
  if (!op.isSmall(start) || !op.isSmall(end) || !op.isSmall(step))
    return op.fail("counts by other numbers than integers, which is not compiled");
  ScalarBuilder &s = op.scalars;
  Scalar first = op.scalarsOf(start)[0], last = op.scalarsOf(end)[0], by = op.scalarsOf(step)[0];
  if (!by.constant() || *by.constant() <= 0)
    return op.fail("counts by a step that is not a positive number known when it is compiled");
  Scalar span = s.larger(s.subtract(last, first), s.constant(0));
  Scalar count = s.divide(s.add(span, s.constant(*by.constant() - 1)), by);
  if (ArrayRef<int64_t> dims = op.declared().dims; !count.isExtent && dims.size() == 1 && dims[0] >= 0) {
    op.refuseIf(s.compare(arith::CmpIPredicate::ne, count, s.constant(dims[0])),
                "counts another number of elements than the package says");
    count = s.constant(dims[0]);
  }
  Type type = elementType(op.b.getContext(), start.element);
  Value result = emitGenerate(op, start.element, {count}, [&](Builder &b, ValueRange indices) -> Value {
    Value number = b.create<arith::AddIOp>(first.value, b.create<arith::MulIOp>(indices[0], by.value));
    return b.create<arith::IndexCastOp>(type, number);
  });
  op.set(op.make(start.element, {count}, result));
}

namespace {
/// The operand's single number everywhere.
void setFilled(OpImport &op, Scalars dims) {
  Tensor value = op.has("value") ? op.tensor("value") : op.make(Element::f32, {}, op.filled(Element::f32, {}, 0));
  if (value.rank() != 0)
    return op.fail("has a value that is not one number");
  Value number = op.b.create<tensor::ExtractOp>(op.valueOf(value), ValueRange());
  Value result = emitGenerate(op, value.element, dims, [&](Builder &b, ValueRange) { return toCompute(b, number); });
  op.set(op.make(value.element, std::move(dims), result));
}
} // namespace

void importFill(OpImport &op) {
  Tensor shape = op.tensor("shape");
  if (!op.isSmall(shape))
    return op.fail("has a shape that is no list of a few integers");
  Scalars dims;
  for (const Scalar &dim : op.scalarsOf(shape))
    dims.push_back(op.scalars.larger(dim, op.scalars.constant(0)));
  setFilled(op, std::move(dims));
}

void importFillLike(OpImport &op) { setFilled(op, op.tensor("ref_tensor").dims); }

/// A new dim, along which only the element that the index says has the value `on`; none for an index outside.
void importOneHot(OpImport &op) {
  Tensor indices = op.tensor("indices"), size = op.tensor("one_hot_vector_size");
  const int64_t axis = op.axis(op.integer("axis", -1), indices.rank() + 1);
  if (!isInteger(indices.element) || !op.isSmall(size) || op.scalarsOf(size).size() != 1)
    return op.fail("has indices that are no integers, or a size that is not one");
  const Element element = op.declared().element;
  SmallVector<Value> values;
  for (auto [name, otherwise] : {std::pair("on_value", 1), std::pair("off_value", 0)}) {
    Tensor given = op.has(name) ? op.tensor(name) : op.make(element, {}, op.filled(element, {}, otherwise));
    if (given.rank() != 0 || given.element != element)
      return op.fail(Twine("has an '") + name + "' that is not one number of the result's type");
    values.push_back(op.b.create<tensor::ExtractOp>(op.valueOf(given), ValueRange()));
  }
  if (op.failed())
    return;
  Scalars dims = indices.dims;
  dims.insert(dims.begin() + axis, op.scalars.larger(op.scalarsOf(size)[0], op.scalars.constant(0)));
  Value places = op.valueOf(indices);
  Value result = emitGenerate(op, element, dims, [&](Builder &b, ValueRange at) {
    SmallVector<Value> own(at);
    own.erase(own.begin() + axis);
    Value number = b.create<tensor::ExtractOp>(places, own);
    Value place = isSigned(indices.element) ? b.create<arith::IndexCastOp>(b.getIndexType(), number).getResult()
                                            : b.create<arith::IndexCastUIOp>(b.getIndexType(), number).getResult();
    Value isOn = b.create<arith::CmpIOp>(arith::CmpIPredicate::eq, place, at[axis]);
    return toCompute(b, b.create<arith::SelectOp>(isOn, values[0], values[1]));
  });
  op.set(op.make(element, dims, result));
}

/// Of the last two dims what lies at most `lower` below the diagonal and `upper` above it, else 0. Negative: all.
void importBandPart(OpImport &op) {
  Tensor x = op.tensor("x");
  const int64_t lower = op.integer("lower", -1), upper = op.integer("upper", -1);
  if (x.rank() < 2)
    return op.fail("has an input of fewer than two dims");
  if (op.failed())
    return;
  Value source = op.valueOf(x), zero = op.number(computeType(op.b.getContext(), x.element), 0);
  Value result = emitGenerate(op, x.element, x.dims, [&](Builder &b, ValueRange at) {
    Value element = extract(b, source, at), row = at[at.size() - 2], column = at.back();
    for (auto [most, from, to] : {std::tuple(lower, column, row), std::tuple(upper, row, column)}) {
      if (most < 0)
        continue;
      Value distance = b.create<arith::SubIOp>(to, from);
      Value isFar =
          b.create<arith::CmpIOp>(arith::CmpIPredicate::sgt, distance, b.create<arith::ConstantIndexOp>(most));
      element = b.create<arith::SelectOp>(isFar, zero, element);
    }
    return element;
  });
  op.set(op.make(x.element, x.dims, result));
}

namespace {
/// The index in a dim of what lies at `place`, counted from its first element, within the padding or not: mirrored at
/// its ends, or that of the nearest one.
Value mirrored(Builder &b, Value place, Value extent, bool isReflected) {
  Value zero = b.create<arith::ConstantIndexOp>(0), one = b.create<arith::ConstantIndexOp>(1);
  Value last = b.create<arith::SubIOp>(extent, one);
  if (isReflected) {
    place = b.create<arith::MaxSIOp>(place, b.create<arith::SubIOp>(zero, place));
    place = b.create<arith::MinSIOp>(place, b.create<arith::SubIOp>(b.create<arith::AddIOp>(last, last), place));
  }
  return b.create<arith::MaxSIOp>(b.create<arith::MinSIOp>(place, last), zero);
}

/// Around it the elements of x itself. Reflected are as many as it has beside its first and last.
Value paddedFromWithin(OpImport &op, const Tensor &x, ArrayRef<Scalar> dims, ArrayRef<int64_t> before,
                       ArrayRef<int64_t> most, bool isReflected) {
  ScalarBuilder &s = op.scalars;
  for (auto [dim, count] : llvm::zip_equal(x.dims, most))
    op.refuseIf(s.compare(arith::CmpIPredicate::sle, dim, s.constant(isReflected ? count : 0)),
                "pads by more elements than there are");
  Value source = op.valueOf(x);
  return emitGenerate(op, x.element, dims, [&](Builder &b, ValueRange at) {
    SmallVector<Value> own;
    for (auto [index, dim, count] : llvm::zip_equal(at, x.dims, before)) {
      Value place = b.create<arith::SubIOp>(index, b.create<arith::ConstantIndexOp>(count));
      own.push_back(mirrored(b, place, dim.value, isReflected));
    }
    return extract(b, source, own);
  });
}
} // namespace

/// Of the last dims, as many as `pad` has pairs for: around them a constant, or what lies inside.
void importPad(OpImport &op) {
  Tensor x = op.tensor("x");
  SmallVector<int64_t> pad = op.integers("pad");
  const std::string mode = op.text("mode", "constant");
  if (!llvm::is_contained({"constant", "reflect", "replicate"}, mode) || pad.size() % 2 ||
      int64_t(pad.size()) > 2 * x.rank() ||
      llvm::any_of(pad, [](int64_t count) { return count < 0 || count > INT32_MAX; }))
    return op.fail("pads in a way that is not compiled");
  const double around = op.real("constant_val", 0);
  const size_t first = x.rank() - pad.size() / 2;
  Scalars dims = x.dims;
  SmallVector<int64_t> before(x.rank(), 0), most(x.rank(), 0);
  SmallVector<OpFoldResult> offsets = repeated(op.b, x.rank(), 0);
  for (size_t i = first; i < dims.size(); ++i) {
    const int64_t after = pad[2 * (i - first) + 1];
    before[i] = pad[2 * (i - first)];
    most[i] = std::max(before[i], after);
    offsets[i] = op.b.getIndexAttr(before[i]);
    dims[i] = op.scalars.add(dims[i], op.scalars.constant(before[i] + after));
  }
  if (op.failed())
    return;
  Value result = mode != "constant"
                     ? paddedFromWithin(op, x, dims, before, most, mode == "reflect")
                     : op.b.create<tensor::InsertSliceOp>(op.valueOf(x), op.filled(x.element, dims, around), offsets,
                                                          foldsOf(op.b, x.dims), repeated(op.b, x.rank(), 1))
                           .getResult();
  op.set(op.make(x.element, dims, result));
}

} // namespace kvasir::mil
