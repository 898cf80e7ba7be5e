// SPDX-License-Identifier: MIT
// Caches: ops that write, read and attend the rows of one layer.
#ifndef KVASIR_DIALECTS_KV_ROWS_TD
#define KVASIR_DIALECTS_KV_ROWS_TD
include "compiler/dialects/kv/base.td"

class Kv_SlotOp<string name, list<Trait> traits = []> : Kv_Op<name, traits # [
    DeclareOpInterfaceMethods<SymbolUserOpInterface>, DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  // A slot's versions are named after it: %k, %k_0, %k_1.
  let extraClassDefinition = [{
    void $cppClass::getAsmResultNames(::mlir::OpAsmSetValueNameFn name) {
      ::kvasir::kv::nameAfterSlots(getOperation()->getResults(), name);
    }
  }];
}

/// An op that makes the next version of a slot.
class Kv_WriteSlotOp<string name> : Kv_SlotOp<name, [AllTypesMatch<["slot", "result"]>,
                                    MemoryEffects<[MemRead<Kv_State>, MemWrite<Kv_State>]>]>;

def Kv_FloatTensor : RankedTensorOf<[AnyFloat]>;
def Kv_Source : AnyTypeOf<[Kv_Slot, Kv_View]>;
def Kv_Weight : Type<CPred<"::llvm::isa<::kvasir::lm::WeightType>($_self)">, "a !lm.weight",
                     "::kvasir::lm::WeightType">;

def Kv_AppendOp : Kv_WriteSlotOp<"append"> {
  let summary = "writes the T rows of this call to one layer";
  let description = [{
    Token t of sequence b becomes row start[b] + t. The layout of the cache may round or quantise it.
    Shapes: rows [T, G, D].

    (C1) the slot is a cache.
    (C2) rows are [T, heads, row] of the cache.

    Effects: consumes the slot. Errors at run time: `capacity`, before anything is written.

    ```mlir
    %k1 = kv.append %k[%layer], %rows, %batch : !kv.slot<@k>, tensor<?x3x64xf32>
    ```
  }];
  let arguments = (ins Kv_Slot:$slot, Index:$layer, Kv_FloatTensor:$rows, Kv_Batch:$batch);
  let results = (outs Kv_Slot:$result);
  let assemblyFormat = [{
    $slot `[` $layer `]` `,` $rows `,` $batch attr-dict `:` qualified(type($slot)) `,` type($rows)
  }];
}

def Kv_Mask : Kv_Enum<"Mask", "which rows a token sees", [
    I32EnumAttrCase<"causal", 0>, I32EnumAttrCase<"full", 1>, I32EnumAttrCase<"prefix", 2>]>;

def Kv_AttendOp : Kv_SlotOp<"attend", [AttrSizedOperandSegments, MemoryEffects<[MemRead<Kv_State>]>]> {
  let summary = "softmax(scale q k) v over the rows of one layer, this call's rows included";
  let description = [{
    Token t of sequence b sees the rows r <= start[b] + t, and with a window only r > start[b] + t - window. Query head
    h reads key/value head h / (H / G). `softcap` c replaces a score s by c tanh(s / c). `sinks` are a score more for
    each head, of a row without values: with scores s, result[t, h, :] = sum over r of exp(s[r]) v[r] / (sum over r of
    exp(s[r]) + exp(sinks[h])).
    Shapes: query [T, H, D], sinks [H], result [T, H, D of the values]. Keys and values are a slot and a layer, or a
    view.

    (C1) the values pair with the keys in the schema, or are the same cache and it has no values.
    (C2) the window is at most the cache's, and given when the cache has one in every layer.
    (C3) a slot takes a layer, a view does not.
    (C4) query is [T, H, row of the keys], result is [T, H, row of the values], and heads divides H.
    (C5) the window is 1 or more, and the softcap above 0.
    (C6) sinks are a vector with an element for each query head.

    Effects: reads the state. Comes after the append of this call's rows.

    ```mlir
    %o = kv.attend %q, %k1[%layer], %v1[%layer], %batch {scale = 0.125 : f32}
      : tensor<?x9x64xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x9x64xf32>
    ```

    Source: Ainslie et al., GQA, arXiv 2305.13245; softcap: Gemma 2, arXiv 2408.00118; sinks: gpt-oss model card, arXiv
    2508.10925.
  }];
  let arguments = (ins Kv_FloatTensor:$query, Kv_Source:$keys, Optional<Index>:$keyLayer, Kv_Source:$values,
                       Optional<Index>:$valueLayer, Kv_Batch:$batch, Optional<Kv_Weight>:$sinks, F32Attr:$scale,
                       OptionalAttr<F32Attr>:$softcap, OptionalAttr<I64Attr>:$window,
                       DefaultValuedAttr<Kv_Mask, "Mask::causal">:$mask);
  let results = (outs Kv_FloatTensor:$result);
  let assemblyFormat = [{
    $query `,` $keys (`[` $keyLayer^ `]`)? `,` $values (`[` $valueLayer^ `]`)? `,` $batch (`sinks` $sinks^)? attr-dict
    `:` type($query) `,` qualified(type($keys)) `,` qualified(type($values)) (`,` qualified(type($sinks))^)? `->`
    type($result)
  }];
}

