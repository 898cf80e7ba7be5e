// SPDX-License-Identifier: MIT
#ifndef KVASIR_DIALECTS_LM_WEIGHTS_TD
#define KVASIR_DIALECTS_LM_WEIGHTS_TD
include "compiler/dialects/lm/base.td"

def Lm_WeightOp : Lm_Op<"weight", [Symbol]> {
  let summary = "a family of weights of one type, one a layer";
  let description = [{
    `source` names the tensor of the model's file, `{}` standing for the layer; `{2,5}` are the layers of a family of
    two. Once layouts are assigned, the elements of a layer lie at `offset` + layer * `stride` bytes into the plugin's
    weights, as `layout` says; where the layout itself has digits of the layer, stride is 0. `members` says what each
    member is in the file, where they differ; the type holds them all.

    (C1) the family has at least one member.
    (C2) layout, offset and stride are given together.
    (C3) members are as many types as the family has members, of the same shape.

    ```mlir
    lm.weight @attn_q family(30) source("blk.{}.attn_q.weight")
      : !lm.weight<576x576, codes = ui4, group = 32, scale = f16, min = f16>
    lm.weight @output_norm source("output_norm.weight") : !lm.weight<576, codes = f32>
    lm.weight @ffn_down family(2) members([!lm.weight<576x1536, codes = f16>, !lm.weight<576x1536, codes = f32>])
      source("blk.{}.ffn_down.weight") : !lm.weight<576x1536, codes = f32>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, DefaultValuedAttr<I64Attr, "1">:$family, StrAttr:$source,
                       TypeAttrOf<Lm_Weight>:$type, OptionalAttr<TypeArrayAttr>:$members,
                       OptionalAttr<Lm_Layout>:$layout, OptionalAttr<I64Attr>:$offset, OptionalAttr<I64Attr>:$stride);
  let builders = [OpBuilder<(ins "::llvm::StringRef":$symbol, "int64_t":$family, "::llvm::StringRef":$source,
                             "WeightType":$type, CArg<"::mlir::ArrayAttr", "{}">:$members), [{
    build($_builder, $_state, symbol, family, source, type, members, LayoutAttr(), ::mlir::IntegerAttr(),
          ::mlir::IntegerAttr());
  }]>];
  let assemblyFormat = [{
    $sym_name (`family` `(` $family^ `)`)? (`members` `(` $members^ `)`)? `source` `(` $source `)`
    (`layout` `(` $layout^ `)`)? (`offset` `(` $offset^ `)`)? (`stride` `(` $stride^ `)`)? attr-dict `:` $type
  }];
  let extraClassDeclaration = [{ bool canDiscardOnUseEmpty() { return false; } }];
  let hasVerifier = 1;
}

def Lm_SelectOp : Lm_Op<"select", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>,
                                   DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "one weight of a family";
  let description = [{
    (C1) the symbol is an lm.weight of the same type.
    (C2) a layer is given iff the family has more than one member.

    ```mlir
    %w = lm.select @attn_q[%layer] : !lm.weight<576x576, codes = f16>
    %n = lm.select @output_norm : !lm.weight<576, codes = f32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$symbol, Optional<Index>:$layer);
  let results = (outs Lm_Weight:$result);
  let assemblyFormat = "$symbol (`[` $layer^ `]`)? attr-dict `:` qualified(type($result))";
}

def Lm_DequantizeOp : Lm_Op<"dequantize", [DestinationStyleOpInterface,
                                           DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "R rows of a weight, as f32: the only decomposition of packed bytes";
  let description = [{
    result[r, k] = value of weight[begin + r, k]. Rows from N on are not read, and what they become is undefined.
    Shapes: weight [N, K] or [K], taken as one row; outs, result [R, K].

    (C1) outs is [R, K], static.
    (C2) a tensor gives a result of its type, a memref none.

    Effects: none on tensors; writes outs where it is a memref.

    ```mlir
    %tile = lm.dequantize %w rows(%begin) outs(%empty : tensor<32x64xf32>) : !lm.weight<96x64, codes = f16> -> tensor<32x64xf32>
    ```
  }];
  let arguments = (ins Lm_Weight:$weight, Index:$begin,
                       Arg<AnyTypeOf<[TensorRankOf<[F32], [2]>, MemRefRankOf<[F32], [2]>]>>:$outs);
  let results = (outs Optional<Lm_F32TensorOfRank<[2]>>:$result);
  let assemblyFormat = [{
    $weight `rows` `(` $begin `)` `outs` `(` $outs `:` type($outs) `)` attr-dict `:` qualified(type($weight))
    (`->` type($result)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutsMutable(); }
  }];
  let hasVerifier = 1;
}

#endif
