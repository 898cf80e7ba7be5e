// SPDX-License-Identifier: MIT
// What decoder-only transformers have in common: their sizes, and the parts that their graphs are made of.
#ifndef KVASIR_MODELS_DECODER_H
#define KVASIR_MODELS_DECODER_H

#include "compiler/dialects/kv/dialect.h"
#include "compiler/dialects/lm/dialect.h"
#include "compiler/models/architecture.h"
#include "compiler/models/configuration.h"
#include "compiler/models/rope_scaling.h"
#include "compiler/models/weight_table.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace kvasir {

/// L layers, width E, feedForward F, heads H, keyHeads G, keyWidth and valueWidth D, rotated lanes of D, vocabulary V.
struct DecoderShape {
  int64_t layers, width, feedForward, heads, keyHeads, keyWidth, valueWidth, rotated, context, vocabulary;
  float epsilon; ///< of norms
  RopeAngles rope;
};

/// A weight and, where the file has one, its bias.
struct Linear {
  lm::WeightOp weight, bias;
};

/// Builds a model of layers that attend their own rows of the caches k and v. An architecture derives from it, says in
/// the functions that are pure what is its own, and builds these from the parts below. Each part names its ops as
/// people know them (`blk.{layer}.attn_q`); names with {} stand for all layers. T and W are `?`.
class Decoder {
public:
  /// `name` as in general.architecture; `lanes`: which two lanes rope turns together. All outlive the decoder.
  Decoder(llvm::StringRef name, lm::LaneOrder lanes, const ModelSource &source, mlir::MLIRContext *context);
  virtual ~Decoder() = default;

  /// The whole program, as importModel promises it.
  ModuleResult build();

protected:
  /// What a layer hands to the next: x [T, E].
  struct Stream {
    mlir::Value x, keys, values;
  };
  /// Of one layer's attention.
  struct Attention {
    Linear query, key, value, output;
  };
  struct FeedForward {
    Linear gate, up, down;
  };

  /// Refuses what the sizes alone don't; nothing unless overridden.
  virtual void check(Configuration &configuration) {}
  /// Declares every weight; returns those of attention, whose keys and values the caches hold.
  virtual Attention declareWeights(WeightTable &table) = 0;
  /// [T] -> [T, E]
  virtual mlir::Value embed(mlir::Value ids) = 0;
  virtual Stream buildLayer(Stream in, mlir::Value layer) = 0;
  /// The last layer's x at the wanted tokens, [W, E] -> [W, V]
  virtual mlir::Value buildHead(mlir::Value x) = 0;

  // The parts. `layer` is null outside of layers.
  /// blk.{}.NAME.weight [N, K] and, where there is one, its bias.
  Linear declareLinear(WeightTable &table, llvm::StringRef name, int64_t rows, int64_t columns) const;
  /// attn_q, attn_k, attn_v and attn_output.
  Attention declareAttention(WeightTable &table) const;
  /// ffn_gate, ffn_up and ffn_down.
  FeedForward declareFeedForward(WeightTable &table) const;
  mlir::Value lookUp(mlir::Value ids, lm::WeightOp weight);
  /// RMSNorm with the shape's epsilon.
  mlir::Value norm(mlir::Value x, lm::WeightOp weight, mlir::Value layer);
  mlir::Value linear(mlir::Value x, const Linear &linear, mlir::Value layer);
  mlir::Value add(mlir::Value x, mlir::Value y, llvm::StringRef name);
  /// Queries, keys and values of in.x [T, E]; rope; rows appended; causal attention; the output's linear.
  Stream attend(Stream in, const Attention &attention, mlir::Value layer);
  /// down(Gate(gate(x), up(x))), an op of lm; [T, E] -> [T, E]
  template <typename Gate> mlir::Value feedForward(mlir::Value x, const FeedForward &weights, mlir::Value layer) {
    mlir::Value gated = linear(x, weights.gate, layer), raised = linear(x, weights.up, layer);
    at("blk.{}.ffn_act");
    return linear(b.create<Gate>(gated.getType(), gated, raised), weights.down, layer);
  }

  void at(llvm::StringRef name) { b.setLoc(locationOf(b.getContext(), name)); }
  void at(lm::WeightOp weight) { b.setLoc(weight.getLoc()); }

  DecoderShape s{};
  mlir::ImplicitLocOpBuilder b;

private:
  std::string canonical() const;
  mlir::DictionaryAttr describeModel();
  void buildSchema(const Attention &attention);
  void buildForward();
  mlir::func::FuncOp declareForward(mlir::Type keys, mlir::Type values);
  mlir::Value buildAngles();
  mlir::Value takeWanted(mlir::Value x);
  mlir::Value select(lm::WeightOp weight, mlir::Value layer);
  mlir::Value splitHeads(mlir::Value x, int64_t heads, int64_t width);
  mlir::Value rotate(mlir::Value x, llvm::StringRef name);
  mlir::RankedTensorType rows(llvm::ArrayRef<int64_t> row);

  std::string name;
  lm::LaneOrder lanes;
  const ModelSource &source;
  mlir::Value batch, tokens, angles;
};

/// Reads the sizes under GGUF's names for them, and refuses those that no decoder can have. Not rope, which is read
/// when the tensors have shown that the width of a head is no invention.
DecoderShape readDecoderShape(Configuration &configuration, const WeightSource &weights);

} // namespace kvasir

#endif
