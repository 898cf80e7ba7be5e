// SPDX-License-Identifier: MIT
#include "backends/cpu/kernels.h"

#include "backends/cpu/attention.h"
#include "backends/cpu/epilogues.h"
#include "backends/cpu/experts.h"
#include "backends/cpu/group_match.h"
#include "backends/cpu/routing.h"
#include "backends/cpu/row_parts.h"
#include "compiler/passes/call_frame.h"
#include "compiler/passes/group_operands.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/Error.h"

using namespace mlir;

namespace kvasir::cpu {
namespace {

int64_t lastExtent(Value tensor) { return cast<RankedTensorType>(tensor.getType()).getShape().back(); }

/// T of the function that the group stands in, where it is specialised for it.
std::optional<int64_t> rowsOf(kv::GroupOp group) {
  Value batch = kv::batchOf(group->getParentOfType<func::FuncOp>().getArguments());
  return batch ? kv::knownOf(batch, "kv.tokens") : std::nullopt;
}

/// The number of a slot, in the schema's order.
unsigned slotNumber(Operation *from, kv::SlotType slot) {
  unsigned number = 0, found = 0;
  from->getParentOfType<ModuleOp>().walk([&](kv::SchemaOp schema) {
    for (Operation &op : schema.getBody().front()) {
      if (SymbolTable::getSymbolName(&op) == slot.getSymbol().getLeafReference())
        found = number;
      ++number;
    }
  });
  return found;
}

/// Panels that hold whole heads, where these are normed or turned in halves.
int64_t panelsTogether(const HeadRows &heads) {
  bool isOfHalves = heads.rope && lm::RopeOp(heads.rope).getLanes() == lm::LaneOrder::halves;
  return heads.norm || isOfHalves ? panelsOfHeads(lastExtent(heads.rows())) : 1;
}

/// The tiles that the group's epilogues take at once.
int64_t tilesOf(const GroupOps &ops) {
  int64_t tiles = ops.gate ? 2 : 1;
  for (const HeadRows &heads : ops.heads)
    tiles = std::max(tiles, panelsTogether(heads));
  return tiles;
}

/// A kernel in the making: the group's ops, and where their values are.
class KernelWriter {
public:
  KernelWriter(const KernelRequest &request, Activations wanted, const ManyRows *manyRows, Code &code)
      : group(request.group), function(request.function), operands(request.operands), wanted(wanted), code(code),
        isa(isaOf(request.variant)), ops(readGroup(group)), kernel{code,
                                                                   function->getParentOfType<ModuleOp>(),
                                                                   isa,
                                                                   function.getArgument(0),
                                                                   code.fromIndex(function.getArgument(1)),
                                                                   code.fromIndex(function.getArgument(2)),
                                                                   code.addressOf(function.getArguments().back()),
                                                                   request.rows,
                                                                   manyRows} {}

  void write() {
    StringRef name = group.getKernel();
    if (name == kAttend)
      return writeAttend();
    if (name == kEmbedding)
      return writeEmbedding();
    if (name == kNormAdd)
      return writeNormAdd();
    if (name == kRoute)
      return writeRoute();
    if (name == kExpertGate)
      return writeExpertGate();
    if (name == kExpertMix)
      return writeExpertMix();
    ActivationFormat format = *commonActivations(ops.linears, wanted);
    SmallVector<PanelSet> sets = name == kQkv ? headSets() : name == kGateUp ? gateSets() : linearSets();
    emitLinears(kernel, format, input(), sets);
  }

private:
  /// The kernel's argument that stands for a value from outside.
  Value argumentOf(Value value) {
    const auto *at = llvm::find(operands, value);
    assert(at != operands.end() && "the value is not an operand of the group");
    return function.getArgument(3 + (at - operands.begin()));
  }

  /// The kernel's `index`-th tensor result.
  Value resultAt(unsigned index) { return function.getArgument(3 + operands.size() + index); }

  /// An operand, also where it is a constant: the kernel may serve other layers.
  Value layerOf(Value index) { return code.fromIndex(argumentOf(index)); }

  /// Where a weight begins.
  Value weightAddress(Value weight) {
    auto select = weight.getDefiningOp<lm::SelectOp>();
    auto op = SymbolTable::lookupNearestSymbolFrom<lm::WeightOp>(group, select.getSymbolAttr());
    Value at = code.num(*op.getOffset());
    if (select.getLayer())
      at = code.add(at, code.mul(layerOf(select.getLayer()), int64_t(*op.getStride())));
    return code.at(CallFrame(code.builder(), code.builder().getLoc(), kernel.call).weights(), at);
  }

