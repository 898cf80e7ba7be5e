// SPDX-License-Identifier: MIT
// What granites, dense and mixed, have in common.
#ifndef KVASIR_MODELS_GRANITE_DECODER_H
#define KVASIR_MODELS_GRANITE_DECODER_H

#include "compiler/models/pre_norm_decoder.h"

namespace kvasir {

/// As llama, with embeddings, scores, logits and what is added to a layer's input scaled. Source: Granite 3.0 Language
/// Models.
class GraniteDecoder : public PreNormDecoder {
protected:
  GraniteDecoder(llvm::StringRef name, const ModelSource &source, mlir::MLIRContext *context)
      : PreNormDecoder(name, lm::LaneOrder::adjacent, source, context) {}

  void configure(Configuration &configuration) override;
  mlir::Value embed(mlir::Value ids) final {
    return scale(PreNormDecoder::embed(ids), embeddingScale, "embedding_scale");
  }
  mlir::Value afterAttention(mlir::Value y, mlir::Value) final { return scale(y, residualScale, "blk.{}.attn_scale"); }
  mlir::Value afterFeedForward(mlir::Value y, mlir::Value) final { return scale(y, residualScale, "blk.{}.ffn_scale"); }
  mlir::Value buildHead(mlir::Value x) final { return scale(PreNormDecoder::buildHead(x), logitScale, "output_scale"); }

private:
  float embeddingScale = 1, residualScale = 1, logitScale = 1;
};

} // namespace kvasir

#endif
