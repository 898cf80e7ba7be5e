// SPDX-License-Identifier: MIT
#include "compiler/driver/row_type.h"

using namespace mlir;

namespace kvasir {
namespace {

bool isStoredAs(const Layout &layout, ElementType type) {
  return llvm::all_of(layout.planes, [&](const Plane &plane) { return plane.element == type; });
}

} // namespace

llvm::Expected<bool> chooseRowType(ModuleOp program, const Backend &backend, StringRef type) {
  Builder builder(program.getContext());
  const bool isHalf = type == "f16";
  if (!isHalf && type != "bf16")
    return llvm::createStringError("--kv-type '" + type.str() + "' is not one of auto, bf16, f16");
  const TypeAttr rounded = TypeAttr::get(isHalf ? Type(builder.getF16Type()) : Type(builder.getBF16Type()));
  bool hasChanged = false;
  for (auto schema : program.getOps<kv::SchemaOp>())
    for (auto cache : schema.getOps<kv::CacheOp>()) {
      if (cache.getRounds())
        return llvm::createStringError("--kv-type is for models that leave it open; this program says itself what rows "
                                       "of '" +
                                       cache.getSymName().str() + "' are rounded to");
      if (isStoredAs(backend.slotLayout(cache), isHalf ? ElementType::f16 : ElementType::bf16))
        continue;
      cache.setRoundsAttr(rounded);
      hasChanged = true;
    }
  return hasChanged;
}

} // namespace kvasir
