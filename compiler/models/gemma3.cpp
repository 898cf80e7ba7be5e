// SPDX-License-Identifier: MIT
// The gemma3 architecture, text: as gemma2, but every sixth layer sees all, layers that slide have frequencies of their
// own, and each head of queries and keys has a norm. Source: Gemma 3 Technical Report, arXiv 2503.19786; names and
// defaults of GGUF as in llama.cpp.
#include "compiler/models/architectures.h"
#include "compiler/models/gemma_decoder.h"

using namespace mlir;

namespace kvasir {
namespace {

class Gemma3 final : public SlidingGemmaDecoder {
public:
  Gemma3(const ModelSource &source, MLIRContext *context) : SlidingGemmaDecoder("gemma3", source, context) {}

private:
  void configure(Configuration &configuration) override { configureKinds(configuration, {.turn = 6, .largest = 62}); }
  void readRope(Configuration &configuration) override {
    SlidingGemmaDecoder::readRope(configuration);
    for (LayerKind &kind : s.kinds)
      if (kind.window)
        kind.rope = plainRopeAngles(readRopeBase(configuration, "rope.freq_base_swa", 10000.0), s.rotated);
  }
  Attention declareLayerAttention(WeightTable &table) override { return declareNormedAttention(table); }
};

} // namespace

ModuleResult gemma3::build(const ModelSource &source, MLIRContext *context) { return Gemma3(source, context).build(); }

} // namespace kvasir
