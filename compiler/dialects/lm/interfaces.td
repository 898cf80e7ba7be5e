// SPDX-License-Identifier: MIT
#ifndef KVASIR_DIALECTS_LM_INTERFACES_TD
#define KVASIR_DIALECTS_LM_INTERFACES_TD

include "mlir/IR/OpBase.td"

def Lm_Decomposes : OpInterface<"Decomposes"> {
  let cppNamespace = "::kvasir::lm";
  let description = [{
    An op that can say itself in upstream dialects, in f32. A row of its result depends on no other row and not on how
    many rows there are, and the order of every float reduction is fixed.
  }];
  let methods = [
    InterfaceMethod<"The values that replace the op's results; the builder stands at the op.",
                    "::llvm::SmallVector<::mlir::Value>", "decompose", (ins "::mlir::OpBuilder &":$builder)>,
    InterfaceMethod<"What the op's definition calls its operand.", "::llvm::StringRef", "operandName",
                    (ins "unsigned":$number)>];
}

#endif
