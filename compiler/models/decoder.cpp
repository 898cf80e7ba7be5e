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
  check(configuration);
  if (configuration.failure())
    return *configuration.failure();

  OwningOpRef<ModuleOp> module = ModuleOp::create(b.getLoc());
  b.setInsertionPointToStart(module->getBody());
  WeightTable table(source.weights, b);
  const Attention attention = declareWeights(table);
  table.use("rope_freqs.weight"); // readRopeAngles reads it
  table.checkAllUsed(name);
  if (table.failure())
    return *table.failure();
  // Only now: the tensors have shown that the width of a head is no invention.
  s.rope = readRopeAngles(configuration, source.weights, s.rotated, s.context);
  if (configuration.failure())
    return *configuration.failure();

  (*module)->setAttr("lm.model", describeModel());
  b.setInsertionPointToStart(module->getBody());
  buildSchema(attention);
  b.setInsertionPointToEnd(module->getBody());
  buildForward();
  return module;
}

/// Everything besides the tensors that results depend on, in one text; reals as their bits.
std::string Decoder::canonical() const {
  std::string text;
  llvm::raw_string_ostream out(text);
  out << name << " layers=" << s.layers << " width=" << s.width << " feed_forward=" << s.feedForward
      << " heads=" << s.heads << " key_heads=" << s.keyHeads << " key_width=" << s.keyWidth
      << " value_width=" << s.valueWidth << " vocabulary=" << s.vocabulary
      << " epsilon=" << std::bit_cast<uint32_t>(s.epsilon) << " lanes=" << lm::stringifyLaneOrder(lanes)
      << " rope=" << s.rotated << "," << std::bit_cast<uint32_t>(s.rope.magnitude);
  for (double frequency : s.rope.frequencies)
    out << "," << std::bit_cast<uint64_t>(frequency);
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

Decoder::FeedForward Decoder::declareFeedForward(WeightTable &table) const {
  FeedForward weights;
  weights.gate = declareLinear(table, "ffn_gate", s.feedForward, s.width);
  weights.up = declareLinear(table, "ffn_up", s.feedForward, s.width);
  weights.down = declareLinear(table, "ffn_down", s.width, s.feedForward);
  return weights;
}

void Decoder::buildSchema(const Attention &attention) {
  at("schema");
  MLIRContext *context = b.getContext();
  auto schema = b.create<kv::SchemaOp>(name, b.getArrayAttr(FlatSymbolRefAttr::get(context, "forward")));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&schema.getBody().emplaceBlock());
  auto cache = [&](StringRef slot, int64_t width, lm::WeightOp weight) {
    at("cache_" + slot.str());
    auto made = b.create<kv::CacheOp>(slot, s.layers, s.keyHeads, width);
    made.setByAttr(b.getArrayAttr(FlatSymbolRefAttr::get(weight)));
    return made;
  };
  auto keys = cache("k", s.keyWidth, attention.key.weight);
  keys.setRotated(inCache(lanes));
  SmallVector<Attribute> layers; // each attends its own rows
  for (int64_t layer = 0; layer < s.layers; ++layer)
    layers.push_back(b.getDenseI64ArrayAttr(layer));
  keys.setServesAttr(b.getArrayAttr(layers));
  cache("v", s.valueWidth, attention.value.weight).setValues("k");
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

Value Decoder::add(Value x, Value y, StringRef sum) {
  at(sum);
  return b.create<arith::AddFOp>(x, y);
}

Value Decoder::splitHeads(Value x, int64_t heads, int64_t width) {
  SmallVector<ReassociationIndices> split{{0}, {1, 2}};
  SmallVector<OpFoldResult> extents{tokens, b.getIndexAttr(heads), b.getIndexAttr(width)};
  return b.create<tensor::ExpandShapeOp>(rows({heads, width}), x, split, extents);
}

Value Decoder::rotate(Value x, StringRef rope) {
  at(rope);
  return b.create<lm::RopeOp>(x.getType(), x, angles, lanes);
}

Decoder::Stream Decoder::attend(Stream in, const Attention &attention, Value layer) {
  Value query = splitHeads(linear(in.x, attention.query, layer), s.heads, s.keyWidth);
  Value key = splitHeads(linear(in.x, attention.key, layer), s.keyHeads, s.keyWidth);
  Value value = splitHeads(linear(in.x, attention.value, layer), s.keyHeads, s.valueWidth);
  query = rotate(query, "blk.{}.rope_q");
  key = rotate(key, "blk.{}.rope_k");

  at("blk.{}.append_k");
  Value keys = b.create<kv::AppendOp>(in.keys.getType(), in.keys, layer, key, batch);
  at("blk.{}.append_v");
  Value values = b.create<kv::AppendOp>(in.values.getType(), in.values, layer, value, batch);
  at("blk.{}.attention");
  float scale = float(1.0 / std::sqrt(double(s.keyWidth)));
  Value attended = b.create<kv::AttendOp>(rows({s.heads, s.valueWidth}), query, keys, layer, values, layer, batch,
                                          b.getF32FloatAttr(scale), FloatAttr(), IntegerAttr(),
                                          kv::MaskAttr::get(b.getContext(), kv::Mask::causal));
  SmallVector<ReassociationIndices> join{{0}, {1, 2}};
  Value joined = b.create<tensor::CollapseShapeOp>(rows({s.heads * s.valueWidth}), attended, join);
  return {linear(joined, attention.output, layer), keys, values};
}

Value Decoder::buildAngles() {
  at("rope");
  auto positionsType = RankedTensorType::get({ShapedType::kDynamic}, b.getI64Type());
  Value positions = b.create<kv::PositionsOp>(positionsType, batch);
  int64_t pairs = s.rotated / 2;
  auto frequencies =
      DenseElementsAttr::get(RankedTensorType::get({pairs}, b.getF64Type()), ArrayRef<double>(s.rope.frequencies));
  return b.create<lm::RopeAnglesOp>(rows({pairs, 2}), positions, cast<DenseFPElementsAttr>(frequencies),
                                    b.getF32FloatAttr(s.rope.magnitude));
}

Value Decoder::takeWanted(Value x) {
  at("wanted");
  auto wantedType = RankedTensorType::get({ShapedType::kDynamic}, b.getI32Type());
  Value wanted = b.create<kv::WantedOp>(wantedType, batch);
  return b.create<lm::TakeOp>(rows({s.width}), x, wanted);
}

func::FuncOp Decoder::declareForward(Type keys, Type values) {
  at("forward");
  auto ids = RankedTensorType::get({ShapedType::kDynamic}, b.getI32Type());
  auto type =
      b.getFunctionType({ids, keys, values, kv::BatchType::get(b.getContext())}, {rows({s.vocabulary}), keys, values});
  auto function = b.create<func::FuncOp>("forward", type);
  auto named = [&](StringRef role) {
    return b.getDictionaryAttr(
        {b.getNamedAttr("kv.name", b.getStringAttr(role)), b.getNamedAttr("kv.role", b.getStringAttr(role))});
  };
  function.setArgAttrs(0, named("ids"));
  function.setResultAttrs(0, named("logits"));
  return function;
}

void Decoder::buildForward() {
  auto slot = [&](StringRef slotName) {
    return kv::SlotType::get(b.getContext(), FlatSymbolRefAttr::get(b.getContext(), slotName));
  };
  func::FuncOp function = declareForward(slot("k"), slot("v"));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  batch = entry->getArgument(3);
  tokens = b.create<kv::TokensOp>(batch);
  angles = buildAngles();
  Value x = embed(entry->getArgument(0));

  at("blk");
  auto loop = b.create<kv::LoopOp>(0, s.layers, ValueRange{x, entry->getArgument(1), entry->getArgument(2)});
  {
    OpBuilder::InsertionGuard guard(b);
    Block *body = &loop.getBody().front();
    b.setInsertionPointToStart(body);
    Stream out = buildLayer({body->getArgument(1), body->getArgument(2), body->getArgument(3)}, loop.getLayer());
    at("blk");
    b.create<kv::YieldOp>(ValueRange{out.x, out.keys, out.values});
  }
  Value logits = buildHead(takeWanted(loop.getResult(0)));
  at("forward");
  b.create<func::ReturnOp>(ValueRange{logits, loop.getResult(1), loop.getResult(2)});
}

} // namespace kvasir
