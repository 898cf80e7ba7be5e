// SPDX-License-Identifier: MIT
#ifndef KVASIR_DIALECTS_LM_ROPE_TD
#define KVASIR_DIALECTS_LM_ROPE_TD
include "compiler/dialects/lm/base.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

def Lm_RopeAnglesOp : Lm_MathOp<"rope_angles"> {
  let summary = "cosine and sine of each position's angles, once a call";
  let description = [{
    result[t, i, 0] = magnitude * cos(positions[t] * frequencies[i]), result[t, i, 1] the sine; computed in f64, so that
    a position of a million is as exact as the first. Scalings of rope (linear, llama3, yarn) are in the frequencies
    and the magnitude. Shapes: positions [T], frequencies [R / 2], result [T, R / 2, 2].

    (C1) result is [T, R / 2, 2].

    ```mlir
    %a = lm.rope_angles %positions {frequencies = dense<[1.0, 0.01]> : tensor<2xf64>, magnitude = 1.0 : f32}
      : tensor<?xi64> -> tensor<?x2x2xf32>
    ```
  }];
  let arguments = (ins TensorRankOf<[I64], [1]>:$positions, F64ElementsAttr:$frequencies,
                       DefaultValuedAttr<F32Attr, "1.0f">:$magnitude);
  let results = (outs Lm_F32TensorOfRank<[3]>:$result);
  let assemblyFormat = "$positions attr-dict `:` type($positions) `->` type($result)";
  let hasVerifier = 1;
}

def Lm_RopeOp : Lm_MathOp<"rope", [AllTypesMatch<["input", "result"]>]> {
  let summary = "turns pairs of lanes of each head by the angles of the row's position";
  let description = [{
    (result[t, h, p], result[t, h, q]) = (x cos - y sin, x sin + y cos) with (x, y) = (input[t, h, p], input[t, h, q]) and
    the i-th angle of t, where (p, q) = (2i, 2i + 1) for adjacent lanes, (i, i + R / 2) for halves. Lanes from R on stay.
    Shapes: input, result [T, H, D]; angles [T, R / 2, 2].

    (C1) angles are [T, R / 2, 2] with R <= D.

    ```mlir
    %r = lm.rope %q, %a lanes(adjacent) : tensor<?x9x64xf32>, tensor<?x32x2xf32>
    ```

    Source: Su et al., RoFormer, arXiv 2104.09864; halves as in GPT-NeoX.
  }];
  let arguments = (ins Lm_F32TensorOfRank<[3]>:$input, Lm_F32TensorOfRank<[3]>:$angles,
                       Lm_LaneOrder:$lanes);
  let results = (outs Lm_F32TensorOfRank<[3]>:$result);
  let assemblyFormat = "$input `,` $angles `lanes` `(` $lanes `)` attr-dict `:` type($input) `,` type($angles)";
  let hasVerifier = 1;
}

#endif
