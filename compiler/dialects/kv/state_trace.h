// SPDX-License-Identifier: MIT
#ifndef KVASIR_DIALECTS_KV_STATE_TRACE_H
#define KVASIR_DIALECTS_KV_STATE_TRACE_H

#include "compiler/dialects/kv/findings.h"
#include "compiler/dialects/kv/verify_state.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/MapVector.h"

namespace kvasir::kv {

/// What happened to one layer of one slot since the call began.
struct LayerTrace {
  unsigned numWrites = 0;
  unsigned writtenAt = 0; // the version that the last write made
  mlir::Operation *writer = nullptr;
  mlir::Operation *reader = nullptr;   // attended, read or got it
  mlir::Operation *attended = nullptr; // through the slot
  mlir::Operation *reads[2] = {};      // of the rows before this call, and with this call's
  mlir::Operation *waiver = nullptr;   // says why a missing or unproven write is right
  mlir::Operation *unproven = nullptr; // a kv.write that could not be raised
  mlir::Value rows;                    // what the writer stored
  llvm::SmallVector<AttendOp> attends; // whose keys are this layer's

  bool isSettled() const { return numWrites || waiver; }
};

/// One slot: the version that is live, who made the last one stale, and its layers.
struct SlotTrace {
  Declaration declaration;
  unsigned version = 0;
  llvm::SmallVector<mlir::Operation *> consumers; // consumers[v] made version v stale
  llvm::SmallVector<LayerTrace> layers;
};

/// Weights that the schema names, sorted; few.
using Weights = llvm::SmallVector<mlir::StringAttr, 1>;

/// What an SSA value is made from, as far as rows are concerned.
struct Origin {
  bool positions = false;  // depends on kv.positions since the last attention, or since a weight of `by`
  bool isPosition = false; // made of positions and nothing else: they, or the angles of rope
  bool wanted = false;     // depends on kv.wanted: not one row a token any more
  Weights made;            // rows: the weights that made them
  Weights named;           // a weight itself

  Origin &operator|=(const Origin &other);
  bool operator==(const Origin &) const = default;
};

/// What is known of an SSA value while a call is followed.
struct Fact {
  enum Kind { nothing, number, slot, view } kind = nothing;
  mlir::Attribute constant; // number
  mlir::StringAttr symbol;  // slot, view
  unsigned version = 0;     // slot: its version; view: the layer's writes when it was lent
  int64_t layer = -1;       // view
  Origin origin;

  static Fact ofNumber(mlir::Attribute constant, Origin origin = {}) { return {number, constant, {}, 0, -1, origin}; }
};

/// One layer of the model, as the schema's `serves` has it.
struct ServedLayer {
  int64_t number;          // in the model
  mlir::StringAttr symbol; // of the keys
  int64_t layer;           // of the cache
  bool isOwner;            // writes the rows
};

/// Follows one call of an entry function. Layer indices are constants once loop indices are, so the trace runs
/// every loop and every call, and forks at branches it cannot decide; its cost is the number of executed kv ops.
/// Invariant: a slot value may be used only while its version is the live one.
class StateTrace {
public:
  using Facts = llvm::DenseMap<mlir::Value, Fact>;
  using Slots = llvm::MapVector<mlir::StringAttr, SlotTrace>;
  using Siblings = llvm::ArrayRef<std::unique_ptr<StateTrace>>;

  StateTrace(mlir::func::FuncOp entry, SchemaOp schema, Findings &findings);

  /// Runs the call and checks what it leaves behind, except coverage.
  void run();
  /// Reports what no path wrote or read; `others` are the traces of the other entries, for their notes.
  void checkCoverage(Siblings others);
  /// Compares how layers are attended with the entries before this one.
  void checkAttention(Siblings others);
  /// The entry's name and the state ops that were executed, a line each.
  void print(llvm::raw_ostream &stream);
  /// Adds what this call wrote and waived.
  void addTo(Proof &proof);

private:
  /// Ends a nest of loops over state that is none over layers; a real model takes some ten thousand steps.
  static constexpr int64_t kMostSteps = int64_t(1) << 20;

  // state_trace.cpp: what a value is, and who may still use it
  bool isExhausted() const { return numSteps > kMostSteps; }
  void visit(mlir::Operation *op, Facts &facts);
  SlotTrace *live(mlir::Operation *op, mlir::Value value, Facts &facts);
  void reportStale(mlir::Operation *op, const Fact &fact);
  Fact consume(mlir::Operation *op, mlir::Value value, Facts &facts);
  std::optional<int64_t> constantOf(mlir::Value value, Facts &facts);
  std::optional<int64_t> layerOf(mlir::Operation *op, mlir::Value layer, mlir::StringAttr symbol, Facts &facts);
  Finding &report(mlir::Operation *at, Rule rule, mlir::StringAttr symbol = {}, llvm::ArrayRef<std::string> values = {},
                  std::optional<int64_t> layer = std::nullopt);
  void record(mlir::Operation *op, mlir::StringAttr symbol, int64_t layer, const Origin &origin = {});

