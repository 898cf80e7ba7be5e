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
      kind.rope = readRopeAngles(configuration, source.weights, s.rotated, s.context);
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

Linear Decoder::declareLinear(WeightTable &table, StringRef linear, int64_t rows, int64_t columns) const {
  const std::string pattern = "blk.{}." + linear.str();
  return {table.declare(pattern + ".weight", s.layers, {rows, columns}),
          table.declareIfPresent(pattern + ".bias", s.layers, {rows})};
}

Decoder::Attention Decoder::declareAttention(WeightTable &table) const {
  Attention attention;
  attention.query = declareLinear(table, "attn_q", s.heads * s.keyWidth, s.width);
  attention.key = declareLinear(table, "attn_k", s.keyHeads * s.keyWidth, s.width);
  attention.value = declareLinear(table, "attn_v", s.keyHeads * s.valueWidth, s.width);
  attention.output = declareLinear(table, "attn_output", s.width, s.heads * s.valueWidth);
  return attention;
}

void Decoder::readMixture(Configuration &configuration, bool isNormed, int64_t feedForward) {
  Mixture mixture{};
  mixture.experts = configuration.count("expert_count");
  mixture.chosen = configuration.count("expert_used_count");
  mixture.feedForward = configuration.count("expert_feed_forward_length", feedForward);
  isNormed = configuration.flag("expert_weights_norm", isNormed);
  mixture.sharesOf = isNormed ? lm::SharesOf::chosen : lm::SharesOf::all;
  mixture.scale = float(configuration.real("expert_weights_scale", 1));
  if (mixture.chosen > mixture.experts)
    configuration.fail(std::to_string(mixture.chosen) + " experts can't be chosen of " +
                       std::to_string(mixture.experts));
  constexpr int64_t kSoftmax = 1;
  if (configuration.count("expert_gating_func", kSoftmax) != kSoftmax)
    configuration.fail("the experts' shares are no softmax, which is all that is built here");
  s.mixture = mixture;
}

Decoder::FeedForward Decoder::declareFeedForward(WeightTable &table) const {
  FeedForward weights;
  if (s.mixture) {
    auto experts = [&](StringRef name, int64_t rows, int64_t columns) {
      return declareLinear(table, name, s.mixture->experts * rows, columns);
    };
    weights.router = declareLinear(table, "ffn_gate_inp", s.mixture->experts, s.width);
    weights.gate = experts("ffn_gate_exps", s.mixture->feedForward, s.width);
    weights.up = experts("ffn_up_exps", s.mixture->feedForward, s.width);
    weights.down = experts("ffn_down_exps", s.width, s.mixture->feedForward);
    return weights;
  }
  weights.gate = declareLinear(table, "ffn_gate", s.feedForward, s.width);
  weights.up = declareLinear(table, "ffn_up", s.feedForward, s.width);
  weights.down = declareLinear(table, "ffn_down", s.width, s.feedForward);
  return weights;
}

