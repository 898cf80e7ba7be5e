// SPDX-License-Identifier: MIT
// What the generations of gemma have in common.
#ifndef KVASIR_MODELS_GEMMA_DECODER_H
#define KVASIR_MODELS_GEMMA_DECODER_H

#include "compiler/models/pre_norm_decoder.h"

namespace kvasir {

/// As llama, but embeddings are scaled by the root of their width, rope turns the halves of a head, the gate is a GELU.
/// The 1 of RMSNorm's 1 + weight is in a file's weights already. Source: Gemma, arXiv 2403.08295.
class GemmaDecoder : public PreNormDecoder {
protected:
  GemmaDecoder(llvm::StringRef name, const ModelSource &source, mlir::MLIRContext *context)
      : PreNormDecoder(name, lm::LaneOrder::halves, source, context) {}

  mlir::Value embed(mlir::Value ids) final;
  mlir::Value feed(mlir::Value x, mlir::Value layer) final { return feedForward<lm::GegluOp>(x, gated, layer); }
};

/// And since the second: layers that slide and layers that see all take turns, what attention and the feed-forward
/// network make has a norm, and scores and logits may be capped. Source: Gemma 2, arXiv 2408.00118.
class SlidingGemmaDecoder : public GemmaDecoder {
protected:
  using GemmaDecoder::GemmaDecoder;

  /// What holds where the file says nothing else: `turn` layers of which the last sees all and the others a window,
  /// none if it is 0; caps, none if 0. The model of `largest` layers scales scores as if heads shared the model's
  /// width.
  struct Usual {
    int64_t turn, largest, window = 0;
    double scoreCap = 0, logitCap = 0;
  };
  void configureKinds(Configuration &configuration, const Usual &usual);

  Attention declareWeights(WeightTable &table) final;
  mlir::Value afterAttention(mlir::Value y, mlir::Value layer) final { return norm(y, afterAttentionNorm, layer); }
  mlir::Value afterFeedForward(mlir::Value y, mlir::Value layer) final { return norm(y, afterFeedForwardNorm, layer); }
  mlir::Value buildHead(mlir::Value x) final;

private:
  lm::WeightOp afterAttentionNorm, afterFeedForwardNorm;
  std::optional<float> logitCap;
};

} // namespace kvasir

#endif
