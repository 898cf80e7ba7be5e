// SPDX-License-Identifier: MIT
// Convolutions, and transposed ones.
#include "compiler/models/mil/families.h"
#include "compiler/models/mil/loops.h"
#include "compiler/models/mil/products.h"
#include "compiler/models/mil/weighted.h"
#include "compiler/models/mil/windows.h"

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;
using Predicate = arith::CmpIPredicate;

/// Dim i of the result is dim order[i] of x.
Tensor permuted(OpImport &op, const Tensor &x, ArrayRef<int64_t> order) {
  Value source = op.valueOf(x);
  Scalars dims;
  for (int64_t dim : order)
    dims.push_back(x.dims[dim]);
  Value value = emitGenerate(op, x.element, dims, [&](Builder &b, ValueRange indices) {
    SmallVector<Value> own(order.size());
    for (auto [dim, index] : llvm::zip_equal(order, indices))
      own[dim] = index;
    return extract(b, source, own);
  });
  return op.make(x.element, dims, value);
}

/// A convolution whose window is one element, as a linear over channels; nothing if it is another, or its weight has
/// few elements or is computed.
std::optional<Tensor> tryPointwise(OpImport &op, const Tensor &x, const Tensor &weight, const Windows &windows) {
  const auto isOne = [](int64_t number) { return number == 1; };
  SmallVector<int64_t> toLast{0}, back{0, x.rank() - 1};
  for (int64_t i = 2; i < x.rank(); ++i) {
    toLast.push_back(i);
    back.push_back(i - 1);
  }
  toLast.push_back(1);
  const auto isZero = [](const Scalar &padding) { return padding.constant() == 0; };
  if (weight.dims[1].constant() != x.dims[1].constant() || !llvm::all_of(windows.strides, isOne) ||
      !llvm::all_of(windows.sizes, isOne) || !llvm::all_of(windows.before, isZero) ||
      !llvm::all_of(windows.after, isZero) ||
      llvm::count_if(x.dims, [](const Scalar &dim) { return !dim.constant(); }) > 1)
    return std::nullopt;
  lm::WeightOp constant = op.weight("weight");
  std::optional<lm::WeightOp> bias = constant ? constantBias(op, weight.dims[0]) : std::nullopt;
  if (!bias)
    return std::nullopt;
  return permuted(op, emitLinear(op, permuted(op, x, toLast), constant, *bias), back);
}

/// A weight of x's type, with as many dims, at least three, which are all known.
bool checkWeight(OpImport &op, const Tensor &x, const Tensor &weight) {
  const auto isKnown = [](const Scalar &dim) { return dim.constant().has_value(); };
  if (x.rank() < 3 || x.rank() != weight.rank() || x.element != weight.element || !x.dims[1].constant() ||
      !llvm::all_of(weight.dims, isKnown))
    op.fail("has a weight that does not fit its input");
  return !op.failed();
}

SmallVector<int64_t> sizesOf(const Tensor &weight) {
  SmallVector<int64_t> sizes;
  for (const Scalar &dim : ArrayRef(weight.dims).drop_front(2))
    sizes.push_back(*dim.constant());
  return sizes;
}

SmallVector<Value> extentsFrom(const Tensor &weight, size_t first) {
  SmallVector<Value> extents;
  for (const Scalar &dim : ArrayRef(weight.dims).drop_front(first))
    extents.push_back(dim.value);
  return extents;
}

/// A number of groups that divides both numbers of channels; 0 after a failure.
int64_t groupsOf(OpImport &op, int64_t inputs, int64_t outputs) {
  const int64_t groups = op.integer("groups", 1);
  if (groups >= 1 && inputs % groups == 0 && outputs % groups == 0)
    return groups;
  op.fail("has groups that do not divide its channels");
  return 0;
}

/// The first of the channels of channel `of`'s group, where groups of `from` channels go with groups of `to`.
Value firstOfGroup(Builder &b, Value of, int64_t from, int64_t to) {
  Value group = b.create<arith::DivUIOp>(of, b.create<arith::ConstantIndexOp>(from));
  return b.create<arith::MulIOp>(group, b.create<arith::ConstantIndexOp>(to));
}
} // namespace

/// x [N, in, …], weight [out, in / groups, …]. Group g of the outputs sees group g of the inputs.
void importConvolution(OpImport &op) {
  Tensor x = op.tensor("x"), weight = op.tensor("weight");
  if (!checkWeight(op, x, weight))
    return;
  const int64_t perGroup = *weight.dims[1].constant(), outputs = *weight.dims[0].constant();
  const int64_t inputs = *x.dims[1].constant(), groups = groupsOf(op, inputs, outputs);
  const std::optional<Windows> windows = windowsOf(op, x, sizesOf(weight));
  if (!windows || op.failed())
    return;
  if (inputs / groups != perGroup)
    return op.fail("has groups that do not divide its channels");
  if (std::optional<Tensor> product = tryPointwise(op, x, weight, *windows))
    return op.set(std::move(*product));
  Scalars dims{x.dims[0], weight.dims[0]};
  llvm::append_range(dims, numWindows(op, x, *windows, Rounding::down));
  Value source = op.valueOf(x), taps = op.valueOf(weight), bias = biasOf(op, weight.dims[0], x.element);
  if (op.failed())
    return;
  Value result = emitGenerate(op, x.element, dims, [&](Builder &b, ValueRange indices) {
    Value firstChannel = firstOfGroup(b, indices[1], outputs / groups, perGroup);
    auto body = [&](Builder &inner, ValueRange at, Value soFar) {
      SmallVector<Value> own{indices[0], inner.create<arith::AddIOp>(firstChannel, at[0])}, tap{indices[1]};
      llvm::append_range(tap, at);
      llvm::append_range(own, placesIn(inner, *windows, indices.drop_front(2), at.drop_front()));
      Value element = paddedAt(inner, source, x, own, zeroOf(inner, x.element));
      return plus(inner, soFar, times(inner, element, extract(inner, taps, tap)));
    };
    Value sum = emitFold(b, extentsFrom(weight, 1), zeroOf(b, x.element), body);
    return bias ? plus(b, sum, extract(b, bias, ValueRange{indices[1]})) : sum;
  });
  op.set(op.make(x.element, dims, result));
}

