// SPDX-License-Identifier: MIT
#include "compiler/models/mil/op_import.h"

#include "compiler/dialects/kv/dialect.h"
#include "compiler/models/mil/call_sums.h"
#include "compiler/models/mil/compressed.h"
#include "compiler/models/mil/function_import.h"
#include "compiler/passes/contract.h"

#include <atomic>

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

/// Integer tensors of at most this many elements are computed with one by one: shapes, offsets, positions of a few
/// rows.
constexpr int64_t kMostScalars = 16;

/// Matrices of fewer elements stay in the program.
constexpr int64_t kFewestWeights = 1024;

std::string messageOf(const OpImport &op, const Twine &reason) {
  return "function " + op.function.source.name + ": " + op.name() + " " + reason.str();
}

} // namespace

OpImport::OpImport(FunctionImport &function, const coreml::Operation &operation, ImplicitLocOpBuilder &builder)
    : operation(operation), function(function), b(builder), scalars(builder) {}

bool OpImport::has(StringRef name) const { return operation.inputs.count(std::string_view(name)) != 0; }

Tensor OpImport::tensor(StringRef name) {
  const coreml::Operand *operand = operation.find(std::string_view(name));
  if (!operand) {
    fail("has no input '" + name + "'");
    return make(Element::f32, {}, number(b.getF32Type(), 0));
  }
  return operand->literal ? function.constantTensor(*operand->literal, b) : function.find(*operand->value, b);
}

SmallVector<Tensor> OpImport::tensors(StringRef name) {
  SmallVector<Tensor> list;
  auto found = operation.inputs.find(std::string_view(name));
  if (found == operation.inputs.end())
    return fail("has no input '" + name + "'"), list;
  for (const coreml::Operand &operand : found->second)
    list.push_back(operand.literal ? function.constantTensor(*operand.literal, b) : function.find(*operand.value, b));
  return list;
}

int64_t OpImport::integer(StringRef name, int64_t otherwise) {
  if (!has(name))
    return otherwise;
  SmallVector<int64_t> numbers = integers(name);
  if (numbers.size() == 1)
    return numbers.front();
  fail("has an input '" + name + "' that is not one number");
  return otherwise;
}

double OpImport::real(StringRef name, double otherwise) {
  if (!has(name))
    return otherwise;
  Tensor given = tensor(name);
  const bool isOne = given.constant && given.constant->numElements() == 1 && given.element != Element::string;
  if (std::optional<double> number = isOne ? numberAt(*given.constant, 0) : std::nullopt)
    return *number;
  fail("has an input '" + name + "' that is not one number known when it is compiled");
  return otherwise;
}

std::string OpImport::text(StringRef name, StringRef otherwise) {
  const coreml::Operand *operand = operation.find(std::string_view(name));
  if (!operand)
    return otherwise.str();
  const coreml::Constant *constant = function.source.constantOf(*operand);
  std::optional<std::string_view> found = constant ? constant->asString() : std::nullopt;
  if (!found)
    fail("has an input '" + name + "' that is no text");
  return std::string(found.value_or(""));
}

SmallVector<int64_t> OpImport::integers(StringRef name) {
  Tensor given = tensor(name);
  SmallVector<int64_t> numbers;
  if (given.constant)
    if (std::optional<std::vector<int64_t>> found = given.constant->asIntegers())
      return SmallVector<int64_t>(found->begin(), found->end());
  if (isSmall(given))
    for (const Scalar &scalar : scalarsOf(given)) {
      if (!scalar.constant())
        break;
      numbers.push_back(*scalar.constant());
    }
  if (!isSmall(given) || numbers.size() != scalarsOf(given).size())
    fail("has an input '" + name + "' that a call computes; only those that the package says are compiled");
  return numbers;
}

lm::WeightOp OpImport::weight(StringRef name, Order order) {
  const coreml::Operand *operand = operation.find(std::string_view(name));
  const Tensor given = operand ? tensor(name) : Tensor();
  if (!PackageWeights::canHold(given) ||
      (given.rank() > 1 && *given.dims[0].constant() * *given.dims[1].constant() < kFewestWeights))
    return {};
  const std::string own = operand->value ? function.source.nameOf(*operand->value)
                                         : function.source.nameOf(operation.outputs.front()) + "_" + name.str();
  return function.weights.declare(function.target->getParentOfType<ModuleOp>(), given, own, order);
}

