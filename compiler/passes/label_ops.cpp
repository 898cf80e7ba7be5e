// SPDX-License-Identifier: MIT
#include "compiler/passes/labels.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/probes.h"
#include "compiler/passes/row_extent.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace kvasir;

Location kvasir::withLabels(Location location, ArrayRef<Attribute> labels) {
  MLIRContext *context = location.getContext();
  return FusedLoc::get(context, {location}, ArrayAttr::get(context, labels));
}

void kvasir::collectLabels(Location location, llvm::SetVector<Attribute> &labels) {
  location->walk([&](Location each) {
    auto fused = dyn_cast<FusedLoc>(each);
    if (auto list = fused ? dyn_cast_or_null<ArrayAttr>(fused.getMetadata()) : ArrayAttr())
      labels.insert(list.begin(), list.end());
    return WalkResult::advance();
  });
}

namespace {
bool isTensor(Value value) { return isa<RankedTensorType>(value.getType()); }

/// Whether the op computes, or changes state: not what only gives tensors another shape or name.
bool isWork(Operation *op) {
  if (isa<kv::AppendOp, kv::WriteOp, kv::SetOp>(op))
    return true;
  if (isa<kv::PositionsOp, kv::WantedOp, tensor::CastOp, tensor::CollapseShapeOp, tensor::EmptyOp,
          tensor::ExpandShapeOp>(op) ||
      op->hasTrait<OpTrait::ConstantLike>() || (op->getNumRegions() && !isa<linalg::LinalgOp>(op)))
    return false;
  return llvm::any_of(op->getResults(), isTensor);
}

StringRef rowsOf(Operation *op) {
  for (ValueRange values : {ValueRange(op->getResults()), ValueRange(op->getOperands())})
    for (Value value : values) {
      if (!isTensor(value))
        continue;
      RowCount rows = rowCountOf(value);
      return rows == RowCount::wanted ? "wanted" : rows == RowCount::sequences ? "sequences" : "tokens";
    }
  return "tokens";
}

/// The sources of the weights that the op reads, whole; an embedding looks up a few rows.
SmallVector<Attribute> weightsOf(Operation *op) {
  SmallVector<Attribute> sources;
  for (Value operand : op->getOperands()) {
    Operation *maker = operand.getDefiningOp();
    auto select = dyn_cast_or_null<lm::SelectOp>(maker);
    if (!select || isa<lm::EmbeddingOp>(op))
      continue;
    if (auto weight = SymbolTable::lookupNearestSymbolFrom<lm::WeightOp>(op, select.getSymbolAttr()))
      sources.push_back(weight.getSourceAttr());
  }
  return sources;
}

Label labelOf(Operation *op, int64_t number) {
  Builder builder(op->getContext());
  NamedAttrList label;
  label.set("number", builder.getI64IntegerAttr(number));
  label.set("op", builder.getStringAttr(op->getName().getStringRef()));
  label.set("at", builder.getStringAttr(placeOf(op)));
  label.set("rows", builder.getStringAttr(rowsOf(op)));
  if (SmallVector<Attribute> weights = weightsOf(op); !weights.empty())
    label.set("weights", builder.getArrayAttr(weights));
  if (auto attend = dyn_cast<kv::AttendOp>(op)) {
    auto slotName = [](Value source) { return kv::symbolOf(source.getType()).getLeafReference(); };
    auto query = cast<RankedTensorType>(attend.getQuery().getType());
    label.set("keys", slotName(attend.getKeys()));
    label.set("values", slotName(attend.getValues()));
    label.set("heads", builder.getI64IntegerAttr(query.getDimSize(query.getRank() - 2)));
    label.set("window", builder.getI64IntegerAttr(attend.getWindow().value_or(0)));
  }
  if (auto linear = dyn_cast<lm::ExpertLinearOp>(op)) {
    label.set("chosen", builder.getI64IntegerAttr(linear.getNumChosen()));
    label.set("experts", builder.getI64IntegerAttr(linear.getNumExperts()));
  }
  return label.getDictionary(op->getContext());
}

/// Says in the location of each op that computes what it is: a label of labels.h. A group has those of its ops.
///
///     lm.linear %x, %q at "blk.{layer}.attn_q"
///  => the same, at fused<[{op = "lm.linear", at = "blk.{layer}.attn_q", rows = "tokens", weights = [...]}]>[...]
///
/// A kv.loop is labelled as one over layers.
/// Before groups become kernels: share-among-team reads of what is left of the ops which of them run between two
/// barriers. The program stays as it is.
struct LabelOps : PassWrapper<LabelOps, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LabelOps)
  StringRef getArgument() const override { return "label-ops"; }
  StringRef getDescription() const override { return "say in each op's location what it is for a person"; }
  void runOnOperation() override {
    int64_t number = 0;
    getOperation().walk([&](Operation *op) {
      if (isWork(op))
        op->setLoc(withLabels(op->getLoc(), Attribute(labelOf(op, number++))));
      else if (isa<kv::LoopOp>(op))
        op->setLoc(withLabels(op->getLoc(), layersLabel(op->getContext())));
    });
    getOperation().walk([](kv::GroupOp group) {
      llvm::SetVector<Attribute> labels;
      group->walk([&](Operation *op) { collectLabels(op->getLoc(), labels); });
      group->setLoc(withLabels(group->getLoc(), labels.getArrayRef()));
    });
  }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeLabelOps() { return std::make_unique<LabelOps>(); }
