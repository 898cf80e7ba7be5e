// SPDX-License-Identifier: MIT
// The numbers of a call. All but kv.bind are pure: they depend on nothing that a call changes.
#ifndef KVASIR_DIALECTS_KV_BATCH_TD
#define KVASIR_DIALECTS_KV_BATCH_TD
include "compiler/dialects/kv/base.td"

def Kv_IndexBounds : DeclareOpInterfaceMethods<ValueBoundsOpInterface, ["populateBoundsForIndexValue"]>;
def Kv_ShapedBounds : DeclareOpInterfaceMethods<ValueBoundsOpInterface, ["populateBoundsForShapedValueDim"]>;

def Kv_PositionsOp : Kv_Op<"positions", [Pure, Kv_ShapedBounds]> {
  let summary = "the position of each of the T tokens, for rope";
  let description = [{
    positions[first[b] + t] = start[b] + t. Shapes: [T].

    ```mlir
    %positions = kv.positions %batch : tensor<?xi32>
    ```
  }];
  let arguments = (ins Kv_Batch:$batch);
  let results = (outs 1DTensorOf<[Index, I32, I64]>:$result);
  let assemblyFormat = "$batch attr-dict `:` type($result)";
}

def Kv_WantedOp : Kv_Op<"wanted", [Pure, Kv_ShapedBounds]> {
  let summary = "which of the T tokens have outputs that the caller wants, rising";
  let description = [{
    The head of a model is computed for these only. Shapes: [W], W <= T.

    ```mlir
    %wanted = kv.wanted %batch : tensor<?xi32>
    ```
  }];
  let arguments = (ins Kv_Batch:$batch);
  let results = (outs 1DTensorOf<[Index, I32, I64]>:$result);
  let assemblyFormat = "$batch attr-dict `:` type($result)";
}

def Kv_TokensOp : Kv_Op<"tokens", [Pure, Kv_IndexBounds]> {
  let summary = "T, the sum of count over the sequences";
  let description = [{
    ```mlir
    %t = kv.tokens %batch
    ```
  }];
  let arguments = (ins Kv_Batch:$batch);
  let results = (outs Index:$result);
  let assemblyFormat = "$batch attr-dict";
}

def Kv_SequencesOp : Kv_Op<"sequences", [Pure, Kv_IndexBounds]> {
  let summary = "B, how many sequences this call serves";
  let description = [{
    ```mlir
    %b = kv.sequences %batch
    ```
  }];
  let arguments = (ins Kv_Batch:$batch);
  let results = (outs Index:$result);
  let assemblyFormat = "$batch attr-dict";
}

def Kv_SequenceOp : Kv_Op<"sequence", [Pure, Kv_IndexBounds,
                                       DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "one sequence of the batch, by a number that only the run knows";
  let description = [{
    first = sum of count[j] over j < i: the sequence's tokens are first .. first + count - 1 of the T; count = the rows
    it brings; start = the rows it held before this call. For ragged batches, convolutions and scans.

    ```mlir
    %first, %count, %start = kv.sequence %batch[%i]
    ```
  }];
  let arguments = (ins Kv_Batch:$batch, Index:$index);
  let results = (outs Index:$first, Index:$count, Index:$start);
  let assemblyFormat = "$batch `[` $index `]` attr-dict";
}

class Kv_FieldOp<string name> : Kv_Op<name, [Pure, Kv_IndexBounds]> {
  let arguments = (ins Kv_Batch:$batch, ConfinedAttr<I64Attr, [IntNonNegative]>:$sequence);
  let results = (outs Index:$result);
  let assemblyFormat = "$batch `[` $sequence `]` attr-dict";
  let description = "```mlir\n%n = kv." # name # " %batch[0]\n```";
}
def Kv_StartOp : Kv_FieldOp<"start"> { let summary = "rows the sequence held before this call"; }
def Kv_CountOp : Kv_FieldOp<"count"> { let summary = "rows this call adds to the sequence"; }
def Kv_LengthOp : Kv_FieldOp<"length"> { let summary = "start + count"; }

def Kv_Field : Kv_Enum<"Field", "a number of one sequence of the batch, or the mask that hides what comes later", [
    I32EnumAttrCase<"start", 0>, I32EnumAttrCase<"count", 1>, I32EnumAttrCase<"length", 2>,
    I32EnumAttrCase<"causal", 3>]>;

def Kv_BindOp : Kv_Op<"bind", [MemoryEffects<[MemWrite<Kv_Contract>]>, AllTypesMatch<["source", "result"]>,
    DeclareOpInterfaceMethods<ValueBoundsOpInterface,
                              ["populateBoundsForIndexValue", "populateBoundsForShapedValueDim"]>]> {
  let summary = "an input of an imported program that must equal a number of the batch; checked before the first write";
  let description = [{
    `causal` binds the values of a mask [.., count, length]: mask[.., t, r] is 0 where r <= start + t, and at most -1e4
    elsewhere.

    (C1) an index takes no dimension, a tensor takes one of its dimensions.
    (C2) a causal tensor takes none; it is of floats, and of rank 2 at least.
    (C3) the sequence is one of those that the entry states.

    Effects: writes the contract, never Pure: once a write is raised nothing uses the bound value, and the check must
    still be made.

    ```mlir
    %p = kv.bind %position = start %batch[0] : index
    %m = kv.bind %mask dim 3 = length %batch[0] : tensor<1x1x?x?xf32>
    %c = kv.bind %m = causal %batch[0] : tensor<1x1x?x?xf32>
    ```
  }];
  let arguments = (ins AnyTypeOf<[Index, AnyRankedTensor]>:$source, OptionalAttr<I64Attr>:$dim, Kv_Field:$field,
                       Kv_Batch:$batch, ConfinedAttr<I64Attr, [IntNonNegative]>:$sequence);
  let results = (outs AnyTypeOf<[Index, AnyRankedTensor]>:$result);
  let assemblyFormat = [{
    $source (`dim` $dim^)? `=` $field $batch `[` $sequence `]` attr-dict `:` type($result)
  }];
  let hasVerifier = 1;
}

#endif
