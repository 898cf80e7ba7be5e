// SPDX-License-Identifier: MIT
#include "compiler/models/mil/compressed.h"

#include "compiler/models/mil/scalars.h"
#include "compiler/models/mil/tensor.h"
#include "plugins/float_bits.h"

#include <cstring>

using namespace mlir;
using kvasir::coreml::Constant;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

/// Elements of a constant as numbers, wherever they begin in its bytes.
class Numbers {
public:
  explicit Numbers(const Constant &constant)
      : constant(constant), element(constant.type.element), bits(coreml::facts(element).bits),
        isWhole(isInteger(element) && element != Element::boolean && bits <= 32) {}

  double at(uint64_t index) const {
    if (isWhole)
      return double(integerAt(index));
    return element == Element::boolean ? double(constant.bytes[index]) : numberAt(constant, index).value_or(0);
  }

  int64_t integerAt(uint64_t index) const {
    const uint64_t first = index * bits, last = first + bits - 1;
    uint64_t word = 0;
    for (uint64_t byte = last / 8 + 1; byte-- > first / 8;)
      word = word << 8 | constant.bytes[byte];
    const uint64_t code = word >> first % 8 & ((uint64_t(1) << bits) - 1);
    return isSigned(element) && code >> (bits - 1) ? int64_t(code) - (int64_t(1) << bits) : int64_t(code);
  }

  bool areIntegers() const { return isWhole; }

private:
  const Constant &constant;
  Element element;
  uint32_t bits;
  bool isWhole; ///< of at most 32 bits
};

/// Which block of a tensor each of its elements belongs to.
class Blocks {
public:
  Blocks(ArrayRef<int64_t> dims, ArrayRef<int64_t> numBlocks)
      : dims(dims.begin(), dims.end()), numBlocks(numBlocks.begin(), numBlocks.end()) {}

  /// Each dim is cut into that many blocks of one size.
  bool fit() const {
    return dims.size() == numBlocks.size() && llvm::all_of(llvm::zip_equal(dims, numBlocks), [](auto pair) {
             auto [extent, count] = pair;
             return count > 0 && extent > 0 && extent % count == 0;
           });
  }

  /// How many elements from one on that begins a run are of one block: runs begin at multiples of it.
  uint64_t runLength() const { return dims.empty() ? 1 : uint64_t(dims.back() / numBlocks.back()); }

  uint64_t blockOf(uint64_t element) const {
    uint64_t block = 0, stride = 1;
    for (size_t i = dims.size(); i-- > 0;) {
      const uint64_t at = element % uint64_t(dims[i]);
      element /= uint64_t(dims[i]);
      block += at / uint64_t(dims[i] / numBlocks[i]) * stride;
      stride *= uint64_t(numBlocks[i]);
    }
    return block;
  }

  /// Calls visit(element, block) for a range of elements.
  template <typename Visit> void forEach(uint64_t begin, uint64_t count, Visit visit) const {
    const uint64_t run = runLength();
    uint64_t block = 0;
    for (uint64_t i = begin; i < begin + count; ++i) {
      if (i == begin || i % run == 0)
        block = blockOf(i);
      visit(i, block);
    }
  }

private:
  std::vector<int64_t> dims, numBlocks;
};

/// Integers of 64 bits without a sign may be none that can be computed with.
bool isReadable(Element element) { return element != Element::string && element != Element::u64; }

bool isWritable(Element element) { return element == Element::f16 || element == Element::f32; }

float rounded(Element element, float number) {
  return element == Element::f16 ? f32FromF16(f16FromF32(number)) : number;
}

class Blockwise final : public Compressed {
public:
  Blockwise(const Constant &data, const Constant &scale, const Constant *offset)
      : data(data), scale(scale), blocks(data.type.dims, scale.type.dims) {
    type = {scale.type.element, data.type.dims};
    parts = {&data, &scale};
    if (offset) {
      parts.push_back(offset);
      zero.emplace(*offset);
    }
  }

  void read(uint64_t begin, uint64_t count, float *into) const override {
    blocks.forEach(begin, count, [&](uint64_t element, uint64_t block) {
      const double steps = data.at(element) - (zero ? zero->at(block) : 0);
      *into++ = rounded(type.element, float(scale.at(block) * steps));
    });
  }

private:
  Numbers data, scale;
  std::optional<Numbers> zero;
  Blocks blocks;
};