int64_t OpImport::axis(int64_t number, int64_t rank) {
  const int64_t axis = number < 0 ? number + rank : number;
  if (axis >= 0 && axis < rank)
    return axis;
  fail("asks for dim " + Twine(number) + " of " + Twine(rank));
  return 0;
}

const coreml::TensorType &OpImport::declared(size_t index) const {
  return function.source.values[operation.outputs[index]].type.tensor;
}

/// What was built must be what the package says that it is; otherwise one of the two is misunderstood.
void OpImport::set(Tensor result, size_t index) {
  const coreml::TensorType &type = declared(index);
  bool fits = result.element == type.element && result.dims.size() == type.dims.size();
  for (size_t i = 0; fits && i < type.dims.size(); ++i) {
    std::optional<int64_t> known = result.dims[i].constant();
    fits = !known || type.dims[i] == coreml::kAnySize || type.dims[i] == *known;
  }
  if (!fits && !failed()) {
    coreml::TensorType built{result.element, {}};
    for (const Scalar &dim : result.dims)
      built.dims.push_back(dim.constant().value_or(coreml::kAnySize));
    fail("makes " + coreml::text(built) + ", the package says " + coreml::text(type));
  }
  if (!isWithinMemory(result.element, result.dims))
    fail("makes what is larger than memory");
  for (const Scalar &dim : result.dims)
    if (!dim.isExtent)
      fail("has a result whose shape depends on numbers that a call computes, not on the shapes of its inputs alone");
  function.define(operation.outputs[index], std::move(result));
}

std::string OpImport::name() const { return function.source.describe(operation); }

void OpImport::fail(const Twine &reason) { function.fail(name() + " " + reason.str()); }

bool OpImport::failed() const { return function.failure().has_value(); }

Value OpImport::valueOf(const Tensor &tensor) {
  if (tensor.value)
    return tensor.value;
  const coreml::Constant *constant = tensor.constant;
  if (tensor.compressed)
    constant = function.weights.keep(tensor.compressed->type, wholeOf(*tensor.compressed));
  if (constant) {
    const coreml::TensorType &type = constant->type;
    if (coreml::facts(type.element).bits >= 8)
      return b.create<arith::ConstantOp>(denseElements(b.getContext(), *constant));
    fail("computes with " + coreml::text(type) + ", whose elements are not");
    return empty(Element::f32, tensor.dims);
  }
  Type type = elementType(b.getContext(), tensor.element);
  SmallVector<Value> elements;
  for (const Scalar &scalar : *tensor.scalars)
    elements.push_back(type.isInteger(1) ? scalars.asCondition(scalar)
                                         : b.createOrFold<arith::IndexCastOp>(type, scalar.value));
  return b.create<tensor::FromElementsOp>(tensorType(b.getContext(), tensor.element, tensor.dims), elements);
}

bool OpImport::isSmall(const Tensor &tensor) const {
  if (tensor.scalars)
    return true;
  return isInteger(tensor.element) && tensor.rank() <= 1 &&
         (tensor.dims.empty() || tensor.dims[0].constant().value_or(kMostScalars + 1) <= kMostScalars);
}

Scalars OpImport::scalarsOf(const Tensor &tensor) {
  if (tensor.scalars)
    return *tensor.scalars;
  Scalars list;
  if (tensor.constant) {
    const std::optional<std::vector<int64_t>> numbers = tensor.constant->asIntegers();
    for (int64_t number : numbers.value_or(std::vector<int64_t>()))
      list.push_back(scalars.constant(number));
    return list;
  }
  const auto [least, most] = rangeOf(tensor.element);
  for (int64_t i = 0, n = tensor.dims.empty() ? 1 : *tensor.dims[0].constant(); i < n; ++i) {
    SmallVector<Value> at(tensor.rank(), index(i));
    Value element = b.create<tensor::ExtractOp>(tensor.value, at);
    list.push_back(scalars.from(element, least, most, /*isExtent=*/false));
  }
  return list;
}

