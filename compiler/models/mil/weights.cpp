// SPDX-License-Identifier: MIT
// Compressed constants, which are made whole when the program is built.
#include "compiler/models/mil/families.h"
#include "compiler/models/mil/function_import.h"
#include "compiler/packing/float_bits.h"

#include <cstring>

using namespace mlir;
using kvasir::coreml::Constant;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

/// The package's constant of that name; null after a failure.
const Constant *constantOf(OpImport &op, StringRef name) {
  Tensor given = op.tensor(name);
  if (!given.constant)
    op.fail("has an input '" + name + "' that is no constant");
  return given.constant;
}

/// Which element of a tensor of fewer rows in some dims belongs to each element of `dims`: those of a block share one.
class Blocks {
public:
  Blocks(ArrayRef<int64_t> dims, ArrayRef<int64_t> numBlocks) : dims(dims), numBlocks(numBlocks) {}

  /// Each dim is cut into that many blocks of one size.
  bool fit() const {
    return dims.size() == numBlocks.size() && llvm::all_of(llvm::zip_equal(dims, numBlocks), [](auto pair) {
             auto [extent, count] = pair;
             return count > 0 && extent % count == 0;
           });
  }

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

private:
  ArrayRef<int64_t> dims, numBlocks;
};

bool isWritable(Element element) { return element == Element::f16 || element == Element::f32; }

void store(std::vector<uint8_t> &bytes, Element element, float number) {
  const uint16_t half = f16FromF32(number);
  const auto *from = element == Element::f16 ? reinterpret_cast<const uint8_t *>(&half)
                                             : reinterpret_cast<const uint8_t *>(&number);
  bytes.insert(bytes.end(), from, from + coreml::facts(element).bits / 8);
}

void setConstant(OpImport &op, coreml::TensorType type, std::vector<uint8_t> bytes) {
  op.set(op.function.constantTensor(*op.function.keep(std::move(type), std::move(bytes)), op.b));
}

std::vector<double> numbersOf(const Constant &constant) {
  std::vector<double> numbers(constant.numElements());
  if (std::optional<std::vector<int64_t>> integers = constant.asIntegers()) {
    std::copy(integers->begin(), integers->end(), numbers.begin());
    return numbers;
  }
  for (size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = numberAt(constant, i);
  return numbers;
}
} // namespace

/// scale * (data - offset), rounded once to the scale's type; a block of data shares a scale.
void importBlockwiseWeight(OpImport &op) {
  const Constant *data = constantOf(op, "data"), *scale = constantOf(op, "scale");
  const Constant *offset = op.has("offset") ? constantOf(op, "offset") : nullptr;
  if (op.failed())
    return;
  const Blocks blocks(data->type.dims, scale->type.dims);
  if (!blocks.fit() || !isWritable(scale->type.element) || (offset && offset->type.dims != scale->type.dims))
    return op.fail("has data of " + coreml::text(data->type) + " and a scale of " + coreml::text(scale->type) +
                   ", whose blocks do not make it up");
  const std::vector<double> numbers = numbersOf(*data), factors = numbersOf(*scale);
  const std::vector<double> zeros = offset ? numbersOf(*offset) : std::vector<double>(factors.size());
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < numbers.size(); ++i) {
    const uint64_t block = blocks.blockOf(i);
    store(bytes, scale->type.element, float(factors[block] * (numbers[i] - zeros[block])));
  }
  setConstant(op, {scale->type.element, data->type.dims}, std::move(bytes));
}

/// Entry indices[i] of the palette of i's block; lut [blocks…, 2^n, 1].
void importPaletteWeight(OpImport &op) {
  const Constant *indices = constantOf(op, "indices"), *lut = constantOf(op, "lut");
  if (op.failed())
    return;
  const ArrayRef<int64_t> shape = lut->type.dims;
  const int64_t rank = indices->type.dims.size();
  const std::optional<std::vector<int64_t>> entries = indices->asIntegers();
  if (int64_t(shape.size()) != rank + 2 || shape.back() != 1 || !entries || !isWritable(lut->type.element))
    return op.fail("has a palette of " + coreml::text(lut->type) + ", which is not compiled");
  const Blocks blocks(indices->type.dims, shape.drop_back(2));
  const uint64_t size = uint64_t(shape[rank]);
  if (!blocks.fit() || llvm::any_of(*entries, [&](int64_t entry) { return entry < 0 || uint64_t(entry) >= size; }))
    return op.fail("has indices that its palette does not have");
  const std::vector<double> palette = numbersOf(*lut);
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < entries->size(); ++i)
    store(bytes, lut->type.element, float(palette[blocks.blockOf(i) * size + uint64_t((*entries)[i])]));
  setConstant(op, {lut->type.element, indices->type.dims}, std::move(bytes));
}

/// nonzero_data where the mask says so, in order, else 0.
void importSparseWeight(OpImport &op) {
  const Constant *data = constantOf(op, "nonzero_data"), *mask = constantOf(op, "mask");
  if (op.failed())
    return;
  const std::optional<std::vector<int64_t>> flags = mask->asIntegers();
  const uint64_t count = flags ? uint64_t(llvm::count_if(*flags, [](int64_t flag) { return flag != 0; })) : 0;
  if (!flags || count != data->numElements() || !isWritable(data->type.element))
    return op.fail("has " + Twine(data->numElements()) + " numbers for " + Twine(count) + " places");
  const std::vector<double> numbers = numbersOf(*data);
  std::vector<uint8_t> bytes;
  size_t next = 0;
  for (int64_t flag : *flags)
    store(bytes, data->type.element, flag ? float(numbers[next++]) : 0);
  setConstant(op, {data->type.element, mask->type.dims}, std::move(bytes));
}

} // namespace kvasir::mil
