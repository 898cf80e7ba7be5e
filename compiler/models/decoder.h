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

/// Layers that know where a row is in the same way, and see the same: all rows before a token, or a window of them.
/// Each kind has caches of its own, so that what has left a window is given back.
struct LayerKind {
  std::string slots;                  ///< behind k and v in the names of its caches
  std::optional<int64_t> window = {}; ///< how many rows a token sees, itself among them
  bool isRotated = true;
  RopeAngles rope = {}; ///< where it is
};

/// Feed-forward networks of which each token takes some: X experts of width F, of which C are chosen.
struct Mixture {
  int64_t experts, chosen, feedForward;
  lm::SharesOf sharesOf;
  float scale; ///< of their sum
};

/// L layers, width E, feedForward F, heads H, keyHeads G, keyWidth and valueWidth D, rotated lanes of D, vocabulary V.
struct DecoderShape {
  int64_t layers, width, feedForward, heads, keyHeads, keyWidth, valueWidth, rotated, context, vocabulary;
  float epsilon;                 ///< of norms
  float attentionScale;          ///< of scores
  std::optional<float> scoreCap; ///< of scores, then
  std::optional<Mixture> mixture;
  YarnBounds yarn; ///< where it scales rope
  llvm::SmallVector<LayerKind> kinds;
  llvm::SmallVector<size_t> turn;     ///< the kinds of layers 0, 1, ...; then it begins again
  llvm::SmallVector<float> constants; ///< of the graph, beside these: for the fingerprint

  size_t kindOf(int64_t layer) const { return turn[size_t(layer) % turn.size()]; }
};

/// A weight and, where the file has one, its bias.
struct Linear {
  lm::WeightOp weight, bias;
};

/// Builds a model of layers that attend their own rows of the caches k and v. An architecture derives from it, says in
/// the functions that are pure what is its own, and builds these from the parts below. Each part names its ops as
/// people know them (`blk.{layer}.attn_q`); names with {} stand for all layers. T and W are `?`.
/// Layers of one kind are a loop; where kinds take turns, a loop goes over turns, and what is left of one follows it.
class Decoder {
public:
  /// `name` as in general.architecture; `lanes`: which two lanes rope turns together. All outlive the decoder.
  Decoder(llvm::StringRef name, lm::LaneOrder lanes, const ModelSource &source, mlir::MLIRContext *context);
  virtual ~Decoder() = default;

  /// The whole program, as importModel promises it.
  ModuleResult build();

protected:
  /// What a layer hands to the next: x [T, E], and the slots k and v of each kind.
  struct Stream {
    mlir::Value x;
    llvm::SmallVector<mlir::Value> slots;
  };
  /// Where a layer stands: its number in the model, its kind, and its number among those of its kind.
  struct Layer {
    mlir::Value number;
    size_t kind;
    mlir::Value stored;
  };
  /// Of one layer's attention. Norms are of a head, or of all heads in one, and before rope; those of
  /// `declareAttention` are null.
  struct Attention {
    Linear query, key, value, output;
    lm::WeightOp queryNorm = {}, keyNorm = {};
    lm::WeightOp sinks = {}; ///< [H]
  };
  /// Of a mixture, the experts' weights lie one behind the other; without one, `router` is null.
  struct FeedForward {
    Linear gate, up, down, router = {};
    llvm::StringRef act = "blk.{}.ffn_act"; ///< the gate's name
  };
  /// What a norm of queries or keys makes one in size: each head, or all heads of a token together.
  enum class NormOf { head, allHeads };

  /// Reads into the shape what only this architecture has, and refuses what it can't be; nothing unless overridden.
  virtual void configure(Configuration &configuration) {}
  /// Angles of each kind of layer: those that the file says, unless overridden. Called when the tensors have shown that
  /// the width of a head is no invention.
  virtual void readRope(Configuration &configuration);
  /// Declares every weight; returns those of attention, whose keys and values the caches hold.
  virtual Attention declareWeights(WeightTable &table) = 0;
  /// [T] -> [T, E]
  virtual mlir::Value embed(mlir::Value ids) = 0;
  virtual Stream buildLayer(Stream in, const Layer &layer) = 0;
  /// The last layer's x at the wanted tokens, [W, E] -> [W, V]
  virtual mlir::Value buildHead(mlir::Value x) = 0;

