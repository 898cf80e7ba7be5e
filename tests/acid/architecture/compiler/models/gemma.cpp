// SPDX-License-Identifier: MIT
// The gemma architecture, first generation: as llama, but embeddings are scaled by the root of their width, rope turns
// the halves of a head, the gate is a GELU; no biases, tied output. Source: Gemma, arXiv 2403.08295; names and defaults
// of GGUF as in llama.cpp, whose converter adds the 1 of RMSNorm's 1 + weight.
#include "compiler/dialects/kv/dialect.h"
#include "compiler/dialects/lm/emit.h"
#include "compiler/models/architectures.h"
#include "compiler/models/configuration.h"
#include "compiler/models/rope_scaling.h"
#include "compiler/models/weight_table.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include "llvm/Support/raw_ostream.h"

#include <cmath>

using namespace mlir;

namespace kvasir {
namespace {

struct GemmaShape {
  int64_t layers, width, feedForward, heads, keyHeads, keyWidth, valueWidth, rotated, context, vocabulary;
  float epsilon;
  RopeAngles rope;
};

struct GemmaWeights {
  lm::WeightOp embedding, attentionNorm, feedForwardNorm, outputNorm;
  lm::WeightOp query, key, value, attentionOutput, gate, up, down;
};

GemmaShape readShape(Configuration &configuration, const WeightSource &weights) {
  GemmaShape shape{};
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
  if (shape.heads % shape.keyHeads != 0)
    configuration.fail(std::to_string(shape.heads) + " query heads can't share " + std::to_string(shape.keyHeads) +
                       " key heads evenly");
  if (shape.rotated % 2 != 0 || shape.rotated > shape.keyWidth)
    configuration.fail("rope can't turn " + std::to_string(shape.rotated) + " lanes of heads " +
                       std::to_string(shape.keyWidth) + " wide");
  Result<SourceTensor> embedding = weights.find("token_embd.weight");
  if (!embedding)
    configuration.fail(embedding.message());
  else
    shape.vocabulary = int64_t(embedding->rows);
  configuration.checkTokens(shape.vocabulary);
  return shape;
}

/// Everything besides the tensors that results depend on, in one canonical text; reals as their bits.
std::string canonical(const GemmaShape &shape) {
  std::string text;
  llvm::raw_string_ostream out(text);
  out << "gemma layers=" << shape.layers << " width=" << shape.width << " feed_forward=" << shape.feedForward
      << " heads=" << shape.heads << " key_heads=" << shape.keyHeads << " key_width=" << shape.keyWidth
      << " value_width=" << shape.valueWidth << " vocabulary=" << shape.vocabulary
      << " epsilon=" << std::bit_cast<uint32_t>(shape.epsilon) << " lanes=halves rope=" << shape.rotated << ","
      << std::bit_cast<uint32_t>(shape.rope.magnitude);
  for (double frequency : shape.rope.frequencies)
    out << "," << std::bit_cast<uint64_t>(frequency);
  return text;
}

GemmaWeights declareWeights(const GemmaShape &s, WeightTable &table) {
  auto linear = [&](StringRef name, int64_t rows, int64_t columns) {
    return table.declare("blk.{}." + name.str() + ".weight", s.layers, {rows, columns});
  };
  GemmaWeights w;
  w.embedding = table.declare("token_embd.weight", 1, {s.vocabulary, s.width});
  w.attentionNorm = table.declare("blk.{}.attn_norm.weight", s.layers, {s.width});
  w.query = linear("attn_q", s.heads * s.keyWidth, s.width);
  w.key = linear("attn_k", s.keyHeads * s.keyWidth, s.width);
  w.value = linear("attn_v", s.keyHeads * s.valueWidth, s.width);
  w.attentionOutput = linear("attn_output", s.width, s.heads * s.valueWidth);
  w.feedForwardNorm = table.declare("blk.{}.ffn_norm.weight", s.layers, {s.width});
  w.gate = linear("ffn_gate", s.feedForward, s.width);
  w.up = linear("ffn_up", s.feedForward, s.width);
  w.down = linear("ffn_down", s.width, s.feedForward);
  w.outputNorm = table.declare("output_norm.weight", 1, {s.width});
  table.use("rope_freqs.weight"); // readRopeAngles read it
  table.checkAllUsed("gemma");
  return w;
}

/// Builds @forward. T and W are `?`.
class GemmaGraph {
public:
  GemmaGraph(const GemmaShape &shape, const GemmaWeights &weights, ImplicitLocOpBuilder &builder)
      : s(shape), w(weights), b(builder) {}

  void buildSchema();
  void buildForward();

private:
  /// What a layer hands to the next.
  struct Stream {
    Value x, keys, values;
  };

  RankedTensorType rows(ArrayRef<int64_t> row) {
    SmallVector<int64_t> shape{ShapedType::kDynamic};
    llvm::append_range(shape, row);
    return RankedTensorType::get(shape, b.getF32Type());
  }
  void at(StringRef pattern) { b.setLoc(locationOf(b.getContext(), pattern)); }
  void at(lm::WeightOp weight) { b.setLoc(weight.getLoc()); }

