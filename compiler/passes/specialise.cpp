// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/forms.h"
#include "compiler/passes/passes.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// Clones each entry for calls of one token, the common step of decoding.
///
///     kv.schema @m entries [@forward]
///     func @forward(…, %batch: !kv.batch)
///  => kv.schema @m entries [@forward, @forward.decode]
///     func @forward(…, %batch: !kv.batch)
///     func @forward.decode(…, %batch: !kv.batch {kv.sequences = 1, kv.tokens = 1})
///
/// The clone has the attribute `kv.specialises = @forward`; a plugin runs it where B = T = 1. It is an entry like any
/// other: verify-state proves it too. Probes get theirs in the same way, and so do the raised forms of functions,
/// whose batch is of one sequence. Leaves alone entries whose batch states a number of tokens or several sequences, and
/// those without a group: only kernels are made differently for one row.
struct Specialise : PassWrapper<Specialise, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(Specialise)
  StringRef getArgument() const override { return "specialise"; }
  StringRef getDescription() const override { return "clone entries for calls of one token"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<kv::KvDialect>(); }
  void runOnOperation() override {
    for (auto schema : getOperation().getOps<kv::SchemaOp>()) {
      SmallVector<Attribute> entries(schema.getEntries().begin(), schema.getEntries().end());
      for (Attribute entry : schema.getEntries())
        if (auto function = getOperation().lookupSymbol<func::FuncOp>(cast<FlatSymbolRefAttr>(entry).getAttr()))
          if (Attribute clone = specialise(function))
            entries.push_back(clone);
      schema.setEntriesAttr(ArrayAttr::get(&getContext(), entries));
    }
    for (auto function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (function->hasAttr(kProbeAttr))
        (void)specialise(function);
  }

private:
  /// The symbol of the clone; null if there is none.
  static Attribute specialise(func::FuncOp function) {
    BlockArgument batch = kv::batchOf(function.getArguments());
    bool hasGroup = function.walk([](kv::GroupOp) { return WalkResult::interrupt(); }).wasInterrupted();
    if (!hasGroup || !batch || kv::knownOf(batch, "kv.tokens") || kv::knownOf(batch, "kv.sequences").value_or(1) != 1)
      return {};
    OpBuilder builder(function.getContext());
    builder.setInsertionPointAfter(function);
    auto clone = cast<func::FuncOp>(builder.clone(*function));
    clone.setName((function.getName() + ".decode").str());
    clone->setAttr(kv::kSpecialisesAttr, FlatSymbolRefAttr::get(function));
    for (StringRef fact : {"kv.sequences", "kv.tokens"})
      clone.setArgAttr(batch.getArgNumber(), fact, builder.getI64IntegerAttr(1));
    return FlatSymbolRefAttr::get(clone);
  }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeSpecialise() { return std::make_unique<Specialise>(); }
