// SPDX-License-Identifier: MIT
#include "compiler/models/mil/windows.h"

#include "plugins/address_space.h"

using namespace mlir;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;
using Predicate = arith::CmpIPredicate;

bool isCount(int64_t number) { return number >= 1 && number <= INT32_MAX; }

/// One number of at least 1 for each dim; 1 where the op has none.
SmallVector<int64_t> countsOf(OpImport &op, StringRef name, size_t rank) {
  SmallVector<int64_t> counts = op.has(name) ? op.integers(name) : SmallVector<int64_t>(rank, 1);
  if (counts.size() == rank && llvm::all_of(counts, isCount))
    return counts;
  op.fail("has '" + name + "' that are not one positive number for each dim of its windows");
  return SmallVector<int64_t>(rank, 1);
}

int64_t reachOf(const Windows &windows, size_t i) { return windows.dilations[i] * (windows.sizes[i] - 1) + 1; }

/// Both sides of each dim, as the package says them.
void padByHand(OpImport &op, Windows &windows) {
  const size_t rank = windows.sizes.size();
  const SmallVector<int64_t> pad = op.integers("pad");
  if (pad.size() != 2 * rank || llvm::any_of(pad, [](int64_t count) { return count < 0 || count > INT32_MAX; }))
    return op.fail("has a pad that is not two numbers for each dim of its windows");
  for (size_t i = 0; i < rank; ++i) {
    windows.before.push_back(op.scalars.constant(pad[2 * i]));
    windows.after.push_back(op.scalars.constant(pad[2 * i + 1]));
  }
}

void padToSame(OpImport &op, const Tensor &x, Windows &windows, bool isLower) {
  ScalarBuilder &s = op.scalars;
  for (size_t i = 0; i < windows.sizes.size(); ++i) {
    const Scalar &extent = x.dims[i + 2], stride = s.constant(windows.strides[i]);
    const Scalar steps = s.divide(s.add(extent, s.constant(windows.strides[i] - 1)), stride);
    const Scalar covered = s.multiply(s.subtract(steps, s.constant(1)), stride);
    const Scalar lacking = s.subtract(s.add(covered, s.constant(reachOf(windows, i))), extent);
    const Scalar total = s.larger(lacking, s.constant(0)), half = s.divide(total, s.constant(2));
    windows.before.push_back(isLower ? s.subtract(total, half) : half);
    windows.after.push_back(isLower ? half : s.subtract(total, half));
  }
}
} // namespace

std::optional<Windows> windowsOf(OpImport &op, const Tensor &x, ArrayRef<int64_t> sizes) {
  const size_t rank = sizes.size();
  Windows windows{SmallVector<int64_t>(sizes), countsOf(op, "dilations", rank), countsOf(op, "strides", rank), {}, {}};
  if (x.rank() != int64_t(rank) + 2 || !llvm::all_of(sizes, isCount))
    op.fail("has windows that are not of the dims that its input has after the first two");
  for (size_t i = 0; i < rank && !op.failed(); ++i)
    if (windows.dilations[i] > kAddressSpaceBytes / windows.sizes[i])
      op.fail("has windows that are larger than memory");
  const std::string padding = op.text("pad_type", "valid");
  if (op.failed())
    return std::nullopt;
  for (const Scalar &dim : ArrayRef(x.dims).drop_front(2))
    op.refuseIf(op.scalars.compare(Predicate::eq, dim, op.scalars.constant(0)), "has an input without elements");
  if (padding == "custom")
    padByHand(op, windows);
  else if (padding == "same" || padding == "same_lower")
    padToSame(op, x, windows, padding == "same_lower");
  else if (padding == "valid")
    windows.before = windows.after = Scalars(rank, op.scalars.constant(0));
  else
    op.fail("pads by '" + padding + "', which is not known");
  return op.failed() ? std::nullopt : std::optional(std::move(windows));
}

Scalars numWindows(OpImport &op, const Tensor &x, const Windows &windows, Rounding rounding) {
  ScalarBuilder &s = op.scalars;
  Scalars counts;
  for (size_t i = 0; i < windows.sizes.size(); ++i) {
    const Scalar begins = s.add(x.dims[i + 2], windows.before[i]), stride = s.constant(windows.strides[i]);
    const Scalar padded = s.add(begins, windows.after[i]), room = s.subtract(padded, s.constant(reachOf(windows, i)));
    op.refuseIf(s.compare(Predicate::slt, room, s.constant(0)), "has fewer elements than its window");
    const Scalar steps = s.larger(room, s.constant(0));
    Scalar count = s.divide(steps, stride);
    if (rounding == Rounding::up)
      count = s.smaller(s.divide(s.add(steps, s.constant(windows.strides[i] - 1)), stride),
                        s.divide(s.larger(s.subtract(begins, s.constant(1)), s.constant(0)), stride));
    counts.push_back(s.add(count, s.constant(1)));
  }
  return counts;
}

SmallVector<Value> placesIn(Builder &b, const Windows &windows, ValueRange outer, ValueRange inner) {
  SmallVector<Value> places;
  for (size_t i = 0; i < windows.sizes.size(); ++i) {
    Value begin = b.create<arith::MulIOp>(outer[i], b.create<arith::ConstantIndexOp>(windows.strides[i]));
    Value step = b.create<arith::MulIOp>(inner[i], b.create<arith::ConstantIndexOp>(windows.dilations[i]));
    places.push_back(b.create<arith::SubIOp>(b.create<arith::AddIOp>(begin, step), windows.before[i].value));
  }
  return places;
}

Value paddedAt(Builder &b, Value source, const Tensor &x, SmallVector<Value> indices, Value around) {
  Value isInside;
  Value none = b.create<arith::ConstantIndexOp>(0), one = b.create<arith::ConstantIndexOp>(1);
  for (size_t i = 2; i < indices.size(); ++i) {
    Value fits = b.create<arith::CmpIOp>(Predicate::ult, indices[i], x.dims[i].value);
    isInside = isInside ? b.create<arith::AndIOp>(isInside, fits).getResult() : fits;
    Value last = b.create<arith::SubIOp>(x.dims[i].value, one);
    indices[i] = b.create<arith::MaxSIOp>(b.create<arith::MinSIOp>(indices[i], last), none);
  }
  return b.create<arith::SelectOp>(isInside, extract(b, source, indices), around);
}

} // namespace kvasir::mil