Tensor OpImport::make(Element element, Scalars dims, Value value) {
  Tensor tensor;
  tensor.element = element;
  tensor.dims = std::move(dims);
  tensor.value = value;
  return tensor;
}

Tensor OpImport::make(Element element, Scalars dims, Scalars scalars) {
  Tensor tensor = make(element, std::move(dims), Value());
  tensor.scalars = std::move(scalars);
  return tensor;
}

Value OpImport::empty(Element element, ArrayRef<Scalar> dims) {
  SmallVector<Value> extents;
  for (const Scalar &dim : dims)
    if (!dim.constant())
      extents.push_back(dim.value);
  auto empty = b.create<tensor::EmptyOp>(tensorType(b.getContext(), element, dims), extents);
  // Each is the place of one result, which may become an output's: two results must not be merged into one place, as
  // common subexpressions are.
  static std::atomic<int64_t> numPlaces = 0;
  empty->setAttr("kv.place", b.getI64IntegerAttr(numPlaces++));
  return empty;
}

Value OpImport::number(Type type, double number) {
  if (isa<FloatType>(type))
    return b.create<arith::ConstantOp>(b.getFloatAttr(type, number));
  return b.create<arith::ConstantOp>(b.getIntegerAttr(type, int64_t(number)));
}

Value OpImport::filled(Element element, ArrayRef<Scalar> dims, double value) {
  Value fill = number(elementType(b.getContext(), element), value);
  return b.create<linalg::FillOp>(ValueRange{fill}, ValueRange{empty(element, dims)}).getResult(0);
}

void OpImport::refuseIf(const Scalar &isWrong, const Twine &reason) {
  if (isWrong.constant() == 0)
    return;
  if (isWrong.constant() == 1)
    return fail(reason);
  if (isWrong.isExtent)
    return emitRequire(b, isWrong.value, index(0), plainName(messageOf(*this, reason)));
  refuseIf(scalars.asCondition(isWrong), reason);
}

void OpImport::refuseIf(Value isWrong, const Twine &reason) {
  emitLateRefusal(b, isWrong, plainName(messageOf(*this, reason)));
}

Type computeType(MLIRContext *context, Element element) {
  return element == Element::f16 || element == Element::bf16 ? Type(Float32Type::get(context))
                                                             : elementType(context, element);
}

Value toCompute(ImplicitLocOpBuilder &b, Value value) {
  Type type = value.getType();
  if (type.isF16() || type.isBF16())
    return b.create<arith::ExtFOp>(b.getF32Type(), value);
  return value;
}

Value fromCompute(ImplicitLocOpBuilder &b, Value value, Type type) {
  if (value.getType() == type)
    return value;
  if (value.getType().getIntOrFloatBitWidth() < type.getIntOrFloatBitWidth())
    return b.create<arith::ExtFOp>(type, value);
  return b.create<arith::TruncFOp>(type, value);
}

Value extract(ImplicitLocOpBuilder &b, Value tensor, ValueRange indices) {
  return toCompute(b, b.create<tensor::ExtractOp>(tensor, indices));
}

Value emitGenerate(OpImport &op, Element element, ArrayRef<Scalar> dims,
                   function_ref<Value(ImplicitLocOpBuilder &, ValueRange)> body) {
  Value empty = op.empty(element, dims);
  const unsigned rank = dims.size();
  SmallVector<AffineMap> maps{op.b.getMultiDimIdentityMap(rank)};
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
  auto build = [&](OpBuilder &builder, Location loc, ValueRange) {
    ImplicitLocOpBuilder inner(loc, builder);
    SmallVector<Value> indices;
    for (unsigned i = 0; i < rank; ++i)
      indices.push_back(inner.create<linalg::IndexOp>(i));
    Value result = body(inner, indices);
    inner.create<linalg::YieldOp>(fromCompute(inner, result, elementType(inner.getContext(), element)));
  };
  return op.b
      .create<linalg::GenericOp>(TypeRange{empty.getType()}, ValueRange{}, ValueRange{empty}, maps, iterators, build)
      .getResult(0);
}

