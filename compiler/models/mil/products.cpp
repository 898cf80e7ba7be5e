// SPDX-License-Identifier: MIT
// Sums of products: linear, matmul, einsum.
#include "compiler/models/mil/products.h"
#include "compiler/models/mil/families.h"
#include "compiler/models/mil/loops.h"
#include "compiler/models/mil/weighted.h"

#include "llvm/ADT/StringExtras.h"

#include <map>

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;

bool differ(OpImport &op, const Scalar &lhs, const Scalar &rhs, const Twine &reason) {
  op.refuseIf(op.scalars.compare(arith::CmpIPredicate::ne, lhs, rhs), reason);
  return op.failed();
}
} // namespace

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

Value biasOf(OpImport &op, const Scalar &count, Element element) {
  if (!op.has("bias"))
    return {};
  Tensor bias = op.tensor("bias");
  if (bias.rank() != 1 || bias.element != element ||
      differ(op, bias.dims[0], count, "has a bias of another length than its weight has rows"))
    return op.fail("has a bias that is no vector of its input's element type"), Value();
  return op.valueOf(bias);
}

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
  Value source = op.valueOf(x), matrix = op.valueOf(weight), bias = biasOf(op, weight.dims[0], x.element);
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
/// "nchw,nwhu->nchu": a letter for each dim of two operands and of the result.
struct Equation {
  std::string sides[2], result;
};

std::optional<Equation> equationOf(OpImport &op) {
  std::string text = op.text("equation", "");
  llvm::erase(text, ' ');
  const auto [sides, result] = StringRef(text).split("->");
  const auto [left, right] = sides.split(',');
  const auto areLetters = [](StringRef word) { return llvm::all_of(word, llvm::isAlpha); };
  const auto isKnown = [&, left = left, right = right, result = result](char letter) {
    return (left.contains(letter) || right.contains(letter)) && result.count(letter) == 1;
  };
  if (text.find("->") != std::string::npos && sides.contains(',') && areLetters(left) && areLetters(right) &&
      llvm::all_of(result, isKnown))
    return Equation{{left.str(), right.str()}, result.str()};
  op.fail("has equation '" + text + "', which is not of two operands, a letter for each dim");
  return std::nullopt;
}

/// The extent of each letter, where extents of 1 broadcast.
std::map<char, Scalar> extentsOf(OpImport &op, const Equation &equation, ArrayRef<Tensor> operands) {
  std::map<char, Scalar> extents;
  for (auto [letters, operand] : llvm::zip_equal(equation.sides, operands))
    for (auto [letter, dim] : llvm::zip_equal(letters, operand.dims)) {
      const auto [known, isNew] = extents.emplace(letter, dim);
      if (known->second.constant() == 1)
        known->second = dim;
      else if (!isNew && dim.constant() != 1)
        differ(op, known->second, dim, Twine("has different extents for '") + Twine(letter) + "'");
    }
  return extents;
}
} // namespace

/// Products of elements, summed over the letters that the result lacks.
void importEinsum(OpImport &op) {
  SmallVector<Tensor> operands = op.tensors("values");
  const std::optional<Equation> equation = equationOf(op);
  if (op.failed())
    return;
  if (operands.size() != 2 || operands[0].element != operands[1].element ||
      operands[0].dims.size() != equation->sides[0].size() || operands[1].dims.size() != equation->sides[1].size())
    return op.fail("has operands that are not two of one element type, with the dims that the equation says");
  const std::map<char, Scalar> extents = extentsOf(op, *equation, operands);
  Scalars dims;
  for (char letter : equation->result)
    dims.push_back(extents.at(letter));
  std::string summed;
  SmallVector<Value> depth;
  for (const auto &[letter, extent] : extents)
    if (!StringRef(equation->result).contains(letter)) {
      summed += letter;
      depth.push_back(extent.value);
    }
  Value sources[] = {op.valueOf(operands[0]), op.valueOf(operands[1])};
  if (op.failed())
    return;
  const Element element = operands[0].element;
  Value result = emitGenerate(op, element, dims, [&](Builder &b, ValueRange indices) {
    return emitFold(b, depth, zeroOf(b, element), [&](Builder &inner, ValueRange at, Value soFar) {
      const auto factor = [&](size_t side) {
        SmallVector<Value> own;
        for (auto [letter, dim] : llvm::zip_equal(equation->sides[side], operands[side].dims)) {
          const size_t kept = StringRef(equation->result).find(letter), lost = StringRef(summed).find(letter);
          own.push_back(dim.constant() == 1       ? inner.create<arith::ConstantIndexOp>(0).getResult()
                        : kept != StringRef::npos ? indices[kept]
                                                  : at[lost]);
        }
        return extract(inner, sources[side], own);
      };
      return plus(inner, soFar, times(inner, factor(0), factor(1)));
    });
  });
  op.set(op.make(element, dims, result));
}

} // namespace kvasir::mil
