// SPDX-License-Identifier: MIT
#include "compiler/passes/passes.h"
#include "compiler/passes/probes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace kvasir;
namespace json = llvm::json;

namespace {
/// One entry as JSON.
class Recorder {
public:
  explicit Recorder(const llvm::MapVector<Operation *, std::string> &probes) : probes(probes) {}

  json::Object record(func::FuncOp entry) {
    json::Array inputs = defineTensors(entry.getArguments());
    json::Array body = recordBody(entry.getBody().front());
    return json::Object{{"name", entry.getName()},
                        {"inputs", std::move(inputs)},
                        {"body", std::move(body)},
                        {"outputs", tensorsOf(entry.getBody().front().getTerminator()->getOperands())}};
  }

private:
  static bool isTensor(Value value) { return isa<RankedTensorType>(value.getType()); }

  int64_t define(Value value) { return numbers.try_emplace(value, int64_t(numbers.size())).first->second; }

  json::Array defineTensors(ValueRange values) {
    json::Array list;
    for (Value value : values)
      if (isTensor(value))
        list.push_back(define(value));
    return list;
  }

  json::Array tensorsOf(ValueRange values) {
    json::Array list;
    for (Value value : values)
      if (isTensor(value) && !value.getDefiningOp<kv::WantedOp>())
        list.push_back(numbers.at(value));
    return list;
  }

  json::Array recordBody(Block &block) {
    json::Array body;
    for (Operation &op : block.without_terminator()) {
      if (auto loop = dyn_cast<kv::LoopOp>(op))
        body.push_back(recordLoop(loop));
      else if (isStep(&op))
        body.push_back(recordStep(&op));
    }
    return body;
  }

  /// What makes tensors or changes state. Which rows are wanted, the call says.
  static bool isStep(Operation *op) {
    return !isa<kv::WantedOp>(op) &&
           (llvm::any_of(op->getResults(), isTensor) || isa<kv::AppendOp, kv::WriteOp, kv::SetOp>(op));
  }

  json::Object recordLoop(kv::LoopOp loop) {
    json::Array carried = tensorsOf(loop.getCarried());
    int64_t layer = define(loop.getLayer());
    json::Array arguments = defineTensors(loop.getBody().getArguments().drop_front());
    json::Array body = recordBody(loop.getBody().front());
    json::Array yield = tensorsOf(loop.getBody().front().getTerminator()->getOperands());
    return json::Object{{"loop", json::Array{int64_t(loop.getFrom()), int64_t(loop.getTo())}},
                        {"layer", layer},
                        {"in", std::move(carried)},
                        {"arguments", std::move(arguments)},
                        {"body", std::move(body)},
                        {"yield", std::move(yield)},
                        {"out", defineTensors(loop.getResults())}};
  }

  json::Object recordStep(Operation *op) {
    json::Object step{{"op", op->getName().getStringRef()}, {"at", placeOf(op)}, {"in", tensorsOf(op->getOperands())}};
    if (auto probe = probes.find(op); probe != probes.end())
      step["probe"] = probe->second;
    for (Value operand : op->getOperands())
      if (auto select = operand.getDefiningOp<lm::SelectOp>(); select && select.getLayer())
        setKnown(step, "layer", layerOf(select.getLayer()));
    if (auto append = dyn_cast<kv::AppendOp>(op))
      setKnown(step, "appends", slotOf(append.getSlot(), append.getLayer()));
    if (auto attend = dyn_cast<kv::AttendOp>(op))
      recordAttention(attend, step);
    step["out"] = defineTensors(op->getResults());
    return step;
  }

  void recordAttention(kv::AttendOp attend, json::Object &step) {
    setKnown(step, "keys", slotOf(attend.getKeys(), attend.getKeyLayer()));
    setKnown(step, "values", slotOf(attend.getValues(), attend.getValueLayer()));
    step["scale"] = attend.getScale().convertToDouble();
    if (auto softcap = attend.getSoftcap())
      step["softcap"] = softcap->convertToDouble();
    if (auto window = attend.getWindow())
      step["window"] = int64_t(*window);
    if (attend.getSinks())
      step["sinks"] = true;
    if (attend.getMask() != kv::Mask::causal)
      step["mask"] = kv::stringifyMask(attend.getMask());
  }

  static void setKnown(json::Object &step, StringRef key, json::Value value) {
    if (value != nullptr)
      step[key] = std::move(value);
  }