namespace {

bool isSame(const Scalar &lhs, const Scalar &rhs) {
  return (lhs.constant() && lhs.constant() == rhs.constant()) ||
         (lhs.base && lhs.base == rhs.base && lhs.offset == rhs.offset) || areEqual(lhs.value, rhs.value);
}

/// The extent that two broadcast to.
Scalar join(OpImport &op, const Scalar &lhs, const Scalar &rhs) {
  if (isSame(lhs, rhs) || rhs.constant() == 1)
    return lhs;
  if (lhs.constant() == 1)
    return rhs;
  if (lhs.constant() && rhs.constant()) {
    op.fail("broadcasts extents " + Twine(*lhs.constant()) + " and " + Twine(*rhs.constant()));
    return lhs;
  }
  if (lhs.constant() || rhs.constant())
    return lhs.constant() ? lhs : rhs;
  return op.scalars.larger(lhs, rhs);
}

/// How one operand is read at the indices of the result.
struct Reader {
  Value value;
  SmallVector<Scalar> dims;
  SmallVector<bool> follows; ///< by dim: the result's index, or one that is clamped to the operand's extent

  Value at(ImplicitLocOpBuilder &b, ValueRange indices) const {
    SmallVector<Value> own;
    ValueRange last = indices.take_back(dims.size());
    for (auto [dim, index, same] : llvm::zip_equal(dims, last, follows)) {
      if (same || dim.constant() == 1) {
        own.push_back(same ? index : b.create<arith::ConstantIndexOp>(0).getResult());
        continue;
      }
      Value one = b.create<arith::ConstantIndexOp>(1);
      Value end = b.create<arith::SubIOp>(dim.value, one);
      own.push_back(b.create<arith::MinSIOp>(index, end));
    }
    return extract(b, value, own);
  }
};

Reader readerOf(OpImport &op, const Tensor &operand, ArrayRef<Scalar> dims) {
  Reader reader{op.valueOf(operand), operand.dims, {}};
  for (auto [own, result] : llvm::zip_equal(operand.dims, dims.take_back(operand.dims.size()))) {
    reader.follows.push_back(isSame(own, result));
    if (reader.follows.back() || own.constant() == 1)
      continue;
    using Predicate = arith::CmpIPredicate;
    Scalar differs = op.scalars.compare(Predicate::ne, own, result);
    Scalar isMany = op.scalars.compare(Predicate::ne, own, op.scalars.constant(1));
    op.refuseIf(op.scalars.multiply(differs, isMany), "has operands of extents that are neither equal nor 1");
  }
  return reader;
}

} // namespace

Value emitElementwise(OpImport &op, ArrayRef<Tensor> operands, Element element, Scalars &dims, Body body,
                      bool isFixed) {
  dims = operands.front().dims;
  for (const Tensor &operand : operands.drop_front()) {
    if (isFixed && operand.rank() > int64_t(dims.size())) {
      op.fail("has an operand of more dims than its first");
      return {};
    }
    while (dims.size() < operand.dims.size())
      dims.insert(dims.begin(), op.scalars.constant(1));
    for (size_t i = 0; i < operand.dims.size() && !isFixed; ++i) {
      Scalar &dim = dims[dims.size() - operand.dims.size() + i];
      dim = join(op, dim, operand.dims[i]);
    }
  }
  SmallVector<Reader> readers;
  for (const Tensor &operand : operands)
    readers.push_back(readerOf(op, operand, dims));
  if (op.failed())
    return {};
  return emitGenerate(op, element, dims, [&](ImplicitLocOpBuilder &b, ValueRange indices) {
    SmallVector<Value> elements;
    for (const Reader &reader : readers)
      elements.push_back(reader.at(b, indices));
    return body(b, elements);
  });
}

void setElementwise(OpImport &op, ArrayRef<Tensor> operands, Element element, Body body, bool isFixed) {
  Scalars dims;
  Value value = emitElementwise(op, operands, element, dims, body, isFixed);
  op.set(op.make(element, dims, value));
}

} // namespace kvasir::mil
