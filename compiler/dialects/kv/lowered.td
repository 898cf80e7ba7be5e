// SPDX-License-Identifier: MIT
// What is left of caches after lower-slots: rows of a slot's memory, reached through the call. No slot is a value here.
#ifndef KVASIR_DIALECTS_KV_LOWERED_TD
#define KVASIR_DIALECTS_KV_LOWERED_TD
include "compiler/dialects/kv/base.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"

def Kv_Layout : Attr<CPred<"::llvm::isa<::kvasir::lm::LayoutAttr>($_self)">, "a #lm.layout"> {
  let storageType = "::kvasir::lm::LayoutAttr";
  let returnType = "const ::kvasir::Layout &";
  let convertFromStorage = "$_self.getLayout()";
}

def Kv_LoadRowsOp : Kv_Op<"load_rows", [DestinationStyleOpInterface,
                                        DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "one head's rows of a partition of 128 tokens, as f32";
  let description = [{
    result[r, d] = row 128 * partition + r of the sequence's slot, layer and head, for r < count <= 128; what the other
    rows become is undefined. `slot` is the slot's number in the schema. Shapes: outs, result [128, D].

    (C1) outs is [128, D], static.
    (C2) a tensor gives a result of its type, a memref none.

    Effects: reads the state; writes outs where it is a memref.

    ```mlir
    %k = kv.load_rows @k slot(0) layout(#layout)[%layer, %sequence, %head] partition(%p) rows(%count)
      outs(%tile : tensor<128x64xf32>) -> tensor<128x64xf32>
    ```
  }];
  let arguments = (ins SymbolRefAttr:$symbol, I64Attr:$slot, Kv_Layout:$layout, Index:$layer, Index:$sequence,
                       Index:$head, Index:$partition, Index:$count,
                       AnyTypeOf<[TensorRankOf<[F32], [2]>, MemRefRankOf<[F32], [2]>]>:$outs);
  let results = (outs Optional<TensorRankOf<[F32], [2]>>:$result);
  let assemblyFormat = [{
    $symbol `slot` `(` $slot `)` `layout` `(` $layout `)` `[` $layer `,` $sequence `,` $head `]`
    `partition` `(` $partition `)` `rows` `(` $count `)` `outs` `(` $outs `:` type($outs) `)` attr-dict (`->` type($result)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutsMutable(); }
  }];
  let hasVerifier = 1;
}

def Kv_StoreRowsOp : Kv_Op<"store_rows", [MemoryEffects<[MemRead<Kv_State>, MemWrite<Kv_State>]>]> {
  let summary = "writes the T rows of this call to one layer of each sequence";
  let description = [{
    Token t becomes row positions[t] of its sequence, rounded to the elements of the layout. Shapes: rows [T, G, D].

    Effects: writes the state.

    ```mlir
    kv.store_rows %rows into @k slot(0) layout(#layout)[%layer] : tensor<?x3x64xf32>
    ```
  }];
  let arguments = (ins AnyTypeOf<[TensorRankOf<[F32], [3]>, MemRefRankOf<[F32], [3]>]>:$rows, SymbolRefAttr:$symbol,
                       I64Attr:$slot, Kv_Layout:$layout, Index:$layer);
  let assemblyFormat = [{
    $rows `into` $symbol `slot` `(` $slot `)` `layout` `(` $layout `)` `[` $layer `]` attr-dict `:` type($rows)
  }];
}

#endif