  Value select(lm::WeightOp weight, Value layer);
  Value norm(Value x, lm::WeightOp weight, Value layer);
  Value linear(Value x, lm::WeightOp weight, Value layer);
  Value splitHeads(Value x, int64_t heads, int64_t width);
  Value rotate(Value x, StringRef pattern);
  Value add(Value x, Value y, StringRef pattern);
  Stream buildAttention(Stream in, Value layer);
  Value buildFeedForward(Value x, Value layer);
  Value buildAngles();
  Value buildEmbedding(Value ids);
  Value buildHead(Value x);
  func::FuncOp declareForward(Type keys, Type values);

  const GemmaShape &s;
  const GemmaWeights &w;
  ImplicitLocOpBuilder &b;
  Value batch, tokens, angles;
};

void GemmaGraph::buildSchema() {
  at("schema");
  MLIRContext *context = b.getContext();
  auto schema = b.create<kv::SchemaOp>("gemma", b.getArrayAttr(FlatSymbolRefAttr::get(context, "forward")));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&schema.getBody().emplaceBlock());
  auto cache = [&](StringRef name, int64_t width, lm::WeightOp weight) {
    at("cache_" + name.str());
    auto made = b.create<kv::CacheOp>(name, s.layers, s.keyHeads, width);
    made.setByAttr(b.getArrayAttr(FlatSymbolRefAttr::get(weight)));
    return made;
  };
  auto keys = cache("k", s.keyWidth, w.key);
  keys.setRotated(kv::LaneOrder::halves);
  SmallVector<Attribute> layers; // each attends its own rows
  for (int64_t layer = 0; layer < s.layers; ++layer)
    layers.push_back(b.getDenseI64ArrayAttr(layer));
  keys.setServesAttr(b.getArrayAttr(layers));
  cache("v", s.valueWidth, w.value).setValues("k");
}

Value GemmaGraph::select(lm::WeightOp weight, Value layer) {
  return b.create<lm::SelectOp>(weight.getType(), weight.getSymName(), weight.getFamily() > 1 ? layer : Value());
}

Value GemmaGraph::norm(Value x, lm::WeightOp weight, Value layer) {
  at(weight);
  return b.create<lm::RmsNormOp>(x.getType(), x, select(weight, layer), b.getF32FloatAttr(s.epsilon));
}

Value GemmaGraph::linear(Value x, lm::WeightOp op, Value layer) {
  at(op);
  Value weight = select(op, layer);
  return b.create<lm::LinearOp>(rows({cast<lm::WeightType>(weight.getType()).getNumRows()}), x, weight, Value());
}

Value GemmaGraph::splitHeads(Value x, int64_t heads, int64_t width) {
  SmallVector<ReassociationIndices> split{{0}, {1, 2}};
  SmallVector<OpFoldResult> extents{tokens, b.getIndexAttr(heads), b.getIndexAttr(width)};
  return b.create<tensor::ExpandShapeOp>(rows({heads, width}), x, split, extents);
}

Value GemmaGraph::rotate(Value x, StringRef pattern) {
  at(pattern);
  return b.create<lm::RopeOp>(x.getType(), x, angles, lm::LaneOrder::halves);
}

Value GemmaGraph::add(Value x, Value y, StringRef pattern) {
  at(pattern);
  return b.create<arith::AddFOp>(x, y);
}

GemmaGraph::Stream GemmaGraph::buildAttention(Stream in, Value layer) {
  Value normed = norm(in.x, w.attentionNorm, layer);
  Value query = splitHeads(linear(normed, w.query, layer), s.heads, s.keyWidth);
  Value key = splitHeads(linear(normed, w.key, layer), s.keyHeads, s.keyWidth);
  Value value = splitHeads(linear(normed, w.value, layer), s.keyHeads, s.valueWidth);
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
  Value output = linear(joined, w.attentionOutput, layer);
  return {add(in.x, output, "blk.{}.attn_residual"), keys, values};
}

Value GemmaGraph::buildFeedForward(Value x, Value layer) {
  Value normed = norm(x, w.feedForwardNorm, layer);
  Value gate = linear(normed, w.gate, layer), up = linear(normed, w.up, layer);
  at("blk.{}.ffn_act");
  Value hidden = b.create<lm::GegluOp>(gate.getType(), gate, up);
  return add(x, linear(hidden, w.down, layer), "blk.{}.ffn_residual");
}

Value GemmaGraph::buildAngles() {
  at("rope");
  auto positionsType = RankedTensorType::get({ShapedType::kDynamic}, b.getI64Type());
  Value positions = b.create<kv::PositionsOp>(positionsType, batch);
  int64_t pairs = s.rotated / 2;
  auto frequencies = DenseElementsAttr::get(RankedTensorType::get({pairs}, b.getF64Type()),
                                            ArrayRef<double>(s.rope.frequencies));
  return b.create<lm::RopeAnglesOp>(rows({pairs, 2}), positions, cast<DenseFPElementsAttr>(frequencies),
                                    b.getF32FloatAttr(s.rope.magnitude));
}

Value GemmaGraph::buildEmbedding(Value ids) {
  at(w.embedding);
  Value x = b.create<lm::EmbeddingOp>(rows({s.width}), ids, select(w.embedding, {}));
  at("embedding_scale");
  return lm::emitElementwise(b, x, lm::emitEmptyLike(b, x), [&](ImplicitLocOpBuilder &inner, ValueRange v) -> Value {
    return inner.create<arith::MulFOp>(v[0], lm::emitF32(inner, std::sqrt(float(s.width))));
  });
}

Value GemmaGraph::buildHead(Value x) {
  at("wanted");
  auto wantedType = RankedTensorType::get({ShapedType::kDynamic}, b.getI32Type());
  Value wanted = b.create<kv::WantedOp>(wantedType, batch);
  Value taken = b.create<lm::TakeOp>(rows({s.width}), x, wanted);
  Value normed = norm(taken, w.outputNorm, {});
  return linear(normed, w.embedding, {});
}

func::FuncOp GemmaGraph::declareForward(Type keys, Type values) {
  at("forward");
  auto ids = RankedTensorType::get({ShapedType::kDynamic}, b.getI32Type());
  auto type = b.getFunctionType({ids, keys, values, kv::BatchType::get(b.getContext())},
                                {rows({s.vocabulary}), keys, values});
  auto function = b.create<func::FuncOp>("forward", type);
  auto named = [&](StringRef role) {
    return b.getDictionaryAttr({b.getNamedAttr("kv.name", b.getStringAttr(role)),
                                b.getNamedAttr("kv.role", b.getStringAttr(role))});
  };
  function.setArgAttrs(0, named("ids"));
  function.setResultAttrs(0, named("logits"));
  return function;
}

void GemmaGraph::buildForward() {
  MLIRContext *context = b.getContext();
  auto slot = [&](StringRef name) { return kv::SlotType::get(context, FlatSymbolRefAttr::get(context, name)); };
  func::FuncOp function = declareForward(slot("k"), slot("v"));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  batch = entry->getArgument(3);
  tokens = b.create<kv::TokensOp>(batch);
  angles = buildAngles();
  Value x = buildEmbedding(entry->getArgument(0));

  at("blk");
  auto loop = b.create<kv::LoopOp>(0, s.layers, ValueRange{x, entry->getArgument(1), entry->getArgument(2)});
  {
    OpBuilder::InsertionGuard guard(b);
    Block *body = &loop.getBody().front();
    b.setInsertionPointToStart(body);
    Value layer = loop.getLayer();
    Stream out = buildAttention({body->getArgument(1), body->getArgument(2), body->getArgument(3)}, layer);
    out.x = buildFeedForward(out.x, layer);
    at("blk");
    b.create<kv::YieldOp>(ValueRange{out.x, out.keys, out.values});
  }
  Value logits = buildHead(loop.getResult(0));
  at("forward");
  b.create<func::ReturnOp>(ValueRange{logits, loop.getResult(1), loop.getResult(2)});
}

DictionaryAttr describeModel(Builder &b, const GemmaShape &s, StringRef name) {
  return b.getDictionaryAttr({b.getNamedAttr("name", b.getStringAttr(name)),
                              b.getNamedAttr("architecture", b.getStringAttr("gemma")),
                              b.getNamedAttr("configuration", b.getStringAttr(canonical(s))),
                              b.getNamedAttr("context", b.getI64IntegerAttr(s.context)),
                              b.getNamedAttr("vocabulary", b.getI64IntegerAttr(s.vocabulary))});
}

} // namespace

ModuleResult gemma::build(const ModelSource &source, MLIRContext *context) {
  Configuration configuration(source.metadata, "gemma");
  GemmaShape shape = readShape(configuration, source.weights);
  if (configuration.failure())
    return *configuration.failure();

  Location location = locationOf(context, source.name);
  OwningOpRef<ModuleOp> module = ModuleOp::create(location);
  ImplicitLocOpBuilder builder(location, context);
  builder.setInsertionPointToStart(module->getBody());
  WeightTable table(source.weights, builder);
  GemmaWeights weights = declareWeights(shape, table);
  if (table.failure())
    return *table.failure();
  // Only now: the tensors have shown that the width of a head is no invention.
  shape.rope = readRopeAngles(configuration, source.weights, shape.rotated, shape.context);
  if (configuration.failure())
    return *configuration.failure();

  (*module)->setAttr("lm.model", describeModel(builder, shape, source.name));
  GemmaGraph graph(shape, weights, builder);
  builder.setInsertionPointToStart(module->getBody());
  graph.buildSchema();
  builder.setInsertionPointToEnd(module->getBody());
  graph.buildForward();
  return module;
}

} // namespace kvasir
