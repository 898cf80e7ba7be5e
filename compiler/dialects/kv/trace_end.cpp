// SPDX-License-Identifier: MIT
// What a call leaves behind: reads that came too early, unproven writes, waivers of nothing, rows nobody wrote.
#include "compiler/dialects/kv/state_trace.h"

using namespace mlir;
using namespace kvasir::kv;

void StateTrace::checkEnd() {
  for (auto &[symbol, slot] : slots) {
    checkWaivers(symbol, slot);
    for (auto [index, layer] : llvm::enumerate(slot.layers))
      if (layer.unproven && !layer.waiver)
        report(layer.unproven, "rows", symbol,
               "writes rows of slot @" + symbol.getValue() + ", {layers}, that are not proven to be this call's: " +
                   cast<WriteOp>(layer.unproven).getUnraised().value_or("raise-writes has not run"),
               "write rows [start, start + count), or follow it with kv.waive and a reason", index);
  }
  for (auto [op, symbol, layer] : early) {
    Operation *writer = slots[symbol].layers[layer].writer;
    if (!writer)
      continue; // coverage says more
    report(op, "order", symbol,
           (isa<AttendOp>(op) ? "attends slot @" : "reads slot @") + symbol.getValue() +
               ", {layers}, before this call's rows [start, start + count) are appended",
           "append first", layer)
        .note(writer->getLoc(), "they are appended here");
  }
}

/// A waiver must excuse something: one layer that is open, or of a whole slot any.
void StateTrace::checkWaivers(StringAttr symbol, SlotTrace &slot) {
  auto isOpen = [](const LayerTrace &layer) { return !layer.numWrites || layer.unproven; };
  bool anyOpen = llvm::any_of(slot.layers, isOpen);
  for (auto [index, layer] : llvm::enumerate(slot.layers)) {
    if (!layer.waiver || isOpen(layer) || (!cast<WaiveOp>(layer.waiver).getLayer() && anyOpen))
      continue;
    report(layer.waiver, "waiver", symbol, "waives slot @" + symbol.getValue() + ", {layers}, which needs no waiver",
           "remove it", index)
        .note(layer.writer->getLoc(), "written here");
  }
}

void StateTrace::checkCoverage(Siblings others) {
  for (auto &[symbol, slot] : slots) {
    Finding *finding = nullptr;
    for (auto [index, layer] : llvm::enumerate(slot.layers))
      if (!layer.isSettled())
        finding = &report(exit, "coverage", symbol, "returns without writing " + Twine(rowsOf(symbol)) + ", {layers}",
                          slot.declaration.cache ? "kv.append them, or kv.waive them with a reason"
                                                 : "kv.set it, or kv.waive it with a reason",
                          index);
    if (finding)
      noteSiblings(*finding, symbol, *finding->layers.begin(), others);
  }
}

/// Where the missing rows are read, and who does it right: another layer, another slot, another entry.
void StateTrace::noteSiblings(Finding &finding, StringAttr symbol, int64_t missing, Siblings others) {
  for (auto [op, read, layer] : early)
    if (read == symbol && finding.layers.count(layer))
      finding.note(op->getLoc(), "@" + symbol.getValue() + " is read here without them");
  ArrayRef<LayerTrace> layers = slots[symbol].layers;
  if (auto written = llvm::find_if(layers, [](const LayerTrace &layer) { return layer.writer; });
      written != layers.end())
    finding.note(written->writer->getLoc(),
                 "@" + entry.getSymName() + " writes other layers of @" + symbol.getValue() + " here");
  for (auto &[sibling, trace] : slots)
    if (sibling != symbol && missing < int64_t(trace.layers.size()) && trace.layers[missing].writer)
      finding.note(trace.layers[missing].writer->getLoc(),
                   "@" + entry.getSymName() + " writes @" + sibling.getValue() + " here");
  for (const std::unique_ptr<StateTrace> &other : others)
    if (Operation *writer = other.get() == this ? nullptr : other->slots[symbol].layers[missing].writer)
      finding.note(writer->getLoc(), "@" + other->entry.getSymName() + " writes @" + symbol.getValue() + " here");
}

void StateTrace::addTo(Proof &proof) {
  for (auto &[symbol, slot] : slots) {
    llvm::MapVector<Operation *, std::vector<int64_t>> waived;
    for (auto [index, layer] : llvm::enumerate(slot.layers)) {
      proof.numWrites += layer.numWrites;
      if (layer.waiver)
        waived[layer.waiver].push_back(index);
    }
    for (auto &[waiver, layers] : waived)
      proof.waivers.push_back(
          {entry.getSymName().str(), symbol.str(), cast<WaiveOp>(waiver).getReason().str(), layers});
  }
}
