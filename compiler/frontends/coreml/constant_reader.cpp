// SPDX-License-Identifier: MIT
#include "compiler/frontends/coreml/constant_reader.h"

#include "compiler/frontends/coreml/mil.pb.h"

#include <cstring>

namespace kvasir::coreml {
namespace {

/// Elements of a constant's type; nothing if a dim is open or they are more than 63 bits hold.
std::optional<uint64_t> countElements(const TensorType &type) {
  uint64_t count = 1;
  for (int64_t dim : type.dims)
    if (dim < 0 || __builtin_mul_overflow(count, uint64_t(dim), &count) || count > uint64_t(INT64_MAX))
      return std::nullopt;
  return count;
}

Failure otherForm(const TensorType &type) {
  return {"a constant of type " + text(type) + " is stored in a form that this type does not have"};
}

/// Numbers of protobuf's type `From` as elements of type `To`.
template <typename To, typename From>
std::vector<uint8_t> converted(const google::protobuf::RepeatedField<From> &values) {
  std::vector<uint8_t> bytes(size_t(values.size()) * sizeof(To));
  for (int i = 0; i < values.size(); ++i) {
    const To element = To(values[i]);
    std::memcpy(bytes.data() + size_t(i) * sizeof(To), &element, sizeof(To));
  }
  return bytes;
}

/// The elements' bytes; nothing if elements of this type are not stored so.
std::optional<std::vector<uint8_t>> immediateBytes(const wire::TensorValue &value, Element element) {
  const uint32_t bits = facts(element).bits;
  switch (value.value_case()) {
  case wire::TensorValue::kFloats:
    return element == Element::f32 ? std::optional(converted<float>(value.floats().values())) : std::nullopt;
  case wire::TensorValue::kDoubles:
    return element == Element::f64 ? std::optional(converted<double>(value.doubles().values())) : std::nullopt;
  case wire::TensorValue::kBools:
    return element == Element::boolean ? std::optional(converted<uint8_t>(value.bools().values())) : std::nullopt;
  case wire::TensorValue::kLongInts:
    return element == Element::i64 || element == Element::u64
               ? std::optional(converted<int64_t>(value.long_ints().values()))
               : std::nullopt;
  case wire::TensorValue::kInts:
    if (element == Element::i32 || element == Element::u32)
      return converted<int32_t>(value.ints().values());
    return element == Element::i16 || element == Element::u16 ? std::optional(converted<int16_t>(value.ints().values()))
                                                              : std::nullopt;
  case wire::TensorValue::kBytes: {
    if (bits == 0 || bits > 16 || element == Element::boolean)
      return std::nullopt;
    const std::string &bytes = value.bytes().values();
    return std::vector<uint8_t>(bytes.begin(), bytes.end());
  }
  default:
    return std::nullopt;
  }
}

Result<Constant> readImmediate(const wire::TensorValue &value, TensorType type, uint64_t count, ConstantStore &store) {
  if (value.value_case() == wire::TensorValue::kStrings && type.element == Element::string) {
    const auto &strings = value.strings().values();
    if (uint64_t(strings.size()) != count)
      return otherForm(type);
    return Constant{std::move(type), {}, {strings.begin(), strings.end()}};
  }
  std::optional<std::vector<uint8_t>> bytes = immediateBytes(value, type.element);
  if (!bytes)
    return otherForm(type);
  if (bytes->size() != packedBytes(type.element, count))
    return Failure{"a constant of type " + text(type) + " has " + std::to_string(bytes->size()) + " bytes of elements"};
  return Constant{std::move(type), store.keep(std::move(*bytes)), {}};
}

Result<Constant> readBlob(const wire::Value::BlobFile &blob, TensorType type, uint64_t count, ConstantStore &store) {
  Result<const WeightsFile *> file = store.weightsFile(blob.file_name());
  if (!file)
    return Failure{file.message()};
  if (facts(type.element).blobNumber == 0)
    return otherForm(type);
  Result<std::span<const uint8_t>> bytes = (*file)->find(blob.offset(), type.element, count);
  if (!bytes)
    return Failure{bytes.message()};
  return Constant{std::move(type), *bytes, {}};
}

} // namespace

Result<TensorType> readTensorType(const wire::TensorType &type) {
  const ElementFacts *element = findByMilNumber(type.data_type());
  if (!element)
    return Failure{"has element type number " + std::to_string(type.data_type()) + ", which is not known"};
  if (type.rank() != type.dimensions_size() || type.rank() > int64_t(kMostDims))
    return Failure{"has " + std::to_string(type.dimensions_size()) + " dims and says rank " +
                   std::to_string(type.rank())};
  TensorType read{element->element, {}};
  for (const wire::Dimension &dim : type.dimensions()) {
    if (dim.has_constant() && dim.constant().size() > uint64_t(INT64_MAX))
      return Failure{"has a dim of more than 63 bits"};
    read.dims.push_back(dim.has_constant() ? int64_t(dim.constant().size()) : kAnySize);
  }
  return read;
}

Result<Type> readType(const wire::ValueType &type) {
  const auto wrap = [](TypeKind kind, Result<TensorType> tensor) -> Result<Type> {
    return tensor ? Result<Type>(Type{kind, std::move(*tensor)}) : Failure{tensor.message()};
  };
  if (type.has_tensor())
    return wrap(TypeKind::tensor, readTensorType(type.tensor()));
  if (type.has_state() && type.state().wrapped().has_tensor())
    return wrap(TypeKind::state, readTensorType(type.state().wrapped().tensor()));
  if (type.has_list() && type.list().type().has_tensor())
    return wrap(TypeKind::list, readTensorType(type.list().type().tensor()));
  return Failure{"is no tensor, state or list of tensors"};
}

Result<Constant> readConstant(const wire::Value &value, ConstantStore &store) {
  if (!value.type().has_tensor())
    return Failure{"a constant is no tensor"};
  Result<TensorType> type = readTensorType(value.type().tensor());
  if (!type)
    return Failure{"a constant " + type.message()};
  const std::optional<uint64_t> count = countElements(*type);
  if (!count)
    return Failure{"a constant of type " + text(*type) + " has no size"};
  if (value.has_blob())
    return readBlob(value.blob(), std::move(*type), *count, store);
  if (value.has_immediate() && value.immediate().has_tensor())
    return readImmediate(value.immediate().tensor(), std::move(*type), *count, store);
  return Failure{"a constant of type " + text(*type) + " has no elements"};
}

} // namespace kvasir::coreml