  // The parts. `layer` is null outside of layers.
  /// blk.{}.NAME.weight [N, K] and, where there is one, its bias.
  Linear declareLinear(WeightTable &table, llvm::StringRef name, int64_t rows, int64_t columns) const;
  /// output, whose weight is the embedding where the file has no other.
  Linear declareOutput(WeightTable &table, lm::WeightOp embedding) const;
  /// attn_q, attn_k, attn_v and attn_output.
  Attention declareAttention(WeightTable &table) const;
  /// And attn_q_norm and attn_k_norm.
  Attention declareNormedAttention(WeightTable &table, NormOf of = NormOf::head) const;
  /// Makes layers of two kinds take turns where the file, or else `window`, has a window that is less than the context:
  /// `turn` layers, if the file says nothing else, of which the last sees all. The other kind is `_window`.
  void readWindows(Configuration &configuration, int64_t turn, int64_t window = 0);
  /// Makes the layers' networks a mixture, as the file says; `isNormed`: shares are of the chosen experts where the
  /// file says nothing. Experts are `feedForward` wide unless it says otherwise.
  void readMixture(Configuration &configuration, bool isNormed, int64_t feedForward);
  /// ffn_gate, ffn_up and ffn_down; of a mixture ffn_gate_exps and so on, and ffn_gate_inp.
  FeedForward declareFeedForward(WeightTable &table) const;
  /// ffn_gate_shexp, ffn_up_shexp and ffn_down_shexp: an expert that all tokens take, `feedForward` wide.
  FeedForward declareSharedExpert(WeightTable &table, int64_t feedForward) const;
  mlir::Value lookUp(mlir::Value ids, lm::WeightOp weight);
  /// RMSNorm with the shape's epsilon.
  mlir::Value norm(mlir::Value x, lm::WeightOp weight, mlir::Value layer);
  mlir::Value linear(mlir::Value x, const Linear &of, mlir::Value layer) { return linear(x, of, layer, {}); }
  mlir::Value add(mlir::Value x, mlir::Value y, llvm::StringRef name);
  mlir::Value scale(mlir::Value x, float factor, llvm::StringRef name);
  /// Queries, keys and values of in.x [T, E]; norms; rope; rows appended; causal attention; the output's linear.
  Stream attend(Stream in, const Attention &attention, const Layer &layer);
  /// down(Gate(gate(x), up(x))), an op of lm with these attributes; of a mixture the sum of the chosen experts'; [T, E]
  /// -> [T, E]
  template <typename Gate, typename... Attributes>
  mlir::Value feedForward(mlir::Value x, const FeedForward &weights, mlir::Value layer, Attributes... attributes) {
    const Route chosen = route(x, weights.router, layer);
    mlir::Value gated = linear(x, weights.gate, layer, chosen), raised = linear(x, weights.up, layer, chosen);
    at(weights.act);
    mlir::Value y = linear(b.create<Gate>(gated.getType(), gated, raised, attributes...), weights.down, layer, chosen);
    return weights.router.weight ? mix(y, chosen) : y;
  }

  void at(llvm::StringRef name) { b.setLoc(locationOf(b.getContext(), name)); }
  void at(lm::WeightOp weight) { b.setLoc(weight.getLoc()); }

  DecoderShape s{};
  mlir::ImplicitLocOpBuilder b;

private:
  /// A token's experts and their shares, [T, C]; null where there is no mixture.
  struct Route {
    mlir::Value experts, shares;
  };

  FeedForward declareDense(WeightTable &table, llvm::StringRef suffix, int64_t feedForward) const;
  Route route(mlir::Value x, const Linear &router, mlir::Value layer);
  mlir::Value linear(mlir::Value x, const Linear &of, mlir::Value layer, const Route &chosen);
  mlir::Value mix(mlir::Value parts, const Route &chosen);
  void forgetUnusedKinds();
  std::string canonical() const;
  mlir::DictionaryAttr describeModel();
  void buildSchema(const Attention &attention);
  void buildCaches(const Attention &attention, size_t kind);
  void buildForward();
  mlir::func::FuncOp declareForward();
  mlir::Value buildAngles(const LayerKind &kind);
  Stream buildLayers(Stream in);
  Stream buildTurn(Stream in, mlir::Value turn, int64_t first, int64_t layers);
  mlir::Value numberOf(mlir::Value turn, int64_t step, int64_t offset);
  int64_t layersOf(size_t kind, int64_t before) const;
  mlir::Value takeWanted(mlir::Value x);
  mlir::Value select(lm::WeightOp weight, mlir::Value layer);
  mlir::Value splitHeads(mlir::Value x, int64_t heads, int64_t width);
  mlir::Value splitNormed(mlir::Value x, int64_t heads, int64_t width, lm::WeightOp weight, mlir::Value layer);
  mlir::Value rotate(mlir::Value x, size_t kind, llvm::StringRef name);
  mlir::RankedTensorType rows(llvm::ArrayRef<int64_t> row);

  std::string name;
  lm::LaneOrder lanes;
  const ModelSource &source;
  mlir::Value batch, tokens;
  llvm::SmallVector<mlir::Value> angles; ///< of each kind; null where it is not rotated
};

/// Reads the sizes under GGUF's names for them, of layers of one kind that see all rows, and refuses those that no
/// decoder can have.
DecoderShape readDecoderShape(Configuration &configuration, const WeightSource &weights);

} // namespace kvasir

#endif
