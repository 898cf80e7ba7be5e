// SPDX-License-Identifier: MIT
#include "compiler/models/mil/raised/row_forms.h"

#include "compiler/models/mil/function_import.h"

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;
const coreml::Operation kRows{"rows", 0, {}, {}, {}, {}};

/// token, head and lane of an element of the package's tensor, at `indices` of its last dims.
SmallVector<Value, 3> placeOf(Builder &b, const RowDims &dims, ValueRange indices, int64_t width) {
  Value zero = b.create<arith::ConstantIndexOp>(0);
  SmallVector<Value, 3> place(3, zero);
  for (auto [dim, index] : llvm::zip_equal(dims, indices)) {
    if (dim.size() == 1) {
      place[size_t(dim[0])] = index;
    } else if (dim.size() == 2) {
      Value lanes = b.create<arith::ConstantIndexOp>(width);
      place[size_t(dim[0])] = b.create<arith::DivUIOp>(index, lanes);
      place[size_t(dim[1])] = b.create<arith::RemUIOp>(index, lanes);
    }
  }
  return place;
}

/// The indices of the package's tensor of an element of the rows.
SmallVector<Value> indicesOf(Builder &b, const RowDims &dims, ArrayRef<Value> place, int64_t width) {
  SmallVector<Value> indices;
  for (const auto &dim : dims) {
    if (dim.empty())
      indices.push_back(b.create<arith::ConstantIndexOp>(0));
    else if (dim.size() == 1)
      indices.push_back(place[size_t(dim[0])]);
    else
      indices.push_back(b.create<arith::AddIOp>(
          b.create<arith::MulIOp>(place[size_t(dim[0])], b.create<arith::ConstantIndexOp>(width)),
          place[size_t(dim[1])]));
  }
  return indices;
}

RowDims withoutUnits(const RowDims &dims) {
  RowDims kept;
  llvm::copy_if(dims, std::back_inserter(kept), [](const auto &dim) { return !dim.empty(); });
  return kept;
}

/// Whether rows of `own` dims are those of `wanted`; flat ones are of heads side by side, too.
bool isSameOrder(const RowDims &own, const RowDims &wanted, bool isFlat) {
  RowDims dims = withoutUnits(own);
  if (isFlat && dims.size() == 2 && dims[1].size() == 2)
    dims[1] = {RowAxis::lane};
  return dims == withoutUnits(wanted);
}
} // namespace

RowForms::RowForms(FunctionImport &import, Builder &builder, Scalar tokens)
    : tokens(tokens), b(builder), import(import) {
  import.makeLate = [this](coreml::ValueId value) { return tensorOf(value); };
}

void RowForms::define(coreml::ValueId value, Rows rows) { known.insert_or_assign(value, std::move(rows)); }

const Rows *RowForms::lookup(coreml::ValueId value) const {
  const auto found = known.find(value);
  return found == known.end() ? nullptr : &found->second;
}

const Rows *RowForms::lookup(const coreml::Operand *operand) const {
  return operand && operand->value ? lookup(*operand->value) : nullptr;
}

RankedTensorType RowForms::rowsType(ArrayRef<int64_t> row) {
  SmallVector<int64_t> shape{ShapedType::kDynamic};
  llvm::append_range(shape, row);
  return RankedTensorType::get(shape, b.getF32Type());
}

Value RowForms::joined(Value rows) {
  auto type = cast<RankedTensorType>(rows.getType());
  if (type.getRank() == 2)
    return rows;
  SmallVector<ReassociationIndices> groups{{0}, {1, 2}};
  return b.create<tensor::CollapseShapeOp>(rowsType({type.getDimSize(1) * type.getDimSize(2)}), rows, groups);
}

Value RowForms::split(Value rows, int64_t heads) {
  auto type = cast<RankedTensorType>(rows.getType());
  if (type.getRank() == 3)
    return rows;
  const int64_t width = type.getDimSize(1) / heads;
  SmallVector<ReassociationIndices> groups{{0}, {1, 2}};
  SmallVector<OpFoldResult> extents{tokens.value, b.getIndexAttr(heads), b.getIndexAttr(width)};
  return b.create<tensor::ExpandShapeOp>(rowsType({heads, width}), rows, groups, extents);
}

Value RowForms::line(Value numbers) {
  auto type = cast<RankedTensorType>(numbers.getType());
  if (type.getRank() > 1) {
    SmallVector<ReassociationIndices> all{llvm::to_vector<2>(llvm::seq<int64_t>(0, type.getRank()))};
    numbers = b.create<tensor::CollapseShapeOp>(numbers, all);
  }
  auto open = RankedTensorType::get({ShapedType::kDynamic}, type.getElementType());
  return numbers.getType() == open ? numbers : b.create<tensor::CastOp>(open, numbers);
}

Value RowForms::rowsOf(const coreml::Operand &operand, const RowDims &dims, int64_t heads, int64_t width) {
  const auto fit = [&](Value rows) { return heads ? split(rows, heads) : joined(rows); };
  if (const Rows *rows = lookup(&operand); rows && isSameOrder(rows->dims, dims, heads == 0))
    return fit(rows->value);
  OpImport op(import, kRows, b);
  const Tensor tensor = operand.literal ? import.constantTensor(*operand.literal, b) : import.find(*operand.value, b);
  if (tensor.dims.size() < dims.size())
    return import.fail("has rows of too few dims"), Value();
  RowDims all(tensor.dims.size() - dims.size());
  llvm::append_range(all, dims);
  Value source = op.valueOf(tensor);
  Scalars extents{tokens, op.scalars.constant(std::max<int64_t>(heads, 1)), op.scalars.constant(width)};
  Value rows = emitGenerate(op, Element::f32, extents, [&](Builder &inner, ValueRange place) {
    return extract(inner, source, indicesOf(inner, all, SmallVector<Value>(place), width));
  });
  if (tokens.constant()) // kernels count rows by the call's tokens, whatever is known of them
    rows = b.create<tensor::CastOp>(rowsType({std::max<int64_t>(heads, 1), width}), rows);
  rows = fit(rows);
  if (operand.value)
    known.try_emplace(*operand.value, Rows{rows, all});
  return rows;
}

Scalars RowForms::extentsOf(const Rows &rows) {
  ScalarBuilder scalars(b);
  Scalars extents;
  for (const auto &dim : rows.dims) {
    Scalar extent = scalars.constant(1);
    for (RowAxis axis : dim)
      extent = axis == RowAxis::token
                   ? tokens
                   : scalars.multiply(extent, scalars.constant(axis == RowAxis::head ? rows.heads() : rows.width()));
    extents.push_back(extent);
  }
  return extents;
}

/// Right behind the rows, so that it is there for all who ask.
std::optional<Tensor> RowForms::tensorOf(coreml::ValueId value) {
  const Rows *found = lookup(value);
  if (!found)
    return std::nullopt;
  const Rows rows = *found;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfterValue(rows.value);
  OpImport op(import, kRows, b);
  Scalars extents = extentsOf(rows);
  const Element element = import.source.values[value].type.tensor.element;
  const bool hasHeads = rows.hasHeads();
  Value made = emitGenerate(op, element, extents, [&](Builder &inner, ValueRange indices) {
    SmallVector<Value, 3> place = placeOf(inner, rows.dims, indices, rows.width());
    if (!hasHeads)
      place.erase(place.begin() + 1);
    return extract(inner, rows.value, place);
  });
  Tensor tensor = op.make(element, std::move(extents), made);
  import.define(value, tensor);
  return tensor;
}

} // namespace kvasir::mil
