// SPDX-License-Identifier: MIT
#include "compiler/models/decoder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include "llvm/Support/raw_ostream.h"

#include <cmath>

using namespace mlir;

namespace kvasir {
namespace {

void checkShape(Configuration &configuration, const DecoderShape &shape) {
  if (shape.heads % shape.keyHeads != 0)
    configuration.fail(std::to_string(shape.heads) + " query heads can't share " + std::to_string(shape.keyHeads) +
                       " key heads evenly");
  if (shape.rotated % 2 != 0 || shape.rotated > shape.keyWidth)
    configuration.fail("rope can't turn " + std::to_string(shape.rotated) + " lanes of heads " +
                       std::to_string(shape.keyWidth) + " wide");
}

float usualScale(const DecoderShape &shape) { return float(1.0 / std::sqrt(double(shape.keyWidth))); }

kv::LaneOrder inCache(lm::LaneOrder lanes) {
  return lanes == lm::LaneOrder::adjacent ? kv::LaneOrder::adjacent : kv::LaneOrder::halves;
}

} // namespace

DecoderShape readDecoderShape(Configuration &configuration, const WeightSource &weights) {
  DecoderShape shape{};
  shape.layers = configuration.count("block_count");
  shape.width = configuration.count("embedding_length");
  shape.feedForward = configuration.count("feed_forward_length");
  shape.heads = configuration.count("attention.head_count");
  shape.keyHeads = configuration.count("attention.head_count_kv", shape.heads);
  shape.keyWidth = configuration.count("attention.key_length", std::max<int64_t>(1, shape.width / shape.heads));
  shape.valueWidth = configuration.count("attention.value_length", std::max<int64_t>(1, shape.width / shape.heads));
  shape.rotated = configuration.count("rope.dimension_count", shape.keyWidth);
  shape.context = configuration.count("context_length");
  shape.epsilon = float(configuration.real("attention.layer_norm_rms_epsilon"));
  shape.attentionScale = usualScale(shape);
  shape.yarn = YarnBounds::whole;
  shape.kinds.emplace_back();
  shape.turn = {0};
  checkShape(configuration, shape);
  Result<SourceTensor> embedding = weights.find("token_embd.weight");
  if (!embedding)
    configuration.fail(embedding.message());
  else
    shape.vocabulary = int64_t(embedding->rows);
  configuration.checkTokens(shape.vocabulary);
  return shape;
}

Decoder::Decoder(StringRef name, lm::LaneOrder lanes, const ModelSource &source, MLIRContext *context)
    : b(locationOf(context, source.name), context), name(name), lanes(lanes), source(source) {}

ModuleResult Decoder::build() {
  Configuration configuration(source.metadata, name);
  s = readDecoderShape(configuration, source.weights);
  configure(configuration);
  forgetUnusedKinds();
  if (configuration.failure())
    return *configuration.failure();

  OwningOpRef<ModuleOp> module = ModuleOp::create(b.getLoc());
  b.setInsertionPointToStart(module->getBody());
  WeightTable table(source.weights, b);
  const Attention attention = declareWeights(table);
  for (std::string_view factors : {kRopeFactors, kLongRopeFactors, kShortRopeFactors})
    table.use(factors); // readRopeAngles reads them
  table.checkAllUsed(name);
  if (table.failure())
    return *table.failure();
  readRope(configuration);
  if (configuration.failure())
    return *configuration.failure();

  (*module)->setAttr("lm.model", describeModel());
  b.setInsertionPointToStart(module->getBody());
  buildSchema(attention);
  b.setInsertionPointToEnd(module->getBody());
  buildForward();
  return module;
}

/// A model may have fewer layers than a turn.
void Decoder::forgetUnusedKinds() {
  s.turn.truncate(std::min(s.turn.size(), size_t(s.layers)));
  llvm::SmallVector<LayerKind> used;
  for (size_t kind = 0; kind < s.kinds.size(); ++kind)
    if (llvm::is_contained(s.turn, kind)) {
      std::replace(s.turn.begin(), s.turn.end(), kind, used.size()); // no later one: numbers only fall
      used.push_back(s.kinds[kind]);
    }
  s.kinds = std::move(used);
}

void Decoder::readRope(Configuration &configuration) {
  for (LayerKind &kind : s.kinds)
    if (kind.isRotated)
      kind.rope = readRopeAngles(configuration, source.weights, s.rotated, s.context, s.yarn);
}

/// Everything besides the tensors that results depend on, in one text; reals as their bits.
std::string Decoder::canonical() const {
  std::string text;
  llvm::raw_string_ostream out(text);
  out << name << " layers=" << s.layers << " width=" << s.width << " feed_forward=" << s.feedForward
      << " heads=" << s.heads << " key_heads=" << s.keyHeads << " key_width=" << s.keyWidth
      << " value_width=" << s.valueWidth << " vocabulary=" << s.vocabulary
      << " epsilon=" << std::bit_cast<uint32_t>(s.epsilon) << " lanes=" << lm::stringifyLaneOrder(lanes);
  for (const LayerKind &kind : s.kinds) {
    out << " rope" << kind.slots << "=" << (kind.isRotated ? s.rotated : 0);
    if (kind.isRotated) {
      out << "," << std::bit_cast<uint32_t>(kind.rope.magnitude);
      for (double frequency : kind.rope.frequencies)
        out << "," << std::bit_cast<uint64_t>(frequency);
    }
    if (kind.window)
      out << " window" << kind.slots << "=" << *kind.window;
  }
  if (s.turn.size() > 1) {
    out << " turn=";
    llvm::interleave(s.turn, out, ",");
  }
  if (s.attentionScale != usualScale(s))
    out << " scale=" << std::bit_cast<uint32_t>(s.attentionScale);
  if (s.scoreCap)
    out << " cap=" << std::bit_cast<uint32_t>(*s.scoreCap);
  if (s.mixture)
    out << " experts=" << s.mixture->chosen << "/" << s.mixture->experts << "," << s.mixture->feedForward << ","
        << lm::stringifySharesOf(s.mixture->sharesOf) << "," << std::bit_cast<uint32_t>(s.mixture->scale);
  for (float constant : s.constants)
    out << " constant=" << std::bit_cast<uint32_t>(constant);
  return text;
}

DictionaryAttr Decoder::describeModel() {
  return b.getDictionaryAttr({b.getNamedAttr("name", b.getStringAttr(source.name)),
                              b.getNamedAttr("architecture", b.getStringAttr(name)),
                              b.getNamedAttr("configuration", b.getStringAttr(canonical())),
                              b.getNamedAttr("context", b.getI64IntegerAttr(s.context)),
                              b.getNamedAttr("vocabulary", b.getI64IntegerAttr(s.vocabulary))});
}

void Decoder::buildSchema(const Attention &attention) {
  at("schema");
  MLIRContext *context = b.getContext();
  auto schema = b.create<kv::SchemaOp>(name, b.getArrayAttr(FlatSymbolRefAttr::get(context, "forward")));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&schema.getBody().emplaceBlock());
  for (size_t kind = 0; kind < s.kinds.size(); ++kind)
    buildCaches(attention, kind);
}