def Kv_BorrowOp : Kv_SlotOp<"borrow", [MemoryEffects<[MemRead<Kv_State>]>]> {
  let summary = "lends one layer's rows to another layer";
  let description = [{
    The view ends with the next write to that layer. Coverage counts the owner only.

    (C1) the slot is a cache.
    (C2) the view is of the same cache.

    ```mlir
    %view = kv.borrow %k[%owner] : !kv.slot<@k> -> !kv.view<@k>
    ```
  }];
  let arguments = (ins Kv_Slot:$slot, Index:$layer);
  let results = (outs Kv_View:$result);
  let assemblyFormat = "$slot `[` $layer `]` attr-dict `:` qualified(type($slot)) `->` qualified(type($result))";
}

def Kv_ReadOp : Kv_SlotOp<"read", [MemoryEffects<[MemRead<Kv_State>]>]> {
  let summary = "rows begin .. end - 1 of one layer as a tensor, for imported programs";
  let description = [{
    Shapes: result [end - begin, G, D].

    (C1) the slot is a cache.
    (C2) the result is [*, heads, row] of the cache.

    ```mlir
    %rows = kv.read %k[%layer] rows(%begin, %end) : !kv.slot<@k> -> tensor<?x3x64xf32>
    ```
  }];
  let arguments = (ins Kv_Slot:$slot, Index:$layer, Index:$begin, Index:$end);
  let results = (outs Kv_FloatTensor:$result);
  let assemblyFormat = [{
    $slot `[` $layer `]` `rows` `(` $begin `,` $end `)` attr-dict `:` qualified(type($slot)) `->` type($result)
  }];
}

def Kv_WriteOp : Kv_WriteSlotOp<"write"> {
  let summary = "writes rows begin .. begin + size - 1 of one layer, for imported programs";
  let description = [{
    raise-writes turns it into kv.append, or says in `unraised` why it cannot. Shapes: rows [*, G, D].

    (C1) the slot is a cache.
    (C2) rows are [*, heads, row] of the cache.

    ```mlir
    %k1 = kv.write %k[%layer], %rows at(%begin) : !kv.slot<@k>, tensor<?x3x64xf32>
    ```
  }];
  let arguments = (ins Kv_Slot:$slot, Index:$layer, Kv_FloatTensor:$rows, Index:$begin,
                       OptionalAttr<StrAttr>:$unraised);
  let results = (outs Kv_Slot:$result);
  let assemblyFormat = [{
    $slot `[` $layer `]` `,` $rows `at` `(` $begin `)` (`unraised` $unraised^)? attr-dict `:` qualified(type($slot)) `,`
    type($rows)
  }];
}

def Kv_WaiveOp : Kv_WriteSlotOp<"waive"> {
  let summary = "states why one layer, or every layer, is left as it is in this call; listed in the manifest";
  let description = [{
    It excuses a missing or an unproven write, and must excuse one.

    (C1) the schema declares the slot.
    (C2) the reason is not empty.

    ```mlir
    %k1 = kv.waive %k[%layer], "layer 7 is unused in this checkpoint" : !kv.slot<@k>
    %k2 = kv.waive %k1, "this function only scores" : !kv.slot<@k>
    ```
  }];
  let arguments = (ins Kv_Slot:$slot, Optional<Index>:$layer, StrAttr:$reason);
  let results = (outs Kv_Slot:$result);
  let assemblyFormat = "$slot (`[` $layer^ `]`)? `,` $reason attr-dict `:` qualified(type($slot))";
}

#endif
