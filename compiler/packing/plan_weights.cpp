// SPDX-License-Identifier: MIT
#include "compiler/packing/plan_weights.h"

#include "compiler/packing/weight_type.h"

#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace kvasir {
namespace {

constexpr uint64_t kAlignment = 64; // of a cache line and of the widest vector

/// The ops that use each weight, by its symbol.
llvm::StringMap<SmallVector<Operation *>> findUsers(ModuleOp module) {
  llvm::StringMap<SmallVector<Operation *>> users;
  module.walk([&](lm::SelectOp select) { llvm::append_range(users[select.getSymbol()], select->getUsers()); });
  return users;
}

/// Appends a row-major plane of [rows, columns / step] elements.
void addPlane(Layout &layout, PlaneRole role, ElementType element, uint64_t rows, uint64_t columns, uint64_t step) {
  uint64_t bits = elementBits(element);
  Plane plane{role, element, layout.sizeBytes * 8, {}};
  if (step > 1)
    plane.digits.push_back({Axis::column, step, 0});
  plane.digits.push_back({Axis::column, columns / step, bits});
  plane.digits.push_back({Axis::row, rows, columns / step * bits});
  layout.planes.push_back(std::move(plane));
  layout.sizeBytes = llvm::alignTo(layout.sizeBytes + rows * (columns / step) * bits / 8, kAlignment);
}

PackedWeight packedWeight(lm::WeightOp op) {
  auto type = cast<lm::WeightType>(op.getType());
  return {.source = op.getSource().str(),
          .layers = uint64_t(op.getFamily()),
          .rows = uint64_t(type.getNumRows()),
          .columns = uint64_t(type.getNumColumns()),
          .form = formOf(type),
          .layout = op.getLayoutAttr().getLayout(),
          .offsetBytes = uint64_t(*op.getOffset()),
          .strideBytes = uint64_t(*op.getStride())};
}

std::string spell(lm::WeightType type) {
  std::string text;
  llvm::raw_string_ostream(text) << Type(type);
  StringRef spelled = text;
  spelled.consume_front("!lm.weight<");
  spelled.consume_back(">");
  return spelled.str();
}

} // namespace

FailureOr<uint64_t> planWeights(ModuleOp module, ChooseLayout choose) {
  llvm::StringMap<SmallVector<Operation *>> users = findUsers(module);
  Builder builder(module.getContext());
  uint64_t end = 0;
  for (lm::WeightOp op : module.getOps<lm::WeightOp>()) {
    Layout layout = choose(op, users[op.getSymName()]);
    if (Status status = checkLayout(layout); !status)
      return op.emitError("is to be packed as no weight can be: ") << status.message();
    uint64_t stride = llvm::alignTo(layout.sizeBytes, kAlignment);
    op.setLayoutAttr(lm::LayoutAttr::get(module.getContext(), layout));
    op.setOffsetAttr(builder.getI64IntegerAttr(int64_t(end)));
    op.setStrideAttr(builder.getI64IntegerAttr(int64_t(stride)));
    if (Status status = checkPacking(packedWeight(op)); !status)
      return op.emitError("is to be packed as no weight can be: ") << status.message();
    end += uint64_t(op.getFamily()) * stride;
  }
  return end;
}

std::vector<PackedWeight> packedWeights(ModuleOp module) {
  std::vector<PackedWeight> weights;
  for (lm::WeightOp op : module.getOps<lm::WeightOp>())
    weights.push_back(packedWeight(op));
  return weights;
}

std::vector<WeightTensor> weightTensors(ModuleOp module) {
  std::vector<WeightTensor> tensors;
  for (lm::WeightOp op : module.getOps<lm::WeightOp>()) {
    Layout layout = op.getLayoutAttr().getLayout();
    tensors.push_back({.name = op.getSource().str(),
                       .type = spell(cast<lm::WeightType>(op.getType())),
                       .layers = uint64_t(op.getFamily()),
                       .offsetBytes = uint64_t(*op.getOffset()),
                       .strideBytes = uint64_t(*op.getStride()),
                       .sizeBytes = layout.sizeBytes,
                       .layout = layout});
  }
  return tensors;
}

Layout plainLayout(lm::WeightType type) {
  WeightForm form = formOf(type);
  uint64_t rows = uint64_t(type.getNumRows()), columns = uint64_t(type.getNumColumns());
  Layout layout;
  if (form.group == 0) {
    addPlane(layout, PlaneRole::value, form.codes, rows, columns, 1);
    return layout;
  }
  ElementType codes = form.codes == ElementType::i8 ? ElementType::i8 : ElementType::u8;
  addPlane(layout, PlaneRole::code, codes, rows, columns, 1);
  addPlane(layout, PlaneRole::scale, form.scale, rows, columns, form.group);
  if (form.min)
    addPlane(layout, PlaneRole::min, *form.min, rows, columns, form.group);
  if (form.hasUnits())
    addPlane(layout, PlaneRole::scale, ElementType::f16, rows, columns, kSuperblock);
  if (form.hasUnits() && form.min)
    addPlane(layout, PlaneRole::min, ElementType::f16, rows, columns, kSuperblock);
  return layout;
}

} // namespace kvasir