void Decoder::buildCaches(const Attention &attention, size_t kind) {
  SmallVector<Attribute> serves; // each layer attends its own rows
  for (int64_t layer = 0; layer < s.layers; ++layer)
    if (s.kindOf(layer) == kind)
      serves.push_back(b.getDenseI64ArrayAttr(layer));
  auto cache = [&](char letter, int64_t width, lm::WeightOp weight) {
    const std::string slot = letter + s.kinds[kind].slots;
    at("cache_" + slot);
    auto made = b.create<kv::CacheOp>(slot, serves.size(), s.keyHeads, width);
    made.setByAttr(b.getArrayAttr(FlatSymbolRefAttr::get(weight)));
    made.setWindow(s.kinds[kind].window);
    return made;
  };
  auto keys = cache('k', s.keyWidth, attention.key.weight);
  if (s.kinds[kind].isRotated)
    keys.setRotated(inCache(lanes));
  keys.setServesAttr(b.getArrayAttr(serves));
  cache('v', s.valueWidth, attention.value.weight).setValues(keys.getSymName());
}

RankedTensorType Decoder::rows(ArrayRef<int64_t> row) {
  SmallVector<int64_t> shape{ShapedType::kDynamic};
  llvm::append_range(shape, row);
  return RankedTensorType::get(shape, b.getF32Type());
}

Value Decoder::buildAngles(const LayerKind &kind) {
  at("rope" + kind.slots);
  auto positionsType = RankedTensorType::get({ShapedType::kDynamic}, b.getI64Type());
  Value positions = b.create<kv::PositionsOp>(positionsType, batch);
  int64_t pairs = s.rotated / 2;
  auto frequencies =
      DenseElementsAttr::get(RankedTensorType::get({pairs}, b.getF64Type()), ArrayRef<double>(kind.rope.frequencies));
  return b.create<lm::RopeAnglesOp>(rows({pairs, 2}), positions, cast<DenseFPElementsAttr>(frequencies),
                                    b.getF32FloatAttr(kind.rope.magnitude));
}