  Linear linear(Operation *op) {
    Linear linear;
    Value weight = weightOf(op);
    auto type = cast<lm::WeightType>(weight.getType());
    linear.format = *weightFormat(type, wanted);
    linear.blocks = weightAddress(weight);
    auto ofExperts = dyn_cast<lm::ExpertLinearOp>(op);
    linear.rows = ofExperts ? ofExperts.getNumRows() : type.getNumRows();
    if (Value bias = ofExperts ? ofExperts.getBias() : cast<lm::LinearOp>(op).getBias())
      linear.bias = weightAddress(bias);
    return linear;
  }

  LinearInput input() {
    LinearInput input;
    Value source = argumentOf(ops.input());
    input.source = code.addressOf(source);
    input.rows = code.fromIndex(code.builder().create<memref::DimOp>(source, 0));
    input.columns = lastExtent(ops.input());
    if (ops.norm) {
      input.norm = weightAddress(ops.norm.getWeight());
      input.epsilon = ops.norm.getEpsilon().convertToDouble();
    }
    return input;
  }

  SmallVector<PanelSet> linearSets() {
    Operation *op = ops.linears.front();
    Linear of = linear(op);
    Destination to{code.addressOf(resultAt(0)), lastExtent(op->getResult(0))};
    Value addend = ops.sum ? code.addressOf(argumentOf(ops.addend())) : Value();
    return {{{of},
             [=, this](const PartRow &row, Value column, ArrayRef<Tile> tiles) {
               emitStoreSum(kernel, of, to, addend, row.number, column, tiles[0], [&](Value y) { return mapped(y); });
             },
             1,
             fetching(to)}};
  }

  /// What the group's unary ops make of lanes.
  Value mapped(Value lanes) {
    for (Operation *op : ops.unaries)
      if (auto scale = dyn_cast<lm::ScaleOp>(op))
        lanes = code.mulF(lanes, code.splat(lanesOf(lanes), scale.getFactor().convertToFloat()));
      else
        lanes = emitSoftcap(code, lanes, cast<lm::SoftcapOp>(op).getCap().convertToFloat());
    return lanes;
  }

  Gate gate() const {
    if (auto clamped = dyn_cast<lm::ClampedSwigluOp>(ops.gate))
      return {Gate::clampedSilu, clamped.getLimit().convertToFloat(), clamped.getSlope().convertToFloat()};
    return llvm::isa<lm::GegluOp>(ops.gate) ? Gate::gelu : Gate::silu;
  }

  SmallVector<PanelSet> gateSets() {
    Destination to{code.addressOf(resultAt(0)), lastExtent(ops.gate->getResult(0))};
    return {{{linear(ops.linears[0]), linear(ops.linears[1])},
             [=, this](const PartRow &row, Value column, ArrayRef<Tile> tiles) {
               emitStoreGated(kernel, gate(), to, row.number, column, tiles[0], tiles[1]);
             },
             1,
             fetching(to)}};
  }

  /// Asks for the lines of a unit of `together` panels.
  template <typename Place> std::function<void(Value, Value)> fetching(Place place, int64_t together = 1) {
    return [=, this](Value row, Value column) { emitFetch(kernel, place, row, column, together * kPanelRows); };
  }

  HeadSteps stepsOf(HeadRows &heads) {
    HeadSteps steps{lastExtent(heads.rows())};
    if (heads.norm)
      steps.norm = {weightAddress(heads.norm.getWeight()), heads.norm.getEpsilon().convertToDouble()};
    if (heads.rope) {
      Value angles = heads.rope.getAngles();
      steps.rotation = {code.addressOf(argumentOf(angles)), 2 * cast<RankedTensorType>(angles.getType()).getDimSize(1),
                        heads.rope.getLanes() == lm::LaneOrder::halves};
    }
    return steps;
  }

  SmallVector<PanelSet> headSets() {
    SmallVector<PanelSet> sets;
    for (HeadRows &heads : ops.heads) {
      Linear of = linear(heads.linear);
      HeadSteps steps = stepsOf(heads);
      if (!heads.append) {
        Destination to{code.addressOf(resultAt(0)), of.rows};
        sets.push_back({{of},
                        [=, this](const PartRow &row, Value column, ArrayRef<Tile> tiles) {
                          emitStoreHeads(kernel, of, to, steps, row.number, column, tiles);
                        },
                        panelsTogether(heads),
                        fetching(to, panelsTogether(heads))});
        continue;
      }
      CacheRows cache = cacheOf(heads.append, steps.width, /*isKeys=*/heads.append == keysAppend());
      sets.push_back({{of},
                      [=, this](const PartRow &row, Value column, ArrayRef<Tile> tiles) {
                        emitAppend(kernel, of, cache, steps, row, column, tiles);
                      },
                      panelsTogether(heads),
                      fetching(cache, panelsTogether(heads))});
    }
    return sets;
  }

