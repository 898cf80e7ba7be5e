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

#endif
