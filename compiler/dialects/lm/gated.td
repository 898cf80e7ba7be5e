// SPDX-License-Identifier: MIT
#ifndef KVASIR_DIALECTS_LM_GATED_TD
#define KVASIR_DIALECTS_LM_GATED_TD
include "compiler/dialects/lm/base.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

def Lm_SwigluOp : Lm_MathOp<"swiglu", [AllTypesMatch<["gate", "up", "result"]>]> {
  let summary = "up, gated by the sigmoid-weighted gate";
  let description = [{
    result[t, f] = gate[t, f] / (1 + exp(-gate[t, f])) * up[t, f]
    Shapes: [T, F].

    ```mlir
    %h = lm.swiglu %gate, %up : tensor<?x1536xf32>
    ```

    Source: Shazeer, GLU Variants Improve Transformer, arXiv 2002.05202.
  }];
  let arguments = (ins Lm_F32TensorOfRank<[2]>:$gate, Lm_F32TensorOfRank<[2]>:$up);
  let results = (outs Lm_F32TensorOfRank<[2]>:$result);
  let assemblyFormat = "$gate `,` $up attr-dict `:` type($gate)";
}

def Lm_ClampedSwigluOp : Lm_MathOp<"clamped_swiglu", [AllTypesMatch<["gate", "up", "result"]>]> {
  let summary = "one more than up, gated by the sigmoid-weighted gate, both within a limit";
  let description = [{
    result[t, f] = g / (1 + exp(-slope * g)) * (u + 1), where g = min(gate[t, f], limit) and u = up[t, f], but no more
    than limit and no less than -limit.
    Shapes: [T, F].

    (C1) limit and slope are above 0.

    ```mlir
    %h = lm.clamped_swiglu %gate, %up {limit = 7.0 : f32, slope = 1.702 : f32} : tensor<?x2880xf32>
    ```

    Source: gpt-oss model card, arXiv 2508.10925; transformers, modeling_gpt_oss.py.
  }];
  let arguments = (ins Lm_F32TensorOfRank<[2]>:$gate, Lm_F32TensorOfRank<[2]>:$up, F32Attr:$limit, F32Attr:$slope);
  let results = (outs Lm_F32TensorOfRank<[2]>:$result);
  let assemblyFormat = "$gate `,` $up attr-dict `:` type($gate)";
  let hasVerifier = 1;
}

def Lm_GegluOp : Lm_MathOp<"geglu", [AllTypesMatch<["gate", "up", "result"]>]> {
  let summary = "up, gated by the Gaussian error linear unit of the gate";
  let description = [{
    result[t, f] = gelu(gate[t, f]) * up[t, f], gelu(x) = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))
    Shapes: [T, F].

    ```mlir
    %h = lm.geglu %gate, %up : tensor<?x1536xf32>
    ```

    Source: Shazeer, GLU Variants Improve Transformer, arXiv 2002.05202; Hendrycks and Gimpel, arXiv 1606.08415.
  }];
  let arguments = (ins Lm_F32TensorOfRank<[2]>:$gate, Lm_F32TensorOfRank<[2]>:$up);
  let results = (outs Lm_F32TensorOfRank<[2]>:$result);
  let assemblyFormat = "$gate `,` $up attr-dict `:` type($gate)";
}

#endif