  // trace_origins.cpp: what rows are made from
  void visitArithmetic(mlir::Operation *op, Facts &facts, mlir::Operation *body = nullptr);
  Origin originOf(mlir::Operation *op, mlir::Operation *body, Facts &facts);
  const Weights &weightsNamedBy(mlir::Operation *op);
  void fold(mlir::Operation *op, Facts &facts, const Origin &origin);
  void checkPhase(AppendOp op, mlir::StringAttr symbol, int64_t layer, const Origin &origin);
  void checkMaker(AppendOp op, mlir::StringAttr symbol, int64_t layer, const Origin &origin);

  // trace_rows.cpp: ops that write
  void visitWrite(mlir::Operation *op, mlir::Value slot, mlir::Value layer, Facts &facts);
  void visitWaive(WaiveOp op, Facts &facts);
  void checkRows(AppendOp op, mlir::StringAttr symbol, int64_t layer, const Origin &origin);
  void checkTwins(AppendOp op, mlir::StringAttr symbol, int64_t layer);
  void checkSequences(SetOp op, mlir::StringAttr symbol, int64_t layer);
  std::string wrongRows(AppendOp op);

  // trace_reads.cpp: ops that read
  void visitRead(mlir::Operation *op, mlir::Value from, mlir::Value layer, Facts &facts);
  void checkRead(ReadOp op, mlir::StringAttr symbol, int64_t layer);
  void visitAttend(AttendOp op, Facts &facts);
  std::optional<int64_t> attendSide(AttendOp op, bool isValues, Facts &facts);
  void attendView(AttendOp op, const Fact &view);
  void checkWindow(AttendOp op, mlir::StringAttr symbol, int64_t layer);
  void checkServed(AttendOp op, mlir::StringAttr symbol, int64_t layer, bool isBorrowed);

  // trace_control.cpp: regions and calls
  void visitBlock(mlir::Block &block, Facts &facts);
  void visitGroup(GroupOp op, Facts &facts);
  void visitLayers(LoopOp op, Facts &facts);
  void visitFor(mlir::scf::ForOp op, Facts &facts);
  void visitPlainLoop(mlir::LoopLikeOpInterface loop, Facts &facts);
  void visitIf(mlir::scf::IfOp op, Facts &facts);
  void visitUndecided(mlir::scf::IfOp op, llvm::SmallVector<Fact> &results, Facts &facts);
  llvm::SmallVector<Fact> visitBranch(mlir::Region &region, unsigned numResults, Facts &facts);
  void visitCall(mlir::func::CallOp op, Facts &facts);
  void pass(mlir::Operation *op, mlir::ValueRange from, mlir::ValueRange to, Facts &source, Facts &target);

  // trace_join.cpp: branches that only the run decides
  void join(mlir::scf::IfOp op, Slots &&then, Slots &&otherwise);
  void joinLayers(mlir::scf::IfOp op, mlir::StringAttr symbol, SlotTrace &then, SlotTrace &otherwise);

  // trace_end.cpp: what a call leaves behind
  void checkEnd();
  void reportUnproven(WriteOp write, mlir::StringAttr symbol, int64_t layer);
  void checkWaivers(mlir::StringAttr symbol, SlotTrace &slot);
  void checkReaders(mlir::StringAttr symbol, SlotTrace &slot);
  bool isUnread(const LayerTrace &layer);
  bool isOpen(const LayerTrace &layer);
  mlir::Operation *writerOf(mlir::StringAttr symbol, int64_t layer);
  void noteSiblings(Finding &finding, mlir::StringAttr symbol, int64_t missing, Siblings others);

  mlir::func::FuncOp entry;
  Findings &findings;
  Slots slots;
  Weights weights;                       // that some cache is made by
  llvm::SmallVector<ServedLayer> served; // in the order of the model's layers
  size_t numAttends = 0;
  bool isServedWrong = false; // one complaint is enough: the layers after it are off, too
  std::optional<int64_t> knownTokens, knownSequences;
  llvm::SmallVector<mlir::Operation *> callers;
  llvm::SmallVector<std::tuple<mlir::Operation *, mlir::StringAttr, int64_t>> early; // reads before the write
  llvm::DenseMap<mlir::Operation *, std::string> rowVerdicts; // of appends: a fact of the op, whichever the layer
  llvm::DenseMap<mlir::Operation *, Weights> weightsNamed;
  std::vector<std::string> executed;
  mlir::Operation *exit = nullptr;
  int64_t numSteps = 0;
};

/// Who may hold a slot at all (signatures.cpp).
void checkFirewall(mlir::ModuleOp module, Findings &findings);
/// The functions that the schema lists, those that are there (signatures.cpp).
llvm::SmallVector<mlir::func::FuncOp> checkEntries(mlir::ModuleOp module, SchemaOp schema, Findings &findings);
/// Whether an entry takes and returns the schema's slots and takes one batch (signatures.cpp).
bool checkSignature(mlir::func::FuncOp entry, SchemaOp schema, Findings &findings);

} // namespace kvasir::kv

#endif
