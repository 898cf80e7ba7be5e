// SPDX-License-Identifier: MIT
// What a call leaves behind: reads that came too early, unproven writes, waivers of nothing, rows nobody wrote.
#include "compiler/dialects/kv/state_trace.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace kvasir::kv;

void StateTrace::checkEnd() {
  for (auto &[symbol, slot] : slots) {
    checkWaivers(symbol, slot);
    for (auto [index, layer] : llvm::enumerate(slot.layers))
      if (layer.unproven && !layer.waiver)
        reportUnproven(cast<WriteOp>(layer.unproven), symbol, index);
  }
  for (auto [op, symbol, layer] : early) {
    if (Operation *writer = slots[symbol].layers[layer].writer) // else coverage says more
      report(op, Rule::early, symbol, {isa<AttendOp>(op) ? "attends" : "reads"}, layer)
          .note(writer->getLoc(), "they are appended here");
  }
  if (!isServedWrong && !served.empty() && numAttends != served.size())
    report(exit, Rule::attends, {}, {std::to_string(numAttends), std::to_string(served.size())});
}

void StateTrace::reportUnproven(WriteOp write, StringAttr symbol, int64_t layer) {
  StringRef reason = write.getUnraised().value_or("raise-writes has not run");
  Finding &finding = report(write, Rule::unproven, symbol, {reason.str()}, layer);
  bool isSize = reason.starts_with("they are") || reason.starts_with("their number");
  if (Operation *op = (isSize ? Value(write.getRows()) : Value(write.getBegin())).getDefiningOp())
    finding.note(op->getLoc(), (isSize ? "the rows come from this '" : "their first row comes from this '") +
                                   op->getName().getStringRef() + "'");
}

/// A call that gives no result may well leave what it wrote to others.
bool StateTrace::isUnread(const LayerTrace &layer) {
  bool hasResults = llvm::any_of(entry.getResultTypes(), [](Type type) { return !isa<SlotType>(type); });
  // What a call without tokens writes is registers, as a whole: it may have no use for what they were.
  bool takesNoTokens = llvm::any_of(entry.getArguments(), [](BlockArgument argument) {
    return isa<BatchType>(argument.getType()) && knownOf(argument, "kv.tokens") == 0;
  });
  return hasResults && !takesNoTokens && layer.numWrites && !layer.reader;
}

bool StateTrace::isOpen(const LayerTrace &layer) { return !layer.numWrites || layer.unproven || isUnread(layer); }

/// A waiver must excuse something: one layer that is open, or of a whole slot any.
void StateTrace::checkWaivers(StringAttr symbol, SlotTrace &slot) {
  for (auto [index, layer] : llvm::enumerate(slot.layers)) {
    auto excuses = [&, waiver = layer.waiver](const LayerTrace &other) {
      return other.waiver == waiver && isOpen(other);
    };
    bool isNeeded = !layer.waiver || isOpen(layer) ||
                    (!cast<WaiveOp>(layer.waiver).getLayer() && llvm::any_of(slot.layers, excuses));
    if (isNeeded)
      continue;
    report(layer.waiver, Rule::needless, symbol, {}, index).note(layer.writer->getLoc(), "written here");
  }
}

/// Rows that nobody reads in the same call are an attention, or a kv.get, that was lost.
void StateTrace::checkReaders(StringAttr symbol, SlotTrace &slot) {
  Operation *reader = nullptr;
  for (LayerTrace &layer : slot.layers)
    reader = reader ? reader : layer.reader;
  for (auto [index, layer] : llvm::enumerate(slot.layers)) {
    if (!isUnread(layer) || layer.waiver)
      continue;
    Finding &finding = report(layer.writer, Rule::unread, symbol, {}, index);
    if (reader)
      finding.note(reader->getLoc(), "other layers are read here");
  }
}

void StateTrace::checkCoverage(Siblings others) {
  for (auto &[symbol, slot] : slots) {
    checkReaders(symbol, slot);
    Finding *finding = nullptr;
    for (auto [index, layer] : llvm::enumerate(slot.layers))
      if (!layer.isSettled())
        finding = &report(exit, slot.declaration.cache ? Rule::missing : Rule::unset, symbol, {}, index);
    if (finding)
      noteSiblings(*finding, symbol, *finding->layers.begin(), others);
  }
}

namespace {
/// "scale 0.25, window 512".
std::string readingOf(AttendOp op) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << "scale " << llvm::format("%g", op.getScale().convertToDouble());
  if (op.getSoftcap())
    stream << ", softcap " << llvm::format("%g", op.getSoftcap()->convertToDouble());
  if (op.getWindow())
    stream << ", window " << *op.getWindow();
  if (op.getSinks())
    stream << ", sinks";
  return text;
}
} // namespace

void StateTrace::checkAttention(Siblings others) {
  for (const std::unique_ptr<StateTrace> &other : others) {
    if (other.get() == this)
      return;
    for (auto &[symbol, slot] : slots) {
      SlotTrace theirs = other->slots.lookup(symbol); // none of an opaque function
      for (auto [index, pair] : llvm::enumerate(llvm::zip(slot.layers, theirs.layers)))
        for (auto [mine, first] : llvm::zip(std::get<0>(pair).attends, std::get<1>(pair).attends)) {
          std::string reading = readingOf(mine), before = readingOf(first);
          if (reading != before)
            report(mine, Rule::attention, symbol, {reading, other->entry.getSymName().str(), before}, index)
                .note(first->getLoc(), "@" + other->entry.getSymName() + " attends here");
        }
    }
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
    if (Operation *writer = other.get() == this ? nullptr : other->writerOf(symbol, missing))
      finding.note(writer->getLoc(), "@" + other->entry.getSymName() + " writes @" + symbol.getValue() + " here");
}

/// Null where the entry does not write the layer, or does not have the slot.
Operation *StateTrace::writerOf(StringAttr symbol, int64_t layer) {
  auto slot = slots.find(symbol);
  return slot == slots.end() ? nullptr : slot->second.layers[layer].writer;
}

void StateTrace::addTo(Proof &proof) {
  for (auto &[symbol, slot] : slots) {
    llvm::MapVector<Operation *, std::vector<int64_t>> waived;
    for (auto [index, layer] : llvm::enumerate(slot.layers)) {
      proof.numWrites += layer.numWrites;
      if (layer.waiver && isOpen(layer))
        waived[layer.waiver].push_back(index);
    }
    for (auto &[waiver, layers] : waived)
      proof.waivers.push_back(
          {entry.getSymName().str(), symbol.str(), cast<WaiveOp>(waiver).getReason().str(), layers});
  }
}
