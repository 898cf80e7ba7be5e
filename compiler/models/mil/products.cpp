// SPDX-License-Identifier: MIT
// Sums of products: linear, matmul, convolution.
#include "compiler/models/mil/families.h"
#include "compiler/models/mil/loops.h"
#include "compiler/models/mil/weighted.h"

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;

Value zeroOf(Builder &b, Element element) {
  Type type = computeType(b.getContext(), element);
  if (isa<FloatType>(type))
    return b.create<arith::ConstantOp>(b.getFloatAttr(type, 0));
  return b.create<arith::ConstantOp>(b.getIntegerAttr(type, 0));
}

Value plus(Builder &b, Value lhs, Value rhs) {
  return isa<FloatType>(lhs.getType()) ? b.create<arith::AddFOp>(lhs, rhs).getResult()
                                       : b.create<arith::AddIOp>(lhs, rhs).getResult();
}

Value times(Builder &b, Value lhs, Value rhs) {
  return isa<FloatType>(lhs.getType()) ? b.create<arith::MulFOp>(lhs, rhs).getResult()
                                       : b.create<arith::MulIOp>(lhs, rhs).getResult();
}

bool differ(OpImport &op, const Scalar &lhs, const Scalar &rhs, const Twine &reason) {
  op.refuseIf(op.scalars.compare(arith::CmpIPredicate::ne, lhs, rhs), reason);
  return op.failed();
}

/// A bias of one number for each row of the weight; a null value without one.
Value biasOf(OpImport &op, const Scalar &count) {
  if (!op.has("bias"))
    return {};
  Tensor bias = op.tensor("bias");
  if (bias.rank() != 1 || differ(op, bias.dims[0], count, "has a bias of another length than its weight has rows"))
    return op.fail("has a bias that is no vector"), Value();
  return op.valueOf(bias);
}

/// The bias as a weight, null where it is not there or 0; nothing if it is no constant of so many elements.
std::optional<lm::WeightOp> constantBias(OpImport &op, const Scalar &count) {
  if (!op.has("bias"))
    return lm::WeightOp();
  const Tensor bias = op.tensor("bias");
  if (!bias.constant || bias.rank() != 1 || bias.dims[0].constant() != count.constant())
    return std::nullopt;
  if (llvm::all_of(bias.constant->bytes, [](uint8_t byte) { return byte == 0; }))
    return lm::WeightOp();
  lm::WeightOp weight = op.weight("bias");
  return weight ? std::optional(weight) : std::nullopt;
}
} // namespace

/// x W^T + bias; weight [out, in].
void importLinear(OpImport &op) {
  Tensor x = op.tensor("x"), weight = op.tensor("weight");
  if (x.rank() < 1 || weight.rank() != 2 || x.element != weight.element)
    return op.fail("has a weight that is no matrix, or of another element type");
  if (differ(op, x.dims.back(), weight.dims[1], "has a weight of other columns than its input has"))
    return;
  if (lm::WeightOp constant = hasRows(x) ? op.weight("weight") : lm::WeightOp())
    if (std::optional<lm::WeightOp> addend = constantBias(op, weight.dims[0]))
      return op.set(emitLinear(op, x, constant, *addend));
  Value source = op.valueOf(x), matrix = op.valueOf(weight), bias = biasOf(op, weight.dims[0]);
  if (op.failed())
    return;
  Scalars dims = x.dims;
  dims.back() = weight.dims[0];
  SmallVector<Value> depth{weight.dims[1].value};
  Value result = emitGenerate(op, x.element, dims, [&](Builder &b, ValueRange indices) {
    Value sum = emitFold(b, depth, zeroOf(b, x.element), [&](Builder &inner, ValueRange at, Value soFar) {
      SmallVector<Value> own(indices);
      own.back() = at.front();
      Value factor = extract(inner, matrix, ValueRange{indices.back(), at.front()});
      return plus(inner, soFar, times(inner, extract(inner, source, own), factor));
    });
    return bias ? plus(b, sum, extract(b, bias, ValueRange{indices.back()})) : sum;
  });
  op.set(op.make(x.element, dims, result));
}

namespace {
/// The indices of one side of a product: batch dims broadcast, the last two are given.
SmallVector<Value> sideIndices(Builder &b, const Tensor &side, ValueRange batch, Value row, Value column) {
  SmallVector<Value> indices;
  const size_t numBatch = side.dims.size() - 2;
  for (auto [dim, index] : llvm::zip_equal(ArrayRef(side.dims).take_front(numBatch), batch.take_back(numBatch)))
    indices.push_back(dim.constant() == 1 ? b.create<arith::ConstantIndexOp>(0).getResult() : index);
  indices.append({row, column});
  return indices;
}

/// Batch dims of a product, where extents of 1 broadcast.
Scalars batchDims(OpImport &op, const Tensor &x, const Tensor &y) {
  const bool isLonger = x.rank() >= y.rank();
  Scalars dims(ArrayRef((isLonger ? x : y).dims).drop_back(2));
  Scalars others(ArrayRef((isLonger ? y : x).dims).drop_back(2));
  for (size_t i = 0; i < others.size(); ++i) {
    Scalar &dim = dims[dims.size() - others.size() + i];
    if (dim.constant() == 1)
      dim = others[i];
    else if (others[i].constant() != 1)
      differ(op, dim, others[i], "multiplies batches of different extents");
  }
  return dims;
}
} // namespace

