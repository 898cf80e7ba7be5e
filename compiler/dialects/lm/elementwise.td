// SPDX-License-Identifier: MIT
#ifndef KVASIR_DIALECTS_LM_ELEMENTWISE_TD
#define KVASIR_DIALECTS_LM_ELEMENTWISE_TD
include "compiler/dialects/lm/base.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

def Lm_ScaleOp : Lm_MathOp<"scale", [AllTypesMatch<["input", "result"]>]> {
  let summary = "multiplies each element by a constant";
  let description = [{
    result[t, e] = input[t, e] * factor
    Shapes: [T, E] or [T, H, D].

    ```mlir
    %y = lm.scale %x {factor = 24.0 : f32} : tensor<?x576xf32>
    ```

    Source: embeddings, Gemma, arXiv 2403.08295; residuals and logits, muP, arXiv 2203.03466.
  }];
  let arguments = (ins Lm_F32TensorOfRank<[2, 3]>:$input, F32Attr:$factor);
  let results = (outs Lm_F32TensorOfRank<[2, 3]>:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}

def Lm_SoftcapOp : Lm_MathOp<"softcap", [AllTypesMatch<["input", "result"]>]> {
  let summary = "bends each element so that none is larger than the cap";
  let description = [{
    result[t, n] = cap * tanh(input[t, n] / cap)
    Shapes: [T, N].

    (C1) cap is positive and finite.

    ```mlir
    %y = lm.softcap %logits {cap = 30.0 : f32} : tensor<?x49152xf32>
    ```

    Source: Gemma 2, arXiv 2408.00118.
  }];
  let arguments = (ins Lm_F32TensorOfRank<[2]>:$input, F32Attr:$cap);
  let results = (outs Lm_F32TensorOfRank<[2]>:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasVerifier = 1;
}

#endif
