// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/dialect.h"

using namespace mlir;
using namespace kvasir::kv;

LogicalResult SchemaOp::verifyRegions() {
  Block &block = getBody().front();
  if (block.empty()) // C1
    return emitOpError("C1: declares no state");
  for (Operation &op : block)
    if (!isa<CacheOp, RegisterOp>(op)) // C1
      return op.emitOpError("C1: stands in a kv.schema, which holds kv.cache and kv.register only");
  return success();
}

namespace {
LogicalResult verifyPair(CacheOp cache) { // C2
  if (!cache.getValuesAttr())
    return success();
  Declaration keys = lookup(cache, cache.getValuesAttr());
  if (!keys.cache || keys.cache == cache)
    return cache.emitOpError("C2: holds values for ")
           << cache.getValuesAttr() << ", which is not another cache of this schema";
  if (keys.cache.getValues())
    return cache.emitOpError("C2: holds values for ") << cache.getValuesAttr() << ", which holds values itself";
  if (keys.cache.getLayers() != cache.getLayers())
    return cache.emitOpError("C2: has ") << cache.getLayers() << " layers, its keys " << cache.getValuesAttr()
                                         << " have " << keys.cache.getLayers();
  return success();
}

LogicalResult verifyOrigin(CacheOp cache) { // C4
  if (!cache.getOriginAxes())
    return success();
  int64_t numRows = 0, numElements = 0;
  for (auto axis : cache.getOriginAxes()->getAsRange<StringAttr>())
    numRows += axis == "row", numElements += axis == "element";
  if (numRows == 1 && numElements == 1 && int64_t(*cache.getOriginRows()) >= 1)
    return success();
  return cache.emitOpError("C4: comes from a state whose axes do not name \"row\" and \"element\" once each");
}
} // namespace

LogicalResult CacheOp::verify() {
  for (auto [name, value] : {std::pair("layers", getLayers()),
                             {"heads", getHeads()},
                             {"row", getWidth()},
                             {"window", getWindow().value_or(1)}})
    if (int64_t(value) < 1) // C1
      return emitOpError("C1: ") << name << " is at least 1, not " << int64_t(value);
  if (failed(verifyPair(*this)))
    return failure();
  if (getRounds() && !isa<FloatType>(*getRounds())) // C3
    return emitOpError("C3: rounds to a float type, not ") << *getRounds();
  return verifyOrigin(*this);
}

LogicalResult RegisterOp::verify() {
  if (int64_t(getLayers()) < 1) // C1
    return emitOpError("C1: layers is at least 1, not ") << int64_t(getLayers());
  if (!cast<RankedTensorType>(getContent()).hasStaticShape()) // C1
    return emitOpError("C1: the content's shape is static, not ") << getContent();
  return success();
}