void importMatmul(OpImport &op) {
  Tensor x = op.tensor("x"), y = op.tensor("y");
  const bool xTurned = op.flag("transpose_x", false), yTurned = op.flag("transpose_y", false);
  if (x.rank() < 2 || y.rank() < 2 || x.element != y.element)
    return op.fail("multiplies tensors of fewer than two dims, or of different element types");
  const auto side = [](const Tensor &tensor, bool isRow) { return tensor.dims[tensor.rank() - (isRow ? 2 : 1)]; };
  const Scalar depth = side(x, xTurned);
  if (differ(op, depth, side(y, !yTurned), "multiplies tensors whose inner extents differ"))
    return;
  if (!xTurned && y.rank() == 2 && hasRows(x))
    if (lm::WeightOp weight = op.weight("y", yTurned ? Order::asItLies : Order::turned))
      return op.set(emitLinear(op, x, weight, lm::WeightOp()));
  Scalars dims = batchDims(op, x, y);
  dims.push_back(side(x, !xTurned));
  dims.push_back(side(y, yTurned));
  Value left = op.valueOf(x), right = op.valueOf(y);
  Value result = emitGenerate(op, x.element, dims, [&](Builder &b, ValueRange indices) {
    ValueRange batch = indices.drop_back(2);
    Value row = indices[indices.size() - 2], column = indices.back();
    return emitFold(b, {depth.value}, zeroOf(b, x.element), [&](Builder &inner, ValueRange at, Value soFar) {
      Value k = at.front();
      Value lhs = extract(inner, left, sideIndices(inner, x, batch, xTurned ? k : row, xTurned ? row : k));
      Value rhs = extract(inner, right, sideIndices(inner, y, batch, yTurned ? column : k, yTurned ? k : column));
      return plus(inner, soFar, times(inner, lhs, rhs));
    });
  });
  op.set(op.make(x.element, dims, result));
}

namespace {
/// From a window's first element to its last; no tensor that fits into memory is as long.
constexpr int64_t kMostReach = int64_t(1) << 47;

/// How a convolution goes through the dims after the first two.
struct Windows {
  SmallVector<int64_t> strides, dilations, pad; ///< pad: before and after each dim
  int64_t groups;
};

Windows windowsOf(OpImport &op, const Tensor &weight) {
  const size_t rank = weight.rank() - 2;
  Windows windows{SmallVector<int64_t>(rank, 1), SmallVector<int64_t>(rank, 1), SmallVector<int64_t>(2 * rank, 0),
                  op.integer("groups", 1)};
  if (op.has("strides"))
    windows.strides = op.integers("strides");
  if (op.has("dilations"))
    windows.dilations = op.integers("dilations");
  const std::string padding = op.text("pad_type", "valid");
  if (padding == "custom")
    windows.pad = op.integers("pad");
  else if (padding != "valid")
    op.fail("pads by '" + padding + "', which is not compiled; valid and custom are");
  const auto isWrong = [](int64_t number) { return number < 1 || number > INT32_MAX; };
  if (windows.strides.size() != rank || windows.dilations.size() != rank || windows.pad.size() != 2 * rank ||
      llvm::any_of(windows.strides, isWrong) || llvm::any_of(windows.dilations, isWrong) ||
      llvm::any_of(windows.pad, [](int64_t number) { return number < 0 || number > INT32_MAX; }) || windows.groups < 1)
    op.fail("has strides, dilations, pads or groups that are not ones of its dims");
  return windows;
}

/// [N, out, …]: an extent is (in + pads - dilation (window - 1) - 1) / stride + 1.
Scalars convolvedDims(OpImport &op, const Tensor &x, const Tensor &weight, const Windows &windows) {
  ScalarBuilder &s = op.scalars;
  Scalars dims{x.dims[0], weight.dims[0]};
  for (size_t i = 0; i + 2 < x.dims.size(); ++i) {
    const int64_t window = weight.dims[i + 2].constant().value_or(1), pad = windows.pad[2 * i] + windows.pad[2 * i + 1];
    int64_t reach;
    if (__builtin_mul_overflow(windows.dilations[i], window - 1, &reach) || reach > kMostReach) {
      op.fail("has windows that are larger than memory");
      return dims;
    }
    Scalar room = s.add(x.dims[i + 2], s.constant(pad - reach - 1));
    op.refuseIf(s.compare(arith::CmpIPredicate::slt, room, s.constant(0)), "has fewer elements than its window");
    Scalar steps = s.divide(s.larger(room, s.constant(0)), s.constant(windows.strides[i]));
    dims.push_back(s.add(steps, s.constant(1)));
  }
  return dims;
}

/// x at a place that may lie in the padding, where it is 0.
Value paddedAt(Builder &b, Value source, const Tensor &x, SmallVector<Value> indices, Value zero) {
  Value isInside;
  Value none = b.create<arith::ConstantIndexOp>(0), one = b.create<arith::ConstantIndexOp>(1);
  for (size_t i = 2; i < indices.size(); ++i) {
    Value fits = b.create<arith::CmpIOp>(arith::CmpIPredicate::ult, indices[i], x.dims[i].value);
    isInside = isInside ? b.create<arith::AndIOp>(isInside, fits).getResult() : fits;
    Value last = b.create<arith::SubIOp>(x.dims[i].value, one);
    indices[i] = b.create<arith::MaxSIOp>(b.create<arith::MinSIOp>(indices[i], last), none);
  }
  return b.create<arith::SelectOp>(isInside, extract(b, source, indices), zero);
}

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
  const auto isUnit = [](const Scalar &dim) { return dim.constant() == 1; };
  SmallVector<int64_t> toLast{0}, back{0, x.rank() - 1};
  for (int64_t i = 2; i < x.rank(); ++i) {
    toLast.push_back(i);
    back.push_back(i - 1);
  }
  toLast.push_back(1);
  if (windows.groups != 1 || !llvm::all_of(windows.strides, isOne) ||
      llvm::any_of(windows.pad, [](int64_t n) { return n; }) ||
      !llvm::all_of(ArrayRef(weight.dims).drop_front(2), isUnit) ||
      llvm::count_if(x.dims, [](const Scalar &dim) { return !dim.constant(); }) > 1)
    return std::nullopt;
  lm::WeightOp constant = op.weight("weight");
  std::optional<lm::WeightOp> bias = constant ? constantBias(op, weight.dims[0]) : std::nullopt;
  if (!bias)
    return std::nullopt;
  return permuted(op, emitLinear(op, permuted(op, x, toLast), constant, *bias), back);
}
} // namespace

