// SPDX-License-Identifier: MIT
// Decoders that norm what goes into attention and into the feed-forward network: llama's, and most since.
#ifndef KVASIR_MODELS_PRE_NORM_DECODER_H
#define KVASIR_MODELS_PRE_NORM_DECODER_H

#include "compiler/models/decoder.h"

namespace kvasir {

/// Each layer: x + attention(norm(x)), then x + feed-forward(norm(x)); SwiGLU; a norm and a linear as head, whose
/// weight is the embedding where the file has no other. An architecture overrides what it does otherwise.
class PreNormDecoder : public Decoder {
protected:
  using Decoder::Decoder;

  Attention declareWeights(WeightTable &table) override;
  mlir::Value embed(mlir::Value ids) override { return lookUp(ids, embedding); }
  Stream buildLayer(Stream in, const Layer &layer) final;
  mlir::Value buildHead(mlir::Value x) override { return linear(norm(x, outputNorm, {}), output, {}); }

  /// The norm in front of the feed-forward network.
  virtual llvm::StringRef feedForwardNormName() const { return "blk.{}.ffn_norm.weight"; }
  /// declareAttention and declareFeedForward unless overridden.
  virtual Attention declareLayerAttention(WeightTable &table) { return declareAttention(table); }
  virtual FeedForward declareLayerFeedForward(WeightTable &table) { return declareFeedForward(table); }
  /// [T, E] -> [T, E]
  virtual mlir::Value feed(mlir::Value x, mlir::Value layer) { return feedForward<lm::SwigluOp>(x, gated, layer); }
  /// What becomes of attention's result, and of the feed-forward network's, before it is added to x; nothing unless
  /// overridden.
  virtual mlir::Value afterAttention(mlir::Value y, mlir::Value layer) { return y; }
  virtual mlir::Value afterFeedForward(mlir::Value y, mlir::Value layer) { return y; }

  lm::WeightOp embedding, attentionNorm, feedForwardNorm, outputNorm;
  Attention attention;
  FeedForward gated;
  Linear output;
};

} // namespace kvasir

#endif
