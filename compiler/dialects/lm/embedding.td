// SPDX-License-Identifier: MIT
#ifndef KVASIR_DIALECTS_LM_EMBEDDING_TD
#define KVASIR_DIALECTS_LM_EMBEDDING_TD
include "compiler/dialects/lm/base.td"

def Lm_EmbeddingOp : Lm_MathOp<"embedding"> {
  let summary = "the weight's row of each token id";
  let description = [{
    result[t, e] = weight[ids[t], e]. The host has checked that 0 <= ids[t] < V.
    Shapes: ids [T], weight [V, E], result [T, E].

    (C1) weight is a matrix, result is [T, E].

    ```mlir
    %x = lm.embedding %ids, %w : tensor<?xi32>, !lm.weight<256x64, codes = f16> -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins TensorRankOf<[I32], [1]>:$ids, Lm_Weight:$weight);
  let results = (outs Lm_F32TensorOfRank<[2]>:$result);
  let assemblyFormat = "$ids `,` $weight attr-dict `:` type($ids) `,` qualified(type($weight)) `->` type($result)";
  let hasVerifier = 1;
}

def Lm_TakeOp : Lm_MathOp<"take"> {
  let summary = "the named rows, in order";
  let description = [{
    result[w, e] = input[rows[w], e], 0 <= rows[w] < T. Shapes: input [T, E], rows [W], result [W, E].

    (C1) result is [W, E].
    (C2) input and result have elements of one type.

    ```mlir
    %y = lm.take %x, %wanted : tensor<?x64xf32>, tensor<?xi32> -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins TensorRankOf<[F32, I32], [2]>:$input, TensorRankOf<[I32], [1]>:$rows);
  let results = (outs TensorRankOf<[F32, I32], [2]>:$result);
  let assemblyFormat = "$input `,` $rows attr-dict `:` type($input) `,` type($rows) `->` type($result)";
  let hasVerifier = 1;
}

#endif