  /// Of the two appends the one to the cache that is no other's values.
  kv::AppendOp keysAppend() {
    for (const HeadRows &heads : ops.heads)
      if (heads.append && !cacheOp(kv::AppendOp(heads.append).getSlot()).getValues())
        return heads.append;
    return {};
  }

  kv::CacheOp cacheOp(Value slot) { return cacheOfSlot(group, slot); }

  CacheRows cacheOf(kv::AppendOp append, int64_t width, bool isKeys) {
    auto slot = cast<kv::SlotType>(append.getSlot().getType());
    int64_t heads = cast<RankedTensorType>(append.getRows().getType()).getDimSize(1);
    bool isHalf = storedElement(cacheOp(append.getSlot())) == ElementType::f16;
    return {slotNumber(append, slot), layerOf(append.getLayer()), heads, width, isKeys, isHalf};
  }

  /// Runs `body` on the numbers of the rows that this member computes in the kernels behind.
  void forOwnRows(Value tensor, const std::function<void(Value number)> &body) {
    RowParts parts(code, code.fromIndex(code.builder().create<memref::DimOp>(tensor, 0)), kernel.member,
                   kernel.members);
    auto [begin, end] = evenShare(code, parts.count, parts.member, parts.members);
    parts.forRows(begin, end, [&](Value, const PartRow &row) { body(row.number); });
  }

  void writeEmbedding() {
    lm::EmbeddingOp op = ops.embedding;
    ImplicitLocOpBuilder &b = code.builder();
    Value ids = argumentOf(op.getIds()), result = resultAt(0);
    Value weight = b.clone(*op.getWeight().getDefiningOp())->getResult(0);
    forOwnRows(ids, [&](Value row) {
      Value number = code.toIndex(row), id = code.toIndex(b.create<memref::LoadOp>(ids, number));
      OpFoldResult one = b.getIndexAttr(1), columns = b.getIndexAttr(lastExtent(op.getResult()));
      Value line = b.create<memref::SubViewOp>(result, ArrayRef<OpFoldResult>{number, b.getIndexAttr(0)},
                                               ArrayRef<OpFoldResult>{one, columns}, ArrayRef<OpFoldResult>{one, one});
      b.create<lm::DequantizeOp>(TypeRange{}, weight, id, line);
      if (!ops.unaries.empty())
        mapRow(code.addressOf(result), row, lastExtent(op.getResult()));
    });
  }

  /// The unary ops on a row of a matrix, in place.
  void mapRow(Value matrix, Value row, int64_t columns) {
    int64_t lanes = std::gcd(columns, 16);
    Value line = code.at(matrix, code.mul(row, columns * 4));
    code.loop(code.num(0), code.num(columns), lanes, [&](Value column) {
      Value at = code.at(line, code.mul(column, 4));
      code.store(mapped(code.load(code.vec(lanes, code.f32), at)), at);
    });
  }

  void writeNormAdd() {
    Value input = argumentOf(ops.input()), norm = weightAddress(ops.norm.getWeight());
    Value source = code.addressOf(input), addend = code.addressOf(argumentOf(ops.addend()));
    Value result = code.addressOf(resultAt(0));
    int64_t columns = lastExtent(ops.input());
    double epsilon = ops.norm.getEpsilon().convertToDouble();
    forOwnRows(input, [&](Value row) {
      auto at = [&](Value matrix) { return code.at(matrix, code.mul(row, columns * 4)); };
      emitNormAdd(code, columns, at(source), norm, epsilon, at(addend), at(result));
    });
  }

  void writeRoute() {
    Value logits = argumentOf(ops.route.getLogits()), numbers = resultAt(0), shares = resultAt(1);
    Choice choice{lastExtent(ops.route.getLogits()), lastExtent(ops.route.getExperts()),
                  ops.route.getOf() == lm::SharesOf::all};
    Value from = code.addressOf(logits), toNumbers = code.addressOf(numbers), toShares = code.addressOf(shares);
    forOwnRows(logits, [&](Value row) {
      auto at = [&](Value matrix, int64_t columns) { return code.at(matrix, code.mul(row, columns * 4)); };
      emitRoute(code, kernel.module, choice, at(from, choice.experts), at(toNumbers, choice.chosen),
                at(toShares, choice.chosen));
    });
  }

  ExpertInput expertInput() {
    auto linear = cast<lm::ExpertLinearOp>(ops.linears.front());
    LinearInput rows = input();
    rows.columns = linear.getWeight().getType().getNumColumns();
    return {rows, code.addressOf(argumentOf(linear.getExperts())), linear.getNumExperts(), linear.getNumChosen(),
            linear.hasParts()};
  }

