// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/dialect.h"

#include "mlir/IR/DialectImplementation.h"
#include "mlir/Transforms/InliningUtils.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace kvasir::kv;

#include "compiler/dialects/kv/dialect.cpp.inc"
#include "compiler/dialects/kv/enums.cpp.inc"

namespace kvasir::kv { // of kv.cache's `serves` (schema.cpp)
ParseResult parseLayerLists(OpAsmParser &parser, ArrayAttr &lists);
void printLayerLists(OpAsmPrinter &printer, Operation *, ArrayAttr lists);
} // namespace kvasir::kv

#define GET_TYPEDEF_CLASSES
#include "compiler/dialects/kv/types.cpp.inc"
#define GET_OP_CLASSES
#include "compiler/dialects/kv/ops.cpp.inc"

namespace {
LogicalResult verifyName(function_ref<InFlightDiagnostic()> emitError, SymbolRefAttr symbol) {
  if (symbol.getNestedReferences().empty())
    return success();
  return emitError() << "a slot is named by its cache or register, "
                     << FlatSymbolRefAttr::get(symbol.getLeafReference()) << ", not by " << symbol;
}

/// A layer function may be inlined: slots are values, so nothing about a program's state depends on where it stands.
struct Inlining : DialectInlinerInterface {
  using DialectInlinerInterface::DialectInlinerInterface;
  bool isLegalToInline(Operation *, Operation *, bool) const final { return true; }
  bool isLegalToInline(Region *, Region *, bool, IRMapping &) const final { return true; }
  bool isLegalToInline(Operation *, Region *, bool, IRMapping &) const final { return true; }
};
} // namespace

LogicalResult SlotType::verify(function_ref<InFlightDiagnostic()> emitError, SymbolRefAttr symbol) {
  return verifyName(emitError, symbol);
}

LogicalResult ViewType::verify(function_ref<InFlightDiagnostic()> emitError, SymbolRefAttr symbol) {
  return verifyName(emitError, symbol);
}

void KvDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "compiler/dialects/kv/types.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "compiler/dialects/kv/ops.cpp.inc"
      >();
  addInterfaces<Inlining>();
}

Operation *Declaration::op() { return cache ? cache.getOperation() : reg.getOperation(); }

int64_t Declaration::numLayers() { return cache ? cache.getLayers() : reg.getLayers(); }

Declaration kvasir::kv::lookup(Operation *from, SymbolRefAttr symbol) {
  auto module = isa<ModuleOp>(from) ? cast<ModuleOp>(from) : from->getParentOfType<ModuleOp>();
  if (!module || !symbol)
    return {};
  for (SchemaOp schema : module.getOps<SchemaOp>())
    for (Operation &op : schema.getBody().front())
      if (SymbolTable::getSymbolName(&op) == symbol.getLeafReference())
        return {dyn_cast<CacheOp>(op), dyn_cast<RegisterOp>(op)};
  return {};
}

SymbolRefAttr kvasir::kv::symbolOf(Type type) {
  if (auto slot = dyn_cast<SlotType>(type))
    return slot.getSymbol();
  if (auto view = dyn_cast<ViewType>(type))
    return view.getSymbol();
  return {};
}

void kvasir::kv::nameAfterSlots(ResultRange results, OpAsmSetValueNameFn name) {
  for (Value result : results) {
    SymbolRefAttr symbol = symbolOf(result.getType());
    // An op is named as a pack up to the next named result, so in a mixed list every result gets a name of its own.
    if (symbol || results.size() > 1)
      name(result, symbol ? symbol.getLeafReference().getValue() : "");
  }
}
