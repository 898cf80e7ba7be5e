// SPDX-License-Identifier: MIT
#ifndef KVASIR_DIALECTS_LM_INVOKE_TD
#define KVASIR_DIALECTS_LM_INVOKE_TD
include "compiler/dialects/lm/base.td"

def Lm_InvokeOp : Lm_Op<"invoke", [AttrSizedOperandSegments, DestinationStyleOpInterface, MemoryEffects<[MemRead, MemWrite]>,
                                   DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "runs a kernel of the backend, by every member of the team";
  let description = [{
    The kernel reads the inputs and writes each element of the outs; an out may be the buffer of an input, which it then
    updates in place. It reaches slots, weights and the batch through the call, which the lowering to LLVM passes, as it
    does the member and the scratch: scratch[0] + scratch[1] * T + scratch[2] * members bytes.

    (C1) the symbol is a function.
    (C2) each tensor of outs has a result of its type; memrefs have none.
    (C3) scratch has three numbers.

    Effects: reads and writes memory of any kind; never moved or dropped.

    ```mlir
    %y = lm.invoke @qkv(%layer, %x : index, tensor<?x64xf32>) outs(%empty : tensor<?x96xf32>)
      {scratch = array<i64: 0, 64, 128>} -> tensor<?x96xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<AnyTypeOf<[AnyRankedTensor, AnyMemRef, Index]>>:$inputs,
                       Variadic<AnyTypeOf<[AnyRankedTensor, AnyMemRef]>>:$outs, DenseI64ArrayAttr:$scratch);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $kernel `(` ($inputs^ `:` type($inputs))? `)` (`outs` `(` $outs^ `:` type($outs) `)`)? attr-dict (`->` type($results)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutsMutable(); }
  }];
  let hasVerifier = 1;
}

#endif
