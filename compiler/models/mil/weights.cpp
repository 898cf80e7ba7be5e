// SPDX-License-Identifier: MIT
// Compressed constants.
#include "compiler/models/mil/compressed.h"
#include "compiler/models/mil/families.h"
#include "compiler/models/mil/function_import.h"

using namespace mlir;
using kvasir::coreml::Constant;

namespace kvasir::mil {
namespace {

/// The package's constant of that name, made whole if it is compressed itself; null after a failure.
const Constant *constantOf(OpImport &op, StringRef name) {
  Tensor given = op.tensor(name);
  if (given.compressed)
    return op.function.weights.keep(given.compressed->type, wholeOf(*given.compressed));
  if (!given.constant)
    op.fail("has an input '" + name + "' that is no constant");
  return given.constant;
}

void set(OpImport &op, std::shared_ptr<const Compressed> compressed) {
  Tensor tensor;
  tensor.element = compressed->type.element;
  for (int64_t dim : compressed->type.dims)
    tensor.dims.push_back(op.scalars.constant(dim));
  tensor.compressed = std::move(compressed);
  op.set(std::move(tensor));
}

} // namespace

/// scale * (data - offset), rounded once to the scale's type; a block of data shares a scale.
void importBlockwiseWeight(OpImport &op) {
  const Constant *data = constantOf(op, "data"), *scale = constantOf(op, "scale");
  const Constant *offset = op.has("offset") ? constantOf(op, "offset") : nullptr;
  if (op.failed())
    return;
  std::shared_ptr<const Compressed> made = makeBlockwise(*data, *scale, offset);
  if (!made)
    return op.fail("has data of " + coreml::text(data->type) + " and a scale of " + coreml::text(scale->type) +
                   ", whose blocks do not make it up");
  set(op, std::move(made));
}

/// Entry indices[i] of the palette of i's block; lut [blocks…, 2^n, 1].
void importPaletteWeight(OpImport &op) {
  const Constant *indices = constantOf(op, "indices"), *lut = constantOf(op, "lut");
  if (op.failed())
    return;
  std::shared_ptr<const Compressed> made = makePalette(*indices, *lut);
  if (!made)
    return op.fail("has indices of " + coreml::text(indices->type) + " into a palette of " + coreml::text(lut->type) +
                   " that does not have all of them, or is not compiled");
  set(op, std::move(made));
}

/// nonzero_data where the mask says so, in order, else 0.
void importSparseWeight(OpImport &op) {
  const Constant *data = constantOf(op, "nonzero_data"), *mask = constantOf(op, "mask");
  if (op.failed())
    return;
  std::shared_ptr<const Compressed> made = makeSparse(*data, *mask);
  if (!made)
    return op.fail("has " + Twine(data->numElements()) + " numbers, and not as many places for them in its mask");
  set(op, std::move(made));
}

} // namespace kvasir::mil
