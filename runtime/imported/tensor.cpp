// SPDX-License-Identifier: MIT
#include "runtime/imported/tensor.h"

#include "runtime/model/tensors.h"
#include "runtime/state/element.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace kvasir::imported {
namespace {

template <typename T> void store(uint8_t *bytes, double value) {
  if (std::isnan(value))
    value = 0;
  // The largest i64 is no double: what would round up to beyond it is cut below.
  const double most = std::nextafter(std::ldexp(1.0, std::numeric_limits<T>::digits), 0.0);
  const double whole = std::nearbyint(std::clamp(value, static_cast<double>(std::numeric_limits<T>::min()), most));
  const T element = whole > most ? std::numeric_limits<T>::max() : static_cast<T>(whole);
  std::memcpy(bytes, &element, sizeof element);
}

} // namespace

Tensor Tensor::make(ElementType element, std::vector<uint64_t> dims) {
  const uint64_t bytes = runtime::denseBytes(element, dims);
  return {element, std::move(dims), std::vector<uint8_t>(bytes)};
}

uint64_t Tensor::numElements() const { return bytes.size() / elementBytes(); }

float Tensor::at(uint64_t index) const {
  return runtime::loadElement(bytes.data(), index * elementBits(element), element);
}

void Tensor::set(uint64_t index, double value) {
  uint8_t *at = &bytes[index * elementBytes()];
  if (isFloat(element))
    runtime::storeElement(bytes.data(), index * elementBits(element), element, static_cast<float>(value));
  else if (element == ElementType::i8)
    store<int8_t>(at, value);
  else if (element == ElementType::u8)
    store<uint8_t>(at, value);
  else if (element == ElementType::i32)
    store<int32_t>(at, value);
  else
    store<int64_t>(at, value);
}

void Tensor::setAll(double value) {
  const size_t size = elementBytes();
  if (bytes.empty())
    return;
  set(0, value);
  for (size_t at = size; at < bytes.size(); at += size)
    std::memcpy(&bytes[at], bytes.data(), size);
}

std::string text(const Tensor &tensor) {
  std::string dims;
  for (const uint64_t dim : tensor.dims)
    dims += (dims.empty() ? "" : ", ") + std::to_string(dim);
  return std::string(elementName(tensor.element)) + "[" + dims + "]";
}

} // namespace kvasir::imported
