// SPDX-License-Identifier: MIT
// State as a compiler has it that knows nothing of state: a name, read and written by ops without memory effects.
// A control for miscompiles.mlir: what generic passes do to programs of kv that they must not do.
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Naive_Dialect : Dialect {
  let name = "naive";
  let cppNamespace = "::naive";
}

def Naive_ReadOp : Op<Naive_Dialect, "read", [Pure]> {
  let arguments = (ins SymbolRefAttr:$state, Index:$layer);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$state `[` $layer `]` attr-dict `:` type($result)";
}

def Naive_WriteOp : Op<Naive_Dialect, "write", [Pure]> {
  let arguments = (ins SymbolRefAttr:$state, Index:$layer, AnyRankedTensor:$content);
  let results = (outs Index:$done);
  let assemblyFormat = "$state `[` $layer `]` `,` $content attr-dict `:` type($content)";
}
