// SPDX-License-Identifier: MIT
#ifndef KVASIR_DIALECTS_LM_EXPERTS_TD
#define KVASIR_DIALECTS_LM_EXPERTS_TD
include "compiler/dialects/lm/base.td"

def Lm_SharesOf : I32EnumAttr<"SharesOf", "of which experts' sum the shares are parts", [
    I32EnumAttrCase<"all", 0>, I32EnumAttrCase<"chosen", 1>]> {
  let cppNamespace = "::kvasir::lm";
}

def Lm_RouteOp : Lm_MathOp<"route"> {
  let summary = "chooses each row's experts, and the share of each";
  let description = [{
    experts[t, :] are the numbers of the C largest logits[t, :], ascending; of equal ones the first are chosen.
    shares[t, c] = exp(logits[t, experts[t, c]]) / sum over x of exp(logits[t, x]), x being all experts or the chosen.
    C different experts are chosen whatever the logits are: not-a-numbers are larger than infinity, or, where their
    sign is set, smaller than its negative.
    Shapes: logits [T, X], experts, shares [T, C].

    (C1) experts and shares are both [T, C] with C <= X.

    ```mlir
    %experts, %shares = lm.route %logits of(chosen) : tensor<?x128xf32> -> tensor<?x8xi32>, tensor<?x8xf32>
    ```

    Source: Shazeer et al., Outrageously Large Neural Networks, arXiv 1701.06538.
  }];
  let arguments = (ins Lm_F32TensorOfRank<[2]>:$logits, Lm_SharesOf:$of);
  let results = (outs TensorRankOf<[I32], [2]>:$experts, Lm_F32TensorOfRank<[2]>:$shares);
  let assemblyFormat = "$logits `of` `(` $of `)` attr-dict `:` type($logits) `->` type(results)";
  let hasVerifier = 1;
}

def Lm_ExpertLinearOp : Lm_MathOp<"expert_linear"> {
  let summary = "multiplies each row by the weights of its experts, which lie one behind the other";
  let description = [{
    result[t, c * N + n] = sum over k of x[k] * weight[experts[t, c] * N + n, k], then + bias[experts[t, c] * N + n],
    where x is input[t, :], or input[t, c * K : c * K + K] where the input has such parts. Of X experts, X - 1 stands
    for all numbers that there are not.
    Shapes: input [T, K] or [T, C * K], weight [X * N, K], experts [T, C], bias [X * N], result [T, C * N].

    (C1) weight is a matrix, and input has as many columns as it, or C times as many.
    (C2) result has as many rows as input, and C * N columns, of which N divides the rows of weight.
    (C3) experts are [T, C].
    (C4) bias is a vector with an element for each row of weight.

    ```mlir
    %y = lm.expert_linear %x, %w of %experts
      : tensor<?x64xf32>, !lm.weight<768x64, codes = f16>, tensor<?x2xi32> -> tensor<?x192xf32>
    ```
  }];
  let arguments = (ins Lm_F32TensorOfRank<[2]>:$input, Lm_Weight:$weight, TensorRankOf<[I32], [2]>:$experts,
                       Optional<Lm_Weight>:$bias);
  let results = (outs Lm_F32TensorOfRank<[2]>:$result);
  let assemblyFormat = [{
    $input `,` $weight `of` $experts (`bias` $bias^)? attr-dict `:` type($input) `,` qualified(type($weight)) `,`
    type($experts) (`,` qualified(type($bias))^)? `->` type($result)
  }];
  let extraClassDeclaration = [{
    /// C, the experts of a row.
    int64_t getNumChosen() { return ::llvm::cast<::mlir::ShapedType>(getExperts().getType()).getDimSize(1); }
    /// N, the rows of the weight that are one expert's.
    int64_t getNumRows() { return ::llvm::cast<::mlir::ShapedType>(getType()).getDimSize(1) / getNumChosen(); }
    /// X
    int64_t getNumExperts() { return getWeight().getType().getNumRows() / getNumRows(); }
    /// Whether the input has a part for each of a row's experts.
    bool hasParts() {
      return ::llvm::cast<::mlir::ShapedType>(getInput().getType()).getDimSize(1) != getWeight().getType().getNumColumns();
    }
  }];
  let hasVerifier = 1;
}

def Lm_MixOp : Lm_MathOp<"mix"> {
  let summary = "the sum of a row's parts, each times its share";
  let description = [{
    result[t, n] = sum over c, in order, of shares[t, c] * parts[t, c * N + n].
    Shapes: parts [T, C * N], shares [T, C], result [T, N].

    (C1) result is [T, N], and parts have C times as many columns.

    ```mlir
    %y = lm.mix %parts, %shares : tensor<?x128xf32>, tensor<?x2xf32> -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Lm_F32TensorOfRank<[2]>:$parts, Lm_F32TensorOfRank<[2]>:$shares);
  let results = (outs Lm_F32TensorOfRank<[2]>:$result);
  let assemblyFormat = "$parts `,` $shares attr-dict `:` type($parts) `,` type($shares) `->` type($result)";
  let hasVerifier = 1;
}

#endif
