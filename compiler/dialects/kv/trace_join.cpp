// SPDX-License-Identifier: MIT
// Branches that only the run decides: both must have done the same to every layer.
#include "compiler/dialects/kv/state_trace.h"

using namespace mlir;
using namespace kvasir::kv;

namespace {
/// What must not happen a second time has happened when either branch did it; a layer is read when both read it.
void joinReads(LayerTrace &then, const LayerTrace &otherwise) {
  then.attended = then.attended ? then.attended : otherwise.attended;
  then.reader = otherwise.reader ? then.reader : nullptr;
  for (int when : {0, 1})
    then.reads[when] = then.reads[when] ? then.reads[when] : otherwise.reads[when];
}
} // namespace

/// Afterwards a slot that a branch changed has one new version.
void StateTrace::join(scf::IfOp op, Slots &&then, Slots &&otherwise) {
  slots = std::move(then);
  for (auto &[symbol, slot] : slots) {
    SlotTrace &other = otherwise[symbol];
    for (auto [a, b] : llvm::zip(slot.layers, other.layers))
      joinReads(a, b);
    if (slot.consumers == other.consumers)
      continue;
    joinLayers(op, symbol, slot, other);
    unsigned version = std::max(slot.version, other.version) + 1;
    slot.consumers.resize(version, op);
    slot.version = version;
  }
}

void StateTrace::joinLayers(scf::IfOp op, StringAttr symbol, SlotTrace &then, SlotTrace &otherwise) {
  for (auto [index, pair] : llvm::enumerate(llvm::zip(then.layers, otherwise.layers))) {
    auto &[a, b] = pair;
    bool bothWaived = a.waiver && b.waiver;
    if (a.isSettled() != b.isSettled() || (a.numWrites != b.numWrites && !a.waiver && !b.waiver) ||
        (bool(a.unproven) != bool(b.unproven) && !bothWaived)) {
      Finding &finding = report(op, Rule::oneBranch, symbol, {}, index);
      if (Operation *writer = a.numWrites > b.numWrites ? a.writer : b.writer)
        finding.note(writer->getLoc(), "written here");
    }
    if (b.numWrites > a.numWrites) {
      std::swap(a.numWrites, b.numWrites);
      std::swap(a.writer, b.writer);
    }
    a.writtenAt = std::max(a.writtenAt, b.writtenAt);
    a.waiver = a.waiver ? a.waiver : b.waiver;
    a.unproven = a.unproven ? a.unproven : b.unproven;
  }
}
