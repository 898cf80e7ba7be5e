// SPDX-License-Identifier: MIT
#ifndef KVASIR_DIALECTS_LM_NORM_TD
#define KVASIR_DIALECTS_LM_NORM_TD
include "compiler/dialects/lm/base.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

def Lm_RmsNormOp : Lm_MathOp<"rms_norm", [AllTypesMatch<["input", "result"]>]> {
  let summary = "scales each row to unit root mean square";
  let description = [{
    result[t, e] = input[t, e] / sqrt(mean over j of input[t, j]^2 + epsilon) * weight[e]
    Shapes: input, result [T, E] or [T, H, E]; weight [E].

    (C1) weight is a vector with an element for each column of input.

    ```mlir
    %y = lm.rms_norm %x, %w {epsilon = 1.0e-05 : f32} : tensor<?x64xf32>, !lm.weight<64, codes = f32>
    ```

    Source: Zhang and Sennrich, Root Mean Square Layer Normalization, arXiv 1910.07467.
  }];
  let arguments = (ins Lm_F32TensorOfRank<[2, 3]>:$input, Lm_Weight:$weight, F32Attr:$epsilon);
  let results = (outs Lm_F32TensorOfRank<[2, 3]>:$result);
  let assemblyFormat = "$input `,` $weight attr-dict `:` type($input) `,` qualified(type($weight))";
  let hasVerifier = 1;
}

#endif