namespace {
/// By dim the windows' extents together, less the padding.
Scalars spreadDims(OpImport &op, const Tensor &x, const Windows &windows) {
  ScalarBuilder &s = op.scalars;
  Scalars dims;
  for (size_t i = 0; i < windows.sizes.size(); ++i) {
    const Scalar last = s.multiply(s.subtract(x.dims[i + 2], s.constant(1)), s.constant(windows.strides[i]));
    const Scalar whole = s.add(last, s.constant(windows.dilations[i] * (windows.sizes[i] - 1) + 1));
    const Scalar kept = s.subtract(s.subtract(whole, windows.before[i]), windows.after[i]);
    op.refuseIf(s.compare(Predicate::slt, kept, s.constant(1)), "pads away what it makes");
    dims.push_back(s.larger(kept, s.constant(1)));
  }
  return dims;
}

/// The windows whose element `inner` lies at `outer`: their indices, those that are none moved to 0, and whether there
/// is one.
std::pair<SmallVector<Value>, Value> windowsAt(Builder &b, const Tensor &x, const Windows &windows, ValueRange outer,
                                               ValueRange inner) {
  SmallVector<Value> indices;
  Value zero = b.create<arith::ConstantIndexOp>(0), isThere;
  for (size_t i = 0; i < windows.sizes.size(); ++i) {
    Value stride = b.create<arith::ConstantIndexOp>(windows.strides[i]);
    Value step = b.create<arith::MulIOp>(inner[i], b.create<arith::ConstantIndexOp>(windows.dilations[i]));
    Value place = b.create<arith::SubIOp>(b.create<arith::AddIOp>(outer[i], windows.before[i].value), step);
    Value isNatural = b.create<arith::CmpIOp>(Predicate::sge, place, zero);
    Value isWhole = b.create<arith::CmpIOp>(Predicate::eq, b.create<arith::RemSIOp>(place, stride), zero);
    Value index = b.create<arith::DivSIOp>(place, stride);
    Value isInside = b.create<arith::CmpIOp>(Predicate::slt, index, x.dims[i + 2].value);
    Value fits = b.create<arith::AndIOp>(b.create<arith::AndIOp>(isNatural, isWhole), isInside);
    indices.push_back(b.create<arith::SelectOp>(fits, index, zero));
    isThere = isThere ? b.create<arith::AndIOp>(isThere, fits).getResult() : fits;
  }
  return {indices, isThere};
}
} // namespace

/// x [N, in, …], weight [in, out / groups, …]: each element of x spreads its window, and they are summed.
void importTransposedConvolution(OpImport &op) {
  Tensor x = op.tensor("x"), weight = op.tensor("weight");
  if (!checkWeight(op, x, weight))
    return;
  const std::string padding = op.text("pad_type", "valid");
  if (padding != "valid" && padding != "custom")
    return op.fail("pads by '" + padding + "', which is not compiled; valid and custom are");
  const int64_t inputs = *x.dims[1].constant(), perGroup = *weight.dims[1].constant();
  const int64_t groups = groupsOf(op, inputs, 0);
  const std::optional<Windows> windows = windowsOf(op, x, sizesOf(weight));
  if (!windows || op.failed())
    return;
  if (weight.dims[0].constant() != inputs || perGroup > INT32_MAX / groups)
    return op.fail("has a weight that does not fit its input");
  Scalars dims{x.dims[0], op.scalars.constant(perGroup * groups)};
  llvm::append_range(dims, spreadDims(op, x, *windows));
  Value source = op.valueOf(x), taps = op.valueOf(weight), bias = biasOf(op, dims[1], x.element);
  if (op.failed())
    return;
  SmallVector<Value> extents{op.index(inputs / groups)};
  llvm::append_range(extents, extentsFrom(weight, 2));
  Value result = emitGenerate(op, x.element, dims, [&](Builder &b, ValueRange indices) {
    Value firstChannel = firstOfGroup(b, indices[1], perGroup, inputs / groups);
    Value output = b.create<arith::RemUIOp>(indices[1], b.create<arith::ConstantIndexOp>(perGroup));
    Value sum = emitFold(b, extents, zeroOf(b, x.element), [&](Builder &inner, ValueRange at, Value soFar) {
      Value channel = inner.create<arith::AddIOp>(firstChannel, at[0]);
      auto [places, isThere] = windowsAt(inner, x, *windows, indices.drop_front(2), at.drop_front());
      SmallVector<Value> own{indices[0], channel}, tap{channel, output};
      llvm::append_range(own, places);
      llvm::append_range(tap, at.drop_front());
      Value zero = zeroOf(inner, x.element);
      Value element = inner.create<arith::SelectOp>(isThere, extract(inner, source, own), zero);
      return plus(inner, soFar, times(inner, element, extract(inner, taps, tap)));
    });
    return bias ? plus(b, sum, extract(b, bias, ValueRange{indices[1]})) : sum;
  });
  op.set(op.make(x.element, dims, result));
}

} // namespace kvasir::mil
