// SPDX-License-Identifier: MIT
#ifndef KVASIR_DIALECTS_LM_LINEAR_TD
#define KVASIR_DIALECTS_LM_LINEAR_TD
include "compiler/dialects/lm/base.td"

def Lm_LinearOp : Lm_MathOp<"linear"> {
  let summary = "multiplies each row by a weight";
  let description = [{
    result[t, n] = sum over k of input[t, k] * weight[n, k], then + bias[n]
    Shapes: input [T, K], weight [N, K], bias [N], result [T, N].

    (C1) weight is a matrix with as many columns as input.
    (C2) result has as many rows as input and as many columns as weight has rows.
    (C3) bias is a vector with an element for each row of weight.

    ```mlir
    %y = lm.linear %x, %w bias %b
      : tensor<?x64xf32>, !lm.weight<32x64, codes = f16>, !lm.weight<32, codes = f32> -> tensor<?x32xf32>
    ```
  }];
  let arguments = (ins Lm_F32TensorOfRank<[2]>:$input, Lm_Weight:$weight, Optional<Lm_Weight>:$bias);
  let results = (outs Lm_F32TensorOfRank<[2]>:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` $bias^)? attr-dict `:` type($input) `,` qualified(type($weight))
    (`,` qualified(type($bias))^)? `->` type($result)
  }];
  let hasVerifier = 1;
}

#endif