class Palette final : public Compressed {
public:
  Palette(const Constant &indices, const Constant &lut)
      : indices(indices), entries(lut), blocks(indices.type.dims, ArrayRef(lut.type.dims).drop_back(2)),
        size(uint64_t(lut.type.dims[indices.type.dims.size()])) {
    type = {lut.type.element, indices.type.dims};
    parts = {&indices, &lut};
  }

  void read(uint64_t begin, uint64_t count, float *into) const override {
    blocks.forEach(begin, count, [&](uint64_t element, uint64_t block) {
      *into++ = float(entries.at(block * size + uint64_t(indices.integerAt(element))));
    });
  }

private:
  Numbers indices, entries;
  Blocks blocks;
  uint64_t size;
};

class Sparse final : public Compressed {
public:
  Sparse(const Constant &data, const Constant &mask) : data(data), mask(mask) {
    type = {data.type.element, mask.type.dims};
    parts = {&mask, &data};
    const uint64_t count = mask.numElements();
    for (uint64_t i = 0; i < count; ++i) {
      if (i % kStep == 0)
        before.push_back(total);
      total += this->mask.at(i) != 0;
    }
  }

  uint64_t numNonzero() const { return total; }

  void read(uint64_t begin, uint64_t count, float *into) const override {
    uint64_t at = begin / kStep * kStep, next = begin < begin + count ? before[at / kStep] : 0;
    for (; at < begin; ++at)
      next += mask.at(at) != 0;
    for (; at < begin + count; ++at)
      *into++ = mask.at(at) != 0 ? float(data.at(next++)) : 0.0f;
  }

private:
  static constexpr uint64_t kStep = 4096;

  Numbers data, mask;
  std::vector<uint64_t> before; ///< of each kStep elements: how many nonzero ones lie in front of them
  uint64_t total = 0;
};

} // namespace

std::vector<uint8_t> wholeOf(const Compressed &constant) {
  uint64_t count = 1;
  for (int64_t dim : constant.type.dims)
    count *= uint64_t(dim);
  std::vector<float> numbers(count);
  constant.read(0, count, numbers.data());
  const bool isHalf = constant.type.element == Element::f16;
  std::vector<uint8_t> bytes(count * (isHalf ? 2 : 4));
  for (uint64_t i = 0; i < count; ++i) {
    const uint16_t half = f16FromF32(numbers[i]);
    if (isHalf)
      std::memcpy(bytes.data() + 2 * i, &half, 2);
    else
      std::memcpy(bytes.data() + 4 * i, &numbers[i], 4);
  }
  return bytes;
}

std::shared_ptr<const Compressed> makeBlockwise(const Constant &data, const Constant &scale, const Constant *offset) {
  const Blocks blocks(data.type.dims, scale.type.dims);
  if (!blocks.fit() || !isWritable(scale.type.element) || !isReadable(data.type.element) ||
      (offset && (offset->type.dims != scale.type.dims || !isReadable(offset->type.element))))
    return nullptr;
  return std::make_shared<Blockwise>(data, scale, offset);
}

std::shared_ptr<const Compressed> makePalette(const Constant &indices, const Constant &lut) {
  const ArrayRef<int64_t> shape = lut.type.dims;
  const size_t rank = indices.type.dims.size();
  const Numbers numbers(indices);
  if (shape.size() != rank + 2 || shape.back() != 1 || !isWritable(lut.type.element) || !numbers.areIntegers() ||
      !Blocks(indices.type.dims, shape.drop_back(2)).fit())
    return nullptr;
  const uint32_t bits = coreml::facts(indices.type.element).bits;
  const bool allFit = !isSigned(indices.type.element) && bits < 32 && shape[rank] >= int64_t(1) << bits;
  for (uint64_t i = 0, count = allFit ? 0 : indices.numElements(); i < count; ++i)
    if (numbers.integerAt(i) < 0 || numbers.integerAt(i) >= shape[rank])
      return nullptr;
  return std::make_shared<Palette>(indices, lut);
}

std::shared_ptr<const Compressed> makeSparse(const Constant &data, const Constant &mask) {
  if (!isWritable(data.type.element) || !isInteger(mask.type.element) || !isReadable(mask.type.element))
    return nullptr;
  auto sparse = std::make_shared<Sparse>(data, mask);
  return sparse->numNonzero() == data.numElements() ? sparse : nullptr;
}

} // namespace kvasir::mil
