// SPDX-License-Identifier: MIT
// Regions that carry state: the loop over layers, and the group that one kernel will do.
#ifndef KVASIR_DIALECTS_KV_CONTROL_TD
#define KVASIR_DIALECTS_KV_CONTROL_TD
include "compiler/dialects/kv/base.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/LoopLikeInterface.td"

def Kv_LoopOp : Kv_Op<"loop", [RecursiveMemoryEffects, SingleBlockImplicitTerminator<"YieldOp">,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames", "getAsmBlockArgumentNames"]>,
    DeclareOpInterfaceMethods<RegionBranchOpInterface, ["getEntrySuccessorOperands"]>,
    DeclareOpInterfaceMethods<LoopLikeOpInterface, ["getInitsMutable", "getLoopResults", "getRegionIterArgs",
      "getLoopInductionVars", "getLoopLowerBounds", "getLoopUpperBounds", "getLoopSteps",
      "getYieldedValuesMutable"]>]> {
  let summary = "the layers from .. to - 1 in order, carrying tensors and slots";
  let description = [{
    (C1) 0 <= from < to, so that the body runs.
    (C2) inits, block arguments, yielded values and results have the same types.

    ```mlir
    %y, %k1 = kv.loop %layer = 0 to 28 carry(%h = %x, %ki = %k) : tensor<?x64xf32>, !kv.slot<@k> {
      %k2 = kv.append %ki[%layer], %rows, %batch : !kv.slot<@k>, tensor<?x3x64xf32>
      kv.yield %h, %k2 : tensor<?x64xf32>, !kv.slot<@k>
    }
    ```
  }];
  let arguments = (ins I64Attr:$from, I64Attr:$to, Variadic<AnyType>:$carried);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region SizedRegion<1>:$body);
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "int64_t":$from, "int64_t":$to, "::mlir::ValueRange":$carried)>];
  let extraClassDeclaration = [{
    /// The index of the layer, inside the body.
    ::mlir::Value getLayer() { return getBody().getArgument(0); }
  }];
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def Kv_GroupOp : Kv_Op<"group", [RecursiveMemoryEffects, SingleBlockImplicitTerminator<"YieldOp">, NoRegionArguments,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>,
    DeclareOpInterfaceMethods<RegionBranchOpInterface>]> {
  let summary = "ops that one kernel of a backend will do";
  let description = [{
    The body runs once, where it stands, and may use every value around it: the op changes nothing but who does the
    work. verify-state walks the body like any other code, so that fusion happens before the proof ends. A backend
    replaces the group by its kernel; when it declines, the body is inlined.

    (C1) the kernel has a name.
    (C2) the yielded values have the types of the results.

    ```mlir
    %q, %k1 = kv.group {kernel = "cpu.qkv"} -> tensor<?x9x64xf32>, !kv.slot<@k> {
      %k2 = kv.append %k[%layer], %rows, %batch : !kv.slot<@k>, tensor<?x3x64xf32>
      kv.yield %query, %k2 : tensor<?x9x64xf32>, !kv.slot<@k>
    }
    ```
  }];
  let arguments = (ins StrAttr:$kernel);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def Kv_YieldOp : Kv_Op<"yield", [Pure, ReturnLike, Terminator, ParentOneOf<["LoopOp", "GroupOp"]>]> {
  let summary = "hands values to the next layer, or out of a group";
  let description = [{
    ```mlir
    kv.yield %h, %k : tensor<?x64xf32>, !kv.slot<@k>
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$operands);
  let builders = [OpBuilder<(ins), [{ (void)$_state; }]>];
  let assemblyFormat = "attr-dict ($operands^ `:` type($operands))?";
}

#endif
