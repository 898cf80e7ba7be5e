// SPDX-License-Identifier: MIT
include "mlir/Pass/PassBase.td"

def VerifyState : Pass<"verify-state", "::mlir::ModuleOp"> {
  let summary = "refuses a program that does not write its state";
  let description = [{
    Follows one call of every entry that the schema lists, its index arithmetic run on constants, and refuses what
    breaks a rule (rules.def, README.md). Changes nothing. Each error begins with its rule's family, names function,
    slot, layers and rows, and says what to do.
  }];
  let options = [
    Option<"report", "report", "bool", "false", "Say what was proved, and what was waived">,
    Option<"list", "list", "bool", "false", "Print the rules, one a line, tab separated, and check nothing">,
    ListOption<"disabled", "disable", "std::string",
               "Rules to leave out, by family or family/name: for tests that each rule is needed">];
}

def PrintStateTrace : Pass<"print-state-trace", "::mlir::ModuleOp"> {
  let summary = "prints what each entry does to its state, in order";
  let description = [{
    One line a state op that a call executes, loops run and calls entered: `append @k[3] rotated by @attn_k`. For tests
    that passes drop, merge and reorder nothing: the lines before a pass and after it are the same. Of branches that
    only the run decides both are printed. Of a program that verify-state refuses the lines are as far as it came.
  }];
}

def RaiseWrites : Pass<"raise-writes", "::mlir::ModuleOp"> {
  let summary = "turns kv.write into kv.append where its rows are provably this call's";
  let description = [{
    Before: `kv.write %slot[%layer], %rows at(%begin)`. After, if begin = start and size = count of the batch:
    `kv.append %slot[%layer], %rows, %batch`. Otherwise the write stays and its `unraised` says why.
    The end of a kv.read that is provably start or length is spelled so.
    The proof is upstream's ValueBoundsConstraintSet over kv.start, kv.count, kv.length and kv.bind.
  }];
  let dependentDialects = ["::kvasir::kv::KvDialect"];
}

def UnrollLayers : Pass<"unroll-layers", "::mlir::ModuleOp"> {
  let summary = "replaces kv.loop by its layers, one after another";
  let description = [{
    Before: `kv.loop %layer = 0 to 2 carry(...) { body }`. After: body for layer 0, body for layer 1, with the layer as
    a constant. For tests: the proof must not depend on layers being one body.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}