Decoder::Attention Decoder::declareNormedAttention(WeightTable &table) const {
  Attention attention = declareAttention(table);
  attention.queryNorm = table.declare("blk.{}.attn_q_norm.weight", s.layers, {s.keyWidth});
  attention.keyNorm = table.declare("blk.{}.attn_k_norm.weight", s.layers, {s.keyWidth});
  return attention;
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

Value Decoder::select(lm::WeightOp weight, Value layer) {
  return b.create<lm::SelectOp>(weight.getType(), weight.getSymName(), weight.getFamily() > 1 ? layer : Value());
}

Value Decoder::lookUp(Value ids, lm::WeightOp weight) {
  at(weight);
  return b.create<lm::EmbeddingOp>(rows({s.width}), ids, select(weight, {}));
}

Value Decoder::norm(Value x, lm::WeightOp weight, Value layer) {
  at(weight);
  return b.create<lm::RmsNormOp>(x.getType(), x, select(weight, layer), b.getF32FloatAttr(s.epsilon));
}

Value Decoder::linear(Value x, const Linear &linear, Value layer) {
  at(linear.weight);
  Value weight = select(linear.weight, layer);
  Value bias = linear.bias ? select(linear.bias, layer) : Value();
  return b.create<lm::LinearOp>(rows({cast<lm::WeightType>(weight.getType()).getNumRows()}), x, weight, bias);
}

Decoder::Route Decoder::route(Value x, const Linear &router, Value layer) {
  if (!router.weight)
    return {};
  Value logits = linear(x, router, layer);
  at("blk.{}.ffn_route");
  auto experts = RankedTensorType::get({ShapedType::kDynamic, s.mixture->chosen}, b.getI32Type());
  auto route = b.create<lm::RouteOp>(experts, rows({s.mixture->chosen}), logits, s.mixture->sharesOf);
  return {route.getExperts(), route.getShares()};
}

Value Decoder::linear(Value x, const Linear &of, Value layer, const Route &chosen) {
  if (!chosen.experts)
    return linear(x, of, layer);
  at(of.weight);
  Value weight = select(of.weight, layer), bias = of.bias ? select(of.bias, layer) : Value();
  const int64_t rowsOfOne = cast<lm::WeightType>(weight.getType()).getNumRows() / s.mixture->experts;
  return b.create<lm::ExpertLinearOp>(rows({s.mixture->chosen * rowsOfOne}), x, weight, chosen.experts, bias);
}

Value Decoder::mix(Value parts, const Route &chosen) {
  at("blk.{}.ffn_mix");
  Value sum = b.create<lm::MixOp>(rows({s.width}), parts, chosen.shares);
  return s.mixture->scale == 1 ? sum : scale(sum, s.mixture->scale, "blk.{}.ffn_mix_scale");
}

Value Decoder::add(Value x, Value y, StringRef sum) {
  at(sum);
  return b.create<arith::AddFOp>(x, y);
}

Value Decoder::scale(Value x, float factor, StringRef product) {
  at(product);
  return b.create<lm::ScaleOp>(x.getType(), x, b.getF32FloatAttr(factor));
}

Value Decoder::splitHeads(Value x, int64_t heads, int64_t width) {
  SmallVector<ReassociationIndices> split{{0}, {1, 2}};
  SmallVector<OpFoldResult> extents{tokens, b.getIndexAttr(heads), b.getIndexAttr(width)};
  return b.create<tensor::ExpandShapeOp>(rows({heads, width}), x, split, extents);
}

Value Decoder::rotate(Value x, size_t kind, StringRef rope) {
  at(rope);
  return b.create<lm::RopeOp>(x.getType(), x, angles[kind], lanes);
}

Decoder::Stream Decoder::attend(Stream in, const Attention &attention, const Layer &layer) {
  Value query = splitHeads(linear(in.x, attention.query, layer.number), s.heads, s.keyWidth);
  Value key = splitHeads(linear(in.x, attention.key, layer.number), s.keyHeads, s.keyWidth);
  Value value = splitHeads(linear(in.x, attention.value, layer.number), s.keyHeads, s.valueWidth);
  if (attention.queryNorm)
    query = norm(query, attention.queryNorm, layer.number);
  if (attention.keyNorm)
    key = norm(key, attention.keyNorm, layer.number);
  if (s.kinds[layer.kind].isRotated) {
    query = rotate(query, layer.kind, "blk.{}.rope_q");
    key = rotate(key, layer.kind, "blk.{}.rope_k");
  }

  Value &keys = in.slots[2 * layer.kind], &values = in.slots[2 * layer.kind + 1];
  at("blk.{}.append_k");
  keys = b.create<kv::AppendOp>(keys.getType(), keys, layer.stored, key, batch);
  at("blk.{}.append_v");
  values = b.create<kv::AppendOp>(values.getType(), values, layer.stored, value, batch);
  at("blk.{}.attention");
  std::optional<int64_t> window = s.kinds[layer.kind].window;
  Value attended = b.create<kv::AttendOp>(
      rows({s.heads, s.valueWidth}), query, keys, layer.stored, values, layer.stored, batch,
      b.getF32FloatAttr(s.attentionScale), s.scoreCap ? b.getF32FloatAttr(*s.scoreCap) : FloatAttr(),
      window ? b.getI64IntegerAttr(*window) : IntegerAttr(), kv::MaskAttr::get(b.getContext(), kv::Mask::causal));
  SmallVector<ReassociationIndices> join{{0}, {1, 2}};
  Value joined = b.create<tensor::CollapseShapeOp>(rows({s.heads * s.valueWidth}), attended, join);
  in.x = linear(joined, attention.output, layer.number);
  return in;
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
