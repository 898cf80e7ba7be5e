// SPDX-License-Identifier: MIT
// Registers: one tensor a layer and sequence.
#ifndef KVASIR_DIALECTS_KV_REGISTERS_TD
#define KVASIR_DIALECTS_KV_REGISTERS_TD
include "compiler/dialects/kv/rows.td"

def Kv_GetOp : Kv_SlotOp<"get", [MemoryEffects<[MemRead<Kv_State>]>]> {
  let summary = "the register of one layer, for the B sequences of the batch";
  let description = [{
    Shapes: result [B] + content. A call gets before it sets.

    (C1) the slot is a register.
    (C2) the tensor is [B] + content of the register.

    ```mlir
    %past = kv.get %conv[%layer], %batch : !kv.slot<@conv> -> tensor<?x4x64xf32>
    ```
  }];
  let arguments = (ins Kv_Slot:$slot, Index:$layer, Kv_Batch:$batch);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$slot `[` $layer `]` `,` $batch attr-dict `:` qualified(type($slot)) `->` type($result)";
}

def Kv_SetOp : Kv_WriteSlotOp<"set"> {
  let summary = "replaces the register of one layer; exactly once a call";
  let description = [{
    Shapes: content [B] + content of the register.

    (C1) the slot is a register.
    (C2) the tensor is [B] + content of the register.

    Effects: consumes the slot.

    ```mlir
    %conv1 = kv.set %conv[%layer], %next, %batch : !kv.slot<@conv>, tensor<?x4x64xf32>
    ```
  }];
  let arguments = (ins Kv_Slot:$slot, Index:$layer, AnyRankedTensor:$content, Kv_Batch:$batch);
  let results = (outs Kv_Slot:$result);
  let assemblyFormat = [{
    $slot `[` $layer `]` `,` $content `,` $batch attr-dict `:` qualified(type($slot)) `,` type($content)
  }];
}

#endif
