// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/passes.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace kvasir::kv;

namespace kvasir::kv {
#define GEN_PASS_DEF_UNROLLLAYERS
#include "compiler/dialects/kv/passes.h.inc"
} // namespace kvasir::kv

namespace {
void unroll(LoopOp loop) {
  OpBuilder builder(loop);
  Block &body = loop.getBody().front();
  SmallVector<Value> carried(loop.getCarried());
  for (int64_t layer = loop.getFrom(), to = loop.getTo(); layer < to; ++layer) {
    IRMapping mapping;
    mapping.map(loop.getLayer(), builder.create<arith::ConstantIndexOp>(loop.getLoc(), layer));
    mapping.map(loop.getRegionIterArgs(), carried);
    for (Operation &op : body.without_terminator())
      builder.clone(op, mapping);
    for (auto [value, yielded] : llvm::zip(carried, body.getTerminator()->getOperands()))
      value = mapping.lookupOrDefault(yielded);
  }
  loop.replaceAllUsesWith(carried);
  loop.erase();
}

struct UnrollLayers : kvasir::kv::impl::UnrollLayersBase<UnrollLayers> {
  void runOnOperation() final {
    // Inner loops first: what is cloned is already straight.
    getOperation().walk<WalkOrder::PostOrder>(unroll);
  }
};
} // namespace
