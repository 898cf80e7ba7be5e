// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/dialect.h"

using namespace mlir;
using namespace kvasir::kv;

namespace {
FailureOr<CacheOp> cacheOf(Operation *op, Type type) {
  Declaration found = lookup(op, symbolOf(type));
  if (found.cache)
    return found.cache;
  return op->emitOpError("C1: ") << symbolOf(type)
                                 << (found ? " is a register; use kv.get and kv.set"
                                           : " is declared by no kv.schema of this module");
}

/// Rows are [*, heads, row]; what element type the cache stores is its backend's business.
LogicalResult verifyRows(Operation *op, Type slot, Type tensor) {
  FailureOr<CacheOp> cache = cacheOf(op, slot); // C1
  if (failed(cache))
    return failure();
  auto rows = cast<RankedTensorType>(tensor);
  if (rows.getRank() == 3 && rows.getDimSize(1) == int64_t(cache->getHeads()) &&
      rows.getDimSize(2) == int64_t(cache->getWidth()))
    return success();
  return op->emitOpError("C2: rows of @")
         << cache->getSymName() << " are [*, " << cache->getHeads() << ", " << cache->getWidth() << "], not " << rows;
}

/// Whether another cache holds the values for these keys; a latent cache has none and is both.
bool hasValues(CacheOp keys) {
  return llvm::any_of(cast<SchemaOp>(keys->getParentOp()).getBody().getOps<CacheOp>(),
                      [&](CacheOp cache) { return cache.getValues() == keys.getSymName(); });
}

LogicalResult verifyWindow(AttendOp op, CacheOp cache) {
  if (!cache.getWindow() || (op.getWindow() ? *op.getWindow() <= *cache.getWindow() : bool(cache.getSlides())))
    return success();
  InFlightDiagnostic error = op.emitOpError("C2: @") << cache.getSymName() << " keeps the last " << *cache.getWindow()
                                                     << " rows, attend asks for ";
  if (op.getWindow())
    return error << "the last " << *op.getWindow();
  return error << "all";
}

LogicalResult verifySinks(AttendOp op) {
  if (!op.getSinks())
    return success();
  auto type = cast<kvasir::lm::WeightType>(op.getSinks().getType());
  int64_t heads = cast<RankedTensorType>(op.getQuery().getType()).getDimSize(1);
  if (type.isVector() && type.getNumColumns() == heads)
    return success();
  return op.emitOpError("C6: sinks are ") << type << " for " << heads << " query heads";
}

LogicalResult verifyHeads(AttendOp op, CacheOp keys, CacheOp values) {
  auto query = cast<RankedTensorType>(op.getQuery().getType()),
       result = cast<RankedTensorType>(op.getResult().getType());
  bool fits = query.getRank() == 3 && result.getRank() == 3 && query.getDimSize(1) == result.getDimSize(1) &&
              query.getDimSize(0) == result.getDimSize(0);
  if (fits && query.getDimSize(1) % int64_t(keys.getHeads()) == 0 &&
      query.getDimSize(1) % int64_t(values.getHeads()) == 0 && query.getDimSize(2) == int64_t(keys.getWidth()) &&
      result.getDimSize(2) == int64_t(values.getWidth()))
    return success();
  return op.emitOpError("C4: query is [T, H, ")
         << keys.getWidth() << "] and result [T, H, " << values.getWidth() << "] with H a multiple of "
         << keys.getHeads() << ", not " << query << " and " << result;
}
} // namespace

LogicalResult AppendOp::verifySymbolUses(SymbolTableCollection &) {
  return verifyRows(*this, getSlot().getType(), getRows().getType()); // C1, C2
}

LogicalResult AttendOp::verifySymbolUses(SymbolTableCollection &) {
  FailureOr<CacheOp> keys = cacheOf(*this, getKeys().getType());
  FailureOr<CacheOp> values = failed(keys) ? keys : cacheOf(*this, getValues().getType());
  if (failed(keys) || failed(values))
    return failure();
  if (isa<SlotType>(getKeys().getType()) != bool(getKeyLayer()) ||
      isa<SlotType>(getValues().getType()) != bool(getValueLayer())) // C3
    return emitOpError("C3: a slot takes a layer, a view does not");
  bool pairs = values->getValues() == keys->getSymName() || (*keys == *values && !hasValues(*keys));
  if (!pairs) // C1
    return emitOpError("C1: @") << values->getSymName() << " does not hold the values for @" << keys->getSymName();
  for (CacheOp cache : {*keys, *values})
    if (failed(verifyWindow(*this, cache))) // C2
      return failure();
  if (getWindow() && int64_t(*getWindow()) < 1) // C5
    return emitOpError("C5: a token sees its own row at least, a window of ") << int64_t(*getWindow()) << " has none";
  if (getSoftcap() && !(*getSoftcap() > APFloat(0.0f))) // C5
    return emitOpError("C5: scores are capped by a number above 0, not by ") << getSoftcap()->convertToFloat();
  if (failed(verifyHeads(*this, *keys, *values))) // C4
    return failure();
  return verifySinks(*this); // C6
}

LogicalResult BorrowOp::verifySymbolUses(SymbolTableCollection &) {
  if (failed(cacheOf(*this, getSlot().getType()))) // C1
    return failure();
  if (symbolOf(getSlot().getType()) != symbolOf(getResult().getType())) // C2
    return emitOpError("C2: lends ") << symbolOf(getSlot().getType()) << " as " << symbolOf(getResult().getType());
  return success();
}

LogicalResult ReadOp::verifySymbolUses(SymbolTableCollection &) {
  return verifyRows(*this, getSlot().getType(), getResult().getType()); // C1, C2
}

LogicalResult WriteOp::verifySymbolUses(SymbolTableCollection &) {
  return verifyRows(*this, getSlot().getType(), getRows().getType()); // C1, C2
}

LogicalResult WaiveOp::verifySymbolUses(SymbolTableCollection &) {
  if (!lookup(*this, symbolOf(getSlot().getType()))) // C1
    return emitOpError("C1: ") << symbolOf(getSlot().getType()) << " is declared by no kv.schema of this module";
  if (getReason().empty()) // C2
    return emitOpError("C2: needs a reason");
  return success();
}