/// x [N, in, …], weight [out, in / groups, …]. Group g of the outputs sees group g of the inputs.
void importConvolution(OpImport &op) {
  Tensor x = op.tensor("x"), weight = op.tensor("weight");
  if (x.rank() < 3 || x.rank() != weight.rank() || x.element != weight.element || !x.dims[1].constant() ||
      !weight.dims[0].constant() || !weight.dims[1].constant())
    return op.fail("has a weight that does not fit its input");
  const Windows windows = windowsOf(op, weight);
  if (op.failed())
    return;
  const int64_t perGroup = *weight.dims[1].constant(), outputs = *weight.dims[0].constant();
  if (perGroup * windows.groups != *x.dims[1].constant() || outputs % windows.groups)
    return op.fail("has groups that do not divide its channels");
  if (std::optional<Tensor> product = tryPointwise(op, x, weight, windows))
    return op.set(std::move(*product));
  Scalars dims = convolvedDims(op, x, weight, windows);
  Value source = op.valueOf(x), taps = op.valueOf(weight), bias = biasOf(op, weight.dims[0]);
  if (op.failed())
    return;
  SmallVector<Value> extents;
  for (const Scalar &dim : ArrayRef(weight.dims).drop_front())
    extents.push_back(dim.value);
  Value result = emitGenerate(op, x.element, dims, [&](Builder &b, ValueRange indices) {
    auto constant = [&](Builder &at, int64_t number) { return at.create<arith::ConstantIndexOp>(number).getResult(); };
    Value group = b.create<arith::DivUIOp>(indices[1], constant(b, outputs / windows.groups));
    Value firstChannel = b.create<arith::MulIOp>(group, constant(b, perGroup));
    Value sum = emitFold(b, extents, zeroOf(b, x.element), [&](Builder &inner, ValueRange at, Value soFar) {
      SmallVector<Value> own{indices[0], inner.create<arith::AddIOp>(firstChannel, at[0])}, tap{indices[1]};
      llvm::append_range(tap, at);
      for (size_t i = 0; i + 2 < x.dims.size(); ++i) {
        Value begin = inner.create<arith::MulIOp>(indices[i + 2], constant(inner, windows.strides[i]));
        Value step = inner.create<arith::MulIOp>(at[i + 1], constant(inner, windows.dilations[i]));
        Value place = inner.create<arith::AddIOp>(begin, step);
        own.push_back(inner.create<arith::SubIOp>(place, constant(inner, windows.pad[2 * i])));
      }
      Value element = paddedAt(inner, source, x, own, zeroOf(inner, x.element));
      return plus(inner, soFar, times(inner, element, extract(inner, taps, tap)));
    });
    return bias ? plus(b, sum, extract(b, bias, ValueRange{indices[1]})) : sum;
  });
  op.set(op.make(x.element, dims, result));
}

} // namespace kvasir::mil