Value Decoder::takeWanted(Value x) {
  at("wanted");
  auto wantedType = RankedTensorType::get({ShapedType::kDynamic}, b.getI32Type());
  Value wanted = b.create<kv::WantedOp>(wantedType, batch);
  return b.create<lm::TakeOp>(rows({s.width}), x, wanted);
}

func::FuncOp Decoder::declareForward() {
  at("forward");
  MLIRContext *context = b.getContext();
  SmallVector<Type> inputs{RankedTensorType::get({ShapedType::kDynamic}, b.getI32Type())};
  SmallVector<Type> results{rows({s.vocabulary})};
  for (const LayerKind &kind : s.kinds)
    for (char letter : {'k', 'v'})
      inputs.push_back(kv::SlotType::get(context, FlatSymbolRefAttr::get(context, letter + kind.slots)));
  llvm::append_range(results, ArrayRef(inputs).drop_front());
  inputs.push_back(kv::BatchType::get(context));
  auto function = b.create<func::FuncOp>("forward", b.getFunctionType(inputs, results));
  auto named = [&](StringRef role) {
    return b.getDictionaryAttr(
        {b.getNamedAttr("kv.name", b.getStringAttr(role)), b.getNamedAttr("kv.role", b.getStringAttr(role))});
  };
  function.setArgAttrs(0, named("ids"));
  function.setResultAttrs(0, named("logits"));
  return function;
}

/// How many of the layers before `before` are of a kind.
int64_t Decoder::layersOf(size_t kind, int64_t before) const {
  const int64_t layers = int64_t(s.turn.size()), turns = before / layers;
  return turns * llvm::count(s.turn, kind) + llvm::count(ArrayRef(s.turn).take_front(before % layers), kind);
}

/// turn * step + offset; `turn` may be null, for 0.
Value Decoder::numberOf(Value turn, int64_t step, int64_t offset) {
  if (turn && step == 1 && offset == 0)
    return turn;
  Value number = b.create<arith::ConstantIndexOp>(offset);
  if (!turn)
    return number;
  Value before = b.create<arith::MulIOp>(turn, b.create<arith::ConstantIndexOp>(step));
  return b.create<arith::AddIOp>(before, number);
}

/// `layers` layers from number `first` on; in a loop over turns each turn has its own.
Decoder::Stream Decoder::buildTurn(Stream in, Value turn, int64_t first, int64_t layers) {
  for (int64_t layer = first; layer < first + layers; ++layer) {
    const size_t kind = s.kindOf(layer);
    at("blk");
    in = buildLayer(in, {numberOf(turn, int64_t(s.turn.size()), layer), kind,
                         numberOf(turn, llvm::count(s.turn, kind), layersOf(kind, layer))});
  }
  return in;
}

Decoder::Stream Decoder::buildLayers(Stream in) {
  at("blk");
  const int64_t layers = int64_t(s.turn.size()), turns = s.layers / layers;
  if (turns > 0) {
    SmallVector<Value> carried{in.x};
    carried.append(in.slots);
    auto loop = b.create<kv::LoopOp>(0, turns, carried);
    OpBuilder::InsertionGuard guard(b);
    Block *body = &loop.getBody().front();
    b.setInsertionPointToStart(body);
    ValueRange given = body->getArguments().drop_front();
    Stream out = buildTurn({given.front(), SmallVector<Value>(given.drop_front())}, loop.getLayer(), 0, layers);
    at("blk");
    carried = {out.x};
    carried.append(out.slots);
    b.create<kv::YieldOp>(carried);
    in = {loop.getResult(0), SmallVector<Value>(loop.getResults().drop_front())};
  }
  return buildTurn(in, {}, turns * layers, s.layers - turns * layers);
}

void Decoder::buildForward() {
  func::FuncOp function = declareForward();
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  batch = entry->getArguments().back();
  tokens = b.create<kv::TokensOp>(batch);
  for (const LayerKind &kind : s.kinds)
    angles.push_back(kind.isRotated ? buildAngles(kind) : Value());
  ValueRange slots = entry->getArguments().drop_front().drop_back();
  Stream out = buildLayers({embed(entry->getArgument(0)), SmallVector<Value>(slots)});
  SmallVector<Value> results{buildHead(takeWanted(out.x))};
  results.append(out.slots);
  at("forward");
  b.create<func::ReturnOp>(results);
}

} // namespace kvasir
