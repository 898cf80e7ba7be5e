// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/forms.h"

#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;
using namespace kvasir::kv;

bool kvasir::kv::isRaisedForm(func::FuncOp function) {
  auto module = function->getParentOfType<ModuleOp>();
  auto general = function->getAttrOfType<FlatSymbolRefAttr>(kSpecialisesAttr);
  StringAttr name = general ? general.getAttr() : function.getSymNameAttr();
  return llvm::any_of(module.getOps<func::FuncOp>(), [&](func::FuncOp other) {
    auto raised = other->getAttrOfType<FlatSymbolRefAttr>(kRaisedAttr);
    return raised && raised.getAttr() == name;
  });
}

RegisterOp kvasir::kv::originOf(CacheOp cache) {
  auto schema = cache->getParentOfType<SchemaOp>();
  for (auto reg : schema.getBody().getOps<RegisterOp>())
    if (reg.getSymName() == cache.getOrigin().value_or(""))
      return reg;
  return {};
}

SmallVector<Operation *> kvasir::kv::slotsFor(func::FuncOp entry, SchemaOp schema) {
  llvm::SmallPtrSet<Operation *, 4> origins;
  for (auto cache : schema.getBody().getOps<CacheOp>())
    if (RegisterOp reg = originOf(cache))
      origins.insert(reg);
  BlockArgument batch = batchOf(entry.getArguments());
  bool isOpaque = batch && knownOf(batch, "kv.tokens") == 0;
  SmallVector<Operation *> slots;
  for (Operation &slot : schema.getBody().front())
    if (origins.empty() || (isOpaque ? isa<RegisterOp>(slot) : !origins.contains(&slot)))
      slots.push_back(&slot);
  return slots;
}
