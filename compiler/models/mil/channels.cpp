// SPDX-License-Identifier: MIT
#include "compiler/models/mil/channels.h"

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {

bool isReal(const Tensor &tensor) {
  return tensor.element == Element::f16 || tensor.element == Element::bf16 || tensor.element == Element::f32;
}

Tensor overChannels(OpImport &op, StringRef name, const Tensor &x) {
  Tensor given = op.tensor(name);
  if (given.rank() > 1 || !isReal(given)) {
    op.fail("has a '" + name + "' that is no number and no vector of them");
    return given;
  }
  if (given.rank() == 0)
    return given;
  if (x.rank() < 2) {
    op.fail("has a '" + name + "' for channels, and no dim of them");
    return given;
  }
  op.refuseIf(op.scalars.compare(arith::CmpIPredicate::ne, given.dims[0], x.dims[1]),
              "has a '" + name + "' that is not one number for each channel");
  Scalars dims(x.rank() - 1, op.scalars.constant(1));
  dims[0] = given.dims[0];
  Value value = op.valueOf(given);
  Value spread = emitGenerate(op, given.element, dims, [&](ImplicitLocOpBuilder &b, ValueRange at) {
    return extract(b, value, at.take_front(1));
  });
  return op.make(given.element, dims, spread);
}

} // namespace kvasir::mil
