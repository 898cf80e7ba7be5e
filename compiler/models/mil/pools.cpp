// SPDX-License-Identifier: MIT
// One number of each window: its largest, its mean, the root of its sum of squares.
#include "compiler/models/mil/channels.h"
#include "compiler/models/mil/families.h"
#include "compiler/models/mil/loops.h"
#include "compiler/models/mil/products.h"
#include "compiler/models/mil/windows.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;

enum class Counted { padding, elements };

/// How many places of window `outer` lie in x, or in x and its padding. A window that begins inside has one at least,
/// unless it lies in the padding.
Value countOf(Builder &b, const Tensor &x, const Windows &windows, ValueRange outer, Counted counted) {
  Value count = b.create<arith::ConstantIndexOp>(1), zero = b.create<arith::ConstantIndexOp>(0);
  for (size_t i = 0; i < windows.sizes.size(); ++i) {
    Value begin = b.create<arith::MulIOp>(outer[i], b.create<arith::ConstantIndexOp>(windows.strides[i]));
    Value end = b.create<arith::AddIOp>(begin, b.create<arith::ConstantIndexOp>(windows.sizes[i]));
    Value first = counted == Counted::padding ? zero : windows.before[i].value;
    Value last = b.create<arith::AddIOp>(windows.before[i].value, x.dims[i + 2].value);
    if (counted == Counted::padding)
      last = b.create<arith::AddIOp>(last, windows.after[i].value);
    Value span = b.create<arith::SubIOp>(b.create<arith::MinSIOp>(end, last), b.create<arith::MaxSIOp>(begin, first));
    count = b.create<arith::MulIOp>(count, b.create<arith::MaxSIOp>(span, zero));
  }
  return b.create<arith::SIToFPOp>(b.getF32Type(), b.create<arith::IndexCastOp>(b.getI64Type(), count));
}
} // namespace

void importPool(OpImport &op) {
  Tensor x = op.tensor("x");
  const std::string &type = op.operation.type;
  const bool isMost = type == "max_pool", isMean = type == "avg_pool";
  const bool isCeiled = op.flag("ceil_mode", false);
  const Counted counted = op.flag("exclude_padding_from_average", false) ? Counted::elements : Counted::padding;
  if (x.rank() < 3 || !isReal(x))
    return op.fail("has an input of no float type, or of fewer than three dims");
  const std::optional<Windows> windows = windowsOf(op, x, op.integers("kernel_sizes"));
  if (!windows || op.failed())
    return;
  Scalars dims(ArrayRef(x.dims).take_front(2));
  llvm::append_range(dims, numWindows(op, x, *windows, isCeiled ? Rounding::up : Rounding::down));
  Value source = op.valueOf(x);
  SmallVector<Value> extents;
  for (int64_t size : windows->sizes)
    extents.push_back(op.index(size));
  const double neutral = isMost ? -std::numeric_limits<double>::infinity() : 0;
  Value result = emitGenerate(op, x.element, dims, [&](Builder &b, ValueRange indices) -> Value {
    ValueRange outer = indices.drop_front(2);
    Value first = b.create<arith::ConstantOp>(b.getF32FloatAttr(float(neutral)));
    Value all = emitFold(b, extents, first, [&](Builder &inner, ValueRange at, Value soFar) -> Value {
      SmallVector<Value> own(indices.take_front(2));
      llvm::append_range(own, placesIn(inner, *windows, outer, at));
      Value element = paddedAt(inner, source, x, own, first);
      if (isMost)
        return inner.create<arith::MaximumFOp>(soFar, element);
      return plus(inner, soFar, isMean ? element : times(inner, element, element));
    });
    if (isMean)
      return b.create<arith::DivFOp>(all, countOf(b, x, *windows, outer, counted));
    return isMost ? all : b.create<math::SqrtOp>(all).getResult();
  });
  op.set(op.make(x.element, dims, result));
}

} // namespace kvasir::mil
