// SPDX-License-Identifier: MIT
// A tensor with elements or rows replaced, or joined with others, where indices of a call say; as a value: who else
// reads it sees what it was. Updates go one by one in row-major order, each rounded: the last of those for one place
// stays. A call with an index outside is refused, whatever `validate_indices` is.
#include "compiler/models/mil/elementwise.h"
#include "compiler/models/mil/families.h"
#include "compiler/models/mil/indices.h"
#include "compiler/models/mil/loops.h"

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;

/// `join`: the op that makes an element of the old one and the update; null where the update is it.
struct Mode {
  const char *name, *join;
};

constexpr Mode kModes[] = {{"add", "add"}, {"div", "real_div"}, {"max", "maximum"}, {"min", "minimum"},
                           {"mul", "mul"}, {"sub", "sub"},      {"update", nullptr}};

/// False after a failure.
bool checkOperands(OpImport &op, const Tensor &data, const Tensor &indices, const Tensor &updates) {
  if (data.element != updates.element)
    op.fail("has updates of another element type");
  if (!isInteger(indices.element))
    op.fail("has indices that are no integers");
  return !op.failed();
}

/// `target`: where in `data` the update at these indices goes.
void setScattered(OpImport &op, const Tensor &data, const Tensor &updates,
                  function_ref<SmallVector<Value>(Builder &, ValueRange)> target) {
  const std::string name = op.text("mode", "add");
  const Mode *mode = llvm::find_if(kModes, [&](const Mode &known) { return name == known.name; });
  if (mode == std::end(kModes))
    op.fail("has mode '" + name + "', which is not known");
  if (op.failed())
    return;
  Value source = op.valueOf(updates);
  SmallVector<Value> extents;
  for (const Scalar &dim : updates.dims)
    extents.push_back(dim.value);
  Type type = elementType(op.b.getContext(), data.element);
  Value result = emitFold(op.b, extents, op.valueOf(data), [&](Builder &b, ValueRange at, Value soFar) -> Value {
    SmallVector<Value> place = target(b, at);
    Value element = extract(b, source, at);
    if (mode->join)
      element = emitBinary(b, mode->join, extract(b, soFar, place), element, data.element);
    return b.create<tensor::InsertOp>(fromCompute(b, element, type), soFar, place);
  });
  op.set(op.make(data.element, data.dims, result));
}
} // namespace

/// Slice i of the updates along the axis goes to slice indices[i].
void importScatter(OpImport &op) {
  Tensor data = op.tensor("data"), indices = op.tensor("indices"), updates = op.tensor("updates");
  const int64_t axis = op.axis(op.integer("axis", 0), data.rank());
  if (!checkOperands(op, data, indices, updates))
    return;
  if (indices.rank() != 1 || updates.rank() != data.rank())
    return op.fail("has indices that are no vector, or updates of another rank than its data");
  Scalars dims = data.dims;
  dims[axis] = indices.dims[0];
  refuseOtherDims(op, updates, 0, dims, "has updates of another shape than the slices that they go to");
  refuseOutside(op, indices, data.dims[axis]);
  Value places = op.valueOf(indices);
  setScattered(op, data, updates, [&](Builder &b, ValueRange at) {
    SmallVector<Value> own(at);
    own[axis] = placeAt(b, places, indices.element, at[axis], data.dims[axis]);
    return own;
  });
}

/// The update at [i, j, …] goes to [i, indices[i, j, …], …] along the axis.
void importScatterAlongAxis(OpImport &op) {
  Tensor data = op.tensor("data"), indices = op.tensor("indices"), updates = op.tensor("updates");
  const int64_t axis = op.axis(op.integer("axis", 0), data.rank());
  if (!checkOperands(op, data, indices, updates))
    return;
  if (indices.rank() != data.rank() || updates.rank() != data.rank())
    return op.fail("has indices or updates of another rank than its data");
  Scalars dims = data.dims;
  dims[axis] = indices.dims[axis];
  refuseOtherDims(op, indices, 0, dims, "has indices of another shape than its data");
  refuseOtherDims(op, updates, 0, dims, "has updates of another shape than its indices");
  refuseOutside(op, indices, data.dims[axis]);
  Value places = op.valueOf(indices);
  setScattered(op, data, updates, [&](Builder &b, ValueRange at) {
    SmallVector<Value> own(at);
    own[axis] = placeAt(b, places, indices.element, at, data.dims[axis]);
    return own;
  });
}

/// The last dim of the indices is a place in the first dims of the data. Shape of the updates: indices[:-1] + the dims
/// of the data that no index is for.
void importScatterNd(OpImport &op) {
  Tensor data = op.tensor("data"), indices = op.tensor("indices"), updates = op.tensor("updates");
  if (!checkOperands(op, data, indices, updates))
    return;
  const int64_t depth = indices.rank() ? indices.dims.back().constant().value_or(0) : 0;
  if (depth < 1 || depth > data.rank())
    return op.fail("has indices that are no places in its data");
  const int64_t outer = indices.rank() - 1;
  Scalars dims(indices.dims.begin(), indices.dims.end() - 1);
  dims.append(data.dims.begin() + depth, data.dims.end());
  if (updates.rank() != int64_t(dims.size()))
    return op.fail("has updates of another rank than the slices that they go to");
  refuseOtherDims(op, updates, 0, dims, "has updates of another shape than the slices that they go to");
  refuseOutside(op, indices, ArrayRef(data.dims).take_front(depth));
  Value places = op.valueOf(indices);
  setScattered(op, data, updates, [&](Builder &b, ValueRange at) {
    SmallVector<Value> own, place(at.take_front(outer));
    place.emplace_back();
    for (int64_t i = 0; i < depth; ++i) {
      place.back() = b.create<arith::ConstantIndexOp>(i);
      own.push_back(placeAt(b, places, indices.element, place, data.dims[i]));
    }
    llvm::append_range(own, at.drop_front(outer));
    return own;
  });
}

} // namespace kvasir::mil