  /// A slot's layer, also behind the view that lends it.
  json::Value slotOf(Value source, Value layer) {
    StringRef name = kv::symbolOf(source.getType()).getLeafReference().getValue();
    if (auto borrow = source.getDefiningOp<kv::BorrowOp>())
      layer = borrow.getLayer();
    json::Value number = layerOf(layer);
    return number == nullptr ? json::Value(nullptr) : json::Object{{"slot", name}, {"layer", std::move(number)}};
  }

  /// variable * times + added; without a variable a number.
  struct LayerNumber {
    std::optional<int64_t> variable;
    int64_t times, added;
  };

  /// Nothing for what only the run knows.
  std::optional<LayerNumber> layerNumber(Value index) {
    if (auto constant = getConstantIntValue(index))
      return LayerNumber{std::nullopt, 0, *constant};
    if (auto found = numbers.find(index); found != numbers.end())
      return LayerNumber{found->second, 1, 0};
    Operation *op = index.getDefiningOp();
    auto right =
        isa_and_nonnull<arith::AddIOp, arith::MulIOp>(op) ? getConstantIntValue(op->getOperand(1)) : std::nullopt;
    std::optional<LayerNumber> left = right ? layerNumber(op->getOperand(0)) : std::nullopt;
    if (!left)
      return std::nullopt;
    if (isa<arith::AddIOp>(op))
      return LayerNumber{left->variable, left->times, left->added + *right};
    return LayerNumber{left->variable, left->times * *right, left->added * *right};
  }

  /// A number, [the loop's variable, what is added to it], or with what it is multiplied by before as the third.
  json::Value layerOf(Value index) {
    std::optional<LayerNumber> number = index ? layerNumber(index) : std::nullopt;
    if (!number)
      return nullptr;
    if (!number->variable)
      return number->added;
    if (number->times == 1)
      return json::Array{*number->variable, number->added};
    return json::Array{*number->variable, number->added, number->times};
  }

  const llvm::MapVector<Operation *, std::string> &probes;
  llvm::DenseMap<Value, int64_t> numbers;
};

/// Writes down what the entries compute, for programs that read the plugin: the section "graph", a JSON text.
///
///     {"format": 1, "functions": [{"name": "forward", "inputs": [0], "body": [
///       {"op": "lm.embedding", "at": "token_embd", "in": [0], "out": [1], "probe": "probe.token_embd"},
///       {"loop": [0, 30], "layer": 2, "in": [1], "arguments": [3], "body": [
///         {"op": "lm.linear", "at": "blk.{layer}.attn_q", "in": [3], "out": [4], "layer": [2, 0], …},
///         {"op": "kv.append", "at": "blk.{layer}.append_k", "in": [5], "out": [], "appends": {"slot": "k", "layer":
///         [2, 0]}},
///         {"op": "kv.attend", …, "keys": {…}, "values": {…}, "scale": 0.125}, …], "yield": [9], "out": [10]}],
///       "outputs": [12]}]}
///
/// A step is an op with tensors for results, or one that writes state; tensors are numbers, in the order of operands.
/// A layer is a number, or [the loop's variable, what is added, what it is multiplied by before, if that is not 1]; one
/// that only the run knows is left out. So are
/// weights, the batch, and which rows are wanted. The program stays as it is.
struct RecordGraph : PassWrapper<RecordGraph, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(RecordGraph)
  RecordGraph(std::string &json, Probes probes) : json(json), probes(probes) {}
  StringRef getArgument() const override { return "record-graph"; }
  StringRef getDescription() const override { return "write down what the entries compute"; }
  void runOnOperation() override {
    llvm::MapVector<Operation *, std::string> named;
    if (probes == Probes::eachOp)
      named = probesOf(getOperation());
    json::Array functions;
    for (auto schema : getOperation().getOps<kv::SchemaOp>())
      for (Attribute entry : schema.getEntries())
        if (auto function = getOperation().lookupSymbol<func::FuncOp>(cast<FlatSymbolRefAttr>(entry).getAttr()))
          functions.push_back(Recorder(named).record(function));
    llvm::raw_string_ostream(json) << json::Value(json::Object{{"format", 1}, {"functions", std::move(functions)}});
    markAllAnalysesPreserved();
  }

private:
  std::string &json;
  const Probes probes;
};
} // namespace

std::unique_ptr<Pass> kvasir::makeRecordGraph(std::string &json, Probes probes) {
  return std::make_unique<RecordGraph>(json, probes);
}