  void writeExpertGate() {
    emitExpertGate(kernel, *commonActivations(ops.linears, wanted), expertInput(), linear(ops.linears[0]),
                   linear(ops.linears[1]), gate(), code.addressOf(resultAt(0)));
  }

  void writeExpertMix() {
    float factor = 1;
    for (Operation *scale : ops.unaries)
      factor *= cast<lm::ScaleOp>(scale).getFactor().convertToFloat();
    Value addend = ops.sum ? code.addressOf(argumentOf(ops.addend())) : Value();
    emitExpertMix(kernel, *commonActivations(ops.linears, wanted), expertInput(), linear(ops.linears[0]),
                  code.addressOf(argumentOf(ops.mix.getShares())), factor, addend, code.addressOf(resultAt(0)));
  }

  void writeAttend() {
    kv::AttendOp attend = ops.attend;
    auto query = cast<RankedTensorType>(attend.getQuery().getType());
    Attention attention;
    attention.queryHeads = query.getDimSize(1);
    attention.width = query.getDimSize(2);
    attention.heads = cacheOp(attend.getKeys()).getHeads();
    attention.scale = attend.getScale().convertToFloat();
    attention.keySlot = slotNumber(attend, cast<kv::SlotType>(attend.getKeys().getType()));
    attention.valueSlot = slotNumber(attend, cast<kv::SlotType>(attend.getValues().getType()));
    attention.layer = layerOf(attend.getKeyLayer());
    attention.query = code.addressOf(argumentOf(attend.getQuery()));
    attention.result = code.addressOf(resultAt(0));
    attention.isHalf = storedElement(cacheOp(attend.getKeys())) == ElementType::f16;
    attention.wantedOnly = ops.take != nullptr;
    attention.window = attend.getWindow().value_or(0);
    attention.softcap = attend.getSoftcap().value_or(llvm::APFloat(0.0f)).convertToFloat();
    if (Value sinks = attend.getSinks())
      attention.sinks = weightAddress(sinks);
    emitAttention(kernel, attention);
  }

  kv::GroupOp group;
  func::FuncOp function;
  ArrayRef<Value> operands;
  Activations wanted;
  Code &code;
  Isa isa;
  GroupOps ops;
  Kernel kernel;
};

} // namespace

Isa isaOf(const Variant &variant) {
  Isa isa{variant.name, llvm::StringRef(variant.name).starts_with("avx512") ? 16 : 8};
  isa.hasVnni = variant.name != "avx2";
  isa.prefersFma = variant.name == "avx512-fma";
  isa.hasBf16 = variant.name == "avx512-bf16" || isa.prefersFma;
  return isa;
}

llvm::Expected<KernelSignature> kernelSignature(kv::GroupOp group, Activations wanted, const ManyRows *manyRows) {
  GroupOps ops = readGroup(group);
  KernelSignature signature;
  LinearScratch scratch;
  if (ops.attend) {
    auto query = cast<RankedTensorType>(ops.attend.getQuery().getType());
    int64_t heads = cacheOfSlot(group, ops.attend.getKeys()).getHeads();
    scratch = attentionScratch(query.getDimSize(1), heads, query.getDimSize(2), rowsOf(group));
  } else if (!ops.linears.empty()) {
    std::optional<ActivationFormat> format = commonActivations(ops.linears, wanted);
    if (!format)
      return llvm::createStringError(llvm::inconvertibleErrorCode(), "the weights have no kernel in common");
    auto ofExperts = dyn_cast<lm::ExpertLinearOp>(ops.linears.front());
    scratch = ofExperts ? expertScratch(*format, ofExperts.getWeight().getType().getNumColumns(),
                                        ofExperts.getNumExperts(), ofExperts.getNumChosen(), tilesOf(ops))
                        : linearScratch(*format, lastExtent(ops.input()), tilesOf(ops), manyRows);
  }
  signature.scratch = {scratch.fixedBytes, scratch.bytesPerRow, scratch.bytesPerMember};
  signature.inPlace.assign(group.getNumResults(), -1);
  if (ops.sum) {
    SmallVector<Value> operands = groupOperands(group);
    signature.inPlace[0] = llvm::find(operands, ops.addend()) - operands.begin();
  }
  return signature;
}

LogicalResult emitKernel(const KernelRequest &request, Activations wanted, const ManyRows *manyRows) {
  func::FuncOp function = request.function;
  ImplicitLocOpBuilder builder(function.getLoc(), function.getContext());
  builder.setInsertionPointToStart(function.addEntryBlock());
  Code code(builder);
  KernelWriter(request, wanted, manyRows, code).write();
  builder.create<func::ReturnOp>();
  return success();
}

} // namespace kvasir::cpu
