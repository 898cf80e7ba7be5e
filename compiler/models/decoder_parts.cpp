// SPDX-License-Identifier: MIT
// The parts that layers of decoders are made of.
#include "compiler/models/decoder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace kvasir {

Linear Decoder::declareLinear(WeightTable &table, StringRef linear, int64_t rows, int64_t columns) const {
  const std::string pattern = "blk.{}." + linear.str();
  return {table.declare(pattern + ".weight", s.layers, {rows, columns}),
          table.declareIfPresent(pattern + ".bias", s.layers, {rows})};
}

Linear Decoder::declareOutput(WeightTable &table, lm::WeightOp embedding) const {
  Linear output{table.declareIfPresent("output.weight", 1, {s.vocabulary, s.width}),
                table.declareIfPresent("output.bias", 1, {s.vocabulary})};
  if (!output.weight) // tied
    output.weight = embedding;
  return output;
}

Decoder::Attention Decoder::declareAttention(WeightTable &table) const {
  Attention attention;
  attention.query = declareLinear(table, "attn_q", s.heads * s.keyWidth, s.width);
  attention.key = declareLinear(table, "attn_k", s.keyHeads * s.keyWidth, s.width);
  attention.value = declareLinear(table, "attn_v", s.keyHeads * s.valueWidth, s.width);
  attention.output = declareLinear(table, "attn_output", s.width, s.heads * s.valueWidth);
  return attention;
}

void Decoder::readWindows(Configuration &configuration, int64_t turn, int64_t otherwise) {
  std::optional<int64_t> window = configuration.window(s.context, otherwise);
  if (!window)
    return;
  s.kinds.push_back({.slots = "_window", .window = window});
  s.turn.clear();
  for (bool slides : configuration.slidingTurn(turn))
    s.turn.push_back(slides ? 1 : 0);
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
  if (!s.mixture)
    return declareDense(table, "", s.feedForward);
  auto experts = [&](StringRef name, int64_t rows, int64_t columns) -> Linear {
    const std::string pattern = "blk.{}." + name.str();
    return {table.declare(pattern + ".weight", s.layers, {s.mixture->experts * rows, columns}),
            table.declareAsVectorIfPresent(pattern + ".bias", s.layers, s.mixture->experts, rows)};
  };
  FeedForward weights;
  weights.router = declareLinear(table, "ffn_gate_inp", s.mixture->experts, s.width);
  weights.gate = experts("ffn_gate_exps", s.mixture->feedForward, s.width);
  weights.up = experts("ffn_up_exps", s.mixture->feedForward, s.width);
  weights.down = experts("ffn_down_exps", s.width, s.mixture->feedForward);
  return weights;
}

Decoder::FeedForward Decoder::declareSharedExpert(WeightTable &table, int64_t feedForward) const {
  FeedForward weights = declareDense(table, "_shexp", feedForward);
  weights.act = "blk.{}.ffn_act_shexp";
  return weights;
}

/// ffn_gate, ffn_up and ffn_down, each with a suffix.
Decoder::FeedForward Decoder::declareDense(WeightTable &table, StringRef suffix, int64_t feedForward) const {
  FeedForward weights;
  weights.gate = declareLinear(table, ("ffn_gate" + suffix).str(), feedForward, s.width);
  weights.up = declareLinear(table, ("ffn_up" + suffix).str(), feedForward, s.width);
  weights.down = declareLinear(table, ("ffn_down" + suffix).str(), s.width, feedForward);
  return weights;
}

Decoder::Attention Decoder::declareNormedAttention(WeightTable &table, NormOf of) const {
  Attention attention = declareAttention(table);
  auto width = [&](int64_t heads) { return of == NormOf::head ? s.keyWidth : heads * s.keyWidth; };
  attention.queryNorm = table.declare("blk.{}.attn_q_norm.weight", s.layers, {width(s.heads)});
  attention.keyNorm = table.declare("blk.{}.attn_k_norm.weight", s.layers, {width(s.keyHeads)});
  return attention;
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
  at(of.weight);
  Value weight = select(of.weight, layer);
  Value bias = of.bias ? select(of.bias, layer) : Value();
  const int64_t numRows = cast<lm::WeightType>(weight.getType()).getNumRows();
  if (!chosen.experts)
    return b.create<lm::LinearOp>(rows({numRows}), x, weight, bias);
  const int64_t rowsOfOne = numRows / s.mixture->experts;
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

/// Split into heads, normed if there is a weight; of all heads together before they are split.
Value Decoder::splitNormed(Value x, int64_t heads, int64_t width, lm::WeightOp weight, Value layer) {
  if (!weight)
    return splitHeads(x, heads, width);
  if (cast<lm::WeightType>(weight.getType()).getNumColumns() == width)
    return norm(splitHeads(x, heads, width), weight, layer);
  return splitHeads(norm(x, weight, layer), heads, width);
}

Value Decoder::rotate(Value x, size_t kind, StringRef rope) {
  at(rope);
  return b.create<lm::RopeOp>(x.getType(), x, angles[kind], lanes);
}

Decoder::Stream Decoder::attend(Stream in, const Attention &attention, const Layer &layer) {
  Value query = linear(in.x, attention.query, layer.number), key = linear(in.x, attention.key, layer.number);
  Value value = splitHeads(linear(in.x, attention.value, layer.number), s.keyHeads, s.valueWidth);
  query = splitNormed(query, s.heads, s.keyWidth, attention.queryNorm, layer.number);
  key = splitNormed(key, s.keyHeads, s.keyWidth, attention.keyNorm, layer.number);
  if (s.kinds[layer.kind].isRotated) {
    query = rotate(query, layer.kind, "blk.{}.rope_q");
    key = rotate(key, layer.kind, "blk.{}.rope_k");
  }

  Value &keys = in.slots[2 * layer.kind], &values = in.slots[2 * layer.kind + 1];
  at("blk.{}.append_k");
  keys = b.create<kv::AppendOp>(keys.getType(), keys, layer.stored, key, batch);
  at("blk.{}.append_v");
  values = b.create<kv::AppendOp>(values.getType(), values, layer.stored, value, batch);
  Value sinks = attention.sinks ? select(attention.sinks, layer.number) : Value();
  at("blk.{}.attention");
  std::optional<int64_t> window = s.kinds[layer.kind].window;
  Value attended = b.create<kv::AttendOp>(
      rows({s.heads, s.valueWidth}), query, keys, layer.stored, values, layer.stored, batch, sinks,
      b.getF32FloatAttr(s.attentionScale), s.scoreCap ? b.getF32FloatAttr(*s.scoreCap) : FloatAttr(),
      window ? b.getI64IntegerAttr(*window) : IntegerAttr(), kv::MaskAttr::get(b.getContext(), kv::Mask::causal));
  SmallVector<ReassociationIndices> join{{0}, {1, 2}};
  Value joined = b.create<tensor::CollapseShapeOp>(rows({s.heads * s.valueWidth}), attended, join);
  in.x = linear(joined, attention.output, layer.number);
  return in;
}

} // namespace kvasir
