// SPDX-License-Identifier: MIT
#ifndef KVASIR_DIALECTS_KV_BASE_TD
#define KVASIR_DIALECTS_KV_BASE_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/BuiltinTypes.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/ValueBoundsOpInterface.td"

def Kv_Dialect : Dialect {
  let name = "kv";
  let cppNamespace = "::kvasir::kv";
  let summary = "the state of a transformer, explicit and verified";
  let description = [{
    State is a value of a linear type, and the ops that touch it carry memory effects. Both halves are needed: the
    type makes a forgotten update visible in the IR, the effects keep generic passes from dropping, merging or
    reordering updates (without them control-flow-sink moves a read past a write).

    Shape letters: B sequences, T new tokens of all sequences, W wanted tokens, H query heads, G key/value heads,
    D head width.
  }];
  let useDefaultTypePrinterParser = 1;
}

class Kv_Type<string cppName, string keyword> : TypeDef<Kv_Dialect, cppName> {
  let mnemonic = keyword;
}

def Kv_Slot : Kv_Type<"Slot", "slot"> {
  let summary = "all layers of one cache or register, linear";
  let description = [{
    A value of this type is one version of the state. Whoever takes it to make the next version consumes it; an
    older version cannot be read. Only kv ops, func and scf control flow may carry it.

    It is named by its cache or register alone, not by the schema too: a module has one schema, and two spellings of
    one slot would be two types. Passes that rename symbols do not look into types, so a renamed cache is an error.
  }];
  let parameters = (ins "::mlir::SymbolRefAttr":$symbol);
  let assemblyFormat = "`<` $symbol `>`";
  let genVerifyDecl = 1;
}

def Kv_View : Kv_Type<"View", "view"> {
  let summary = "read-only rows of one layer, lent by kv.borrow until the next write to that layer";
  let parameters = (ins "::mlir::SymbolRefAttr":$symbol);
  let assemblyFormat = "`<` $symbol `>`";
  let genVerifyDecl = 1;
}

def Kv_Batch : Kv_Type<"Batch", "batch"> {
  let summary = "which rows this call adds: B sequences, each with a start and a count; T is the sum of the counts";
  let description = [{
    An entry function takes one. Its argument attributes may say what is known of it: `{kv.sequences = 1, kv.tokens = 1}`.
  }];
}

def Kv_State : Resource<"::kvasir::kv::State">;
def Kv_Contract : Resource<"::kvasir::kv::Contract">;

class Kv_Op<string mnemonic, list<Trait> traits = []> : Op<Kv_Dialect, mnemonic, traits>;

class Kv_Enum<string cppName, string summary, list<I32EnumAttrCase> cases> : I32EnumAttr<cppName, summary, cases> {
  let cppNamespace = "::kvasir::kv";
}

#endif
