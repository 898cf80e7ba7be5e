// SPDX-License-Identifier: MIT
// What is left of slots after lower-slots: their memory, reached through the call, and what the call must be like. No
// slot is a value here.
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

def Kv_CopyRowsOp : Kv_Op<"copy_rows", [DestinationStyleOpInterface,
                                        DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "rows of one layer of one sequence, all heads, as f32";
  let description = [{
    result[r, g, d] = row begin + r of the sequence's slot and layer, for each row of outs. Shapes: outs, result [N, G, D].

    (C1) a tensor gives a result of its type, a memref none.

    Effects: reads the state; writes outs where it is a memref.

    ```mlir
    %rows = kv.copy_rows @k slot(0) layout(#layout)[%layer, %sequence] from(%begin)
      outs(%empty : tensor<?x3x64xf32>) -> tensor<?x3x64xf32>
    ```
  }];
  let arguments = (ins SymbolRefAttr:$symbol, I64Attr:$slot, Kv_Layout:$layout, Index:$layer, Index:$sequence,
                       Index:$begin, AnyTypeOf<[TensorRankOf<[F32], [3]>, MemRefRankOf<[F32], [3]>]>:$outs);
  let results = (outs Optional<TensorRankOf<[F32], [3]>>:$result);
  let assemblyFormat = [{
    $symbol `slot` `(` $slot `)` `layout` `(` $layout `)` `[` $layer `,` $sequence `]` `from` `(` $begin `)`
    `outs` `(` $outs `:` type($outs) `)` attr-dict (`->` type($result)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutsMutable(); }
  }];
  let hasVerifier = 1;
}

def Kv_LoadRegisterOp : Kv_Op<"load_register", [DestinationStyleOpInterface,
                                                DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "one layer of a register as it was before the call, for each sequence";
  let description = [{
    Shapes: outs, result [B] + content.

    (C1) a tensor gives a result of its type, a memref none.

    Effects: reads the state; writes outs where it is a memref.

    ```mlir
    %past = kv.load_register @conv slot(2) layout(#layout)[%layer] outs(%empty : tensor<?x3x64xf32>) -> tensor<?x3x64xf32>
    ```
  }];
  let arguments = (ins SymbolRefAttr:$symbol, I64Attr:$slot, Kv_Layout:$layout, Index:$layer,
                       AnyTypeOf<[AnyRankedTensor, AnyMemRef]>:$outs);
  let results = (outs Optional<AnyRankedTensor>:$result);
  let assemblyFormat = [{
    $symbol `slot` `(` $slot `)` `layout` `(` $layout `)` `[` $layer `]` `outs` `(` $outs `:` type($outs) `)` attr-dict
    (`->` type($result)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutsMutable(); }
  }];
  let hasVerifier = 1;
}

def Kv_StoreRegisterOp : Kv_Op<"store_register", [MemoryEffects<[MemRead<Kv_State>, MemWrite<Kv_State>]>]> {
  let summary = "one layer of a register as it will be after the call, for each sequence";
  let description = [{
    Shapes: content [B] + content of the register.

    Effects: writes the state.

    ```mlir
    kv.store_register %next into @conv slot(2) layout(#layout)[%layer] : tensor<?x3x64xf32>
    ```
  }];
  let arguments = (ins AnyTypeOf<[AnyRankedTensor, AnyMemRef]>:$content, SymbolRefAttr:$symbol, I64Attr:$slot,
                       Kv_Layout:$layout, Index:$layer);
  let assemblyFormat = [{
    $content `into` $symbol `slot` `(` $slot `)` `layout` `(` $layout `)` `[` $layer `]` attr-dict `:` type($content)
  }];
}

def Kv_RequireOp : Kv_Op<"require", [MemoryEffects<[MemWrite<Kv_Contract>]>]> {
  let summary = "a number that a call must have: a call that has another is refused before its first write";
  let description = [{
    `message` has two `%d`, for what was found and what was expected. Both depend on the call and its inputs alone.

    Effects: writes the contract, so that it stays though nobody uses it.

    ```mlir
    kv.require %position = %start, "position is %d, the sequence holds %d rows"
    ```
  }];
  let arguments = (ins Index:$found, Index:$expected, StrAttr:$message);
  let assemblyFormat = "$found `=` $expected `,` $message attr-dict";
  let hasCanonicalizeMethod = 1;
}

#endif
