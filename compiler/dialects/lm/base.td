// SPDX-License-Identifier: MIT
#ifndef KVASIR_DIALECTS_LM_BASE_TD
#define KVASIR_DIALECTS_LM_BASE_TD

include "compiler/dialects/lm/interfaces.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/BuiltinTypes.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Lm_Dialect : Dialect {
  let name = "lm";
  let cppNamespace = "::kvasir::lm";
  let summary = "the arithmetic of a language model, and its weights";
  let description = [{
    What upstream dialects cannot say well: packed weights, and the few formulas that every transformer has. Each op
    carries its decomposition into upstream dialects, so that a backend may decline any of them.

    Shape letters: T new tokens, W wanted tokens, H heads, D head width, E model width, N rows and K columns of a
    weight, R rotated lanes.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
                           "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
}

def Lm_Weight : TypeDef<Lm_Dialect, "Weight"> {
  let mnemonic = "weight";
  let summary = "a matrix [N, K] or a vector [E] of constants whose bytes lie outside the IR";
  let description = [{
    value[n, k] = scale[n, k / group] * (codes[n, k] - zero) + min[n, k / group], or codes[n, k] itself where there is
    no group. All file formats are normalised to this without loss. Codes that are none but some of `values` can be
    packed in four bits, as which one of them.

    (C1) one or two dimensions, each at least 1.
    (C2) codes are f32, f16, bf16, si8, ui2, ui3, ui4, ui5 or ui6.
    (C3) integer codes, and only they, have a group, which divides the last dimension.
    (C4) grouped codes have a scale, and may have a min and a zero; others have none of these.
    (C5) scale and min are f32, f16 or bf16, or both si8.
    (C6) where scale is si8, 256 divides the last dimension, and the group divides 256.
    (C7) values are sixteen of si8, ascending or equal but not all, of codes in si8 without a zero.

    Scales (and mins) of si8 are that many times a unit in f16, which 256 columns of a row share.

    ```mlir
    !lm.weight<576x1536, codes = ui4, group = 32, scale = f16, min = f16, zero = 8>
    !lm.weight<576x1536, codes = ui6, group = 16, scale = si8, zero = 32>
    !lm.weight<576x1536, codes = si8, group = 32, scale = bf16, values = [-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12, 12]>
    !lm.weight<576, codes = f32>
    ```
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$shape, "::mlir::Type":$codes, "int64_t":$group,
                        "::mlir::Type":$scale, "::mlir::Type":$min, "int64_t":$zero,
                        ArrayRefParameter<"int64_t">:$values);
  let builders = [
    TypeBuilderWithInferredContext<(ins "::llvm::ArrayRef<int64_t>":$shape, "::mlir::Type":$codes), [{
      return $_get(codes.getContext(), shape, codes, int64_t(0), ::mlir::Type(), ::mlir::Type(), int64_t(0),
                   ::llvm::ArrayRef<int64_t>());
    }]>];
  let extraClassDeclaration = [{
    /// Columns that share a unit, where scales are multiples.
    static constexpr int64_t kUnitColumns = 256;

    /// N of a matrix, 1 of a vector.
    int64_t getNumRows() const { return getShape().size() == 2 ? getShape().front() : 1; }
    /// K of a matrix, E of a vector.
    int64_t getNumColumns() const { return getShape().back(); }
    bool isVector() const { return getShape().size() == 1; }
    bool isGrouped() const { return getGroup() != 0; }
  }];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Lm_LayoutParameter : AttrParameter<"::kvasir::Layout", "planes of digits", "const ::kvasir::Layout &">;

def Lm_Layout : AttrDef<Lm_Dialect, "Layout"> {
  let mnemonic = "layout";
  let summary = "how the elements of a weight or of a slot lie in memory: kvasir::Layout as an attribute";
  let description = [{
    A plane is its role, its elements, the bit at which it begins, and its digits: axis, extent, stride in bits, the
    least significant digit of an axis first.

    (C1) no extent is zero, and every element lies inside the bytes.

    ```mlir
    #lm.layout<320 bytes, code u4 at 512 [column 16 : 8, column 2 : 4, row 32 : 128], scale f16 at 0 [column 32 : 0, row 32 : 16]>
    ```
  }];
  let parameters = (ins Lm_LayoutParameter:$layout);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Lm_LaneOrder : I32EnumAttr<"LaneOrder", "which lanes of a head rope turns together", [
    I32EnumAttrCase<"adjacent", 0>, I32EnumAttrCase<"halves", 1>]> {
  let cppNamespace = "::kvasir::lm";
}

def Lm_F32Tensor : RankedTensorOf<[F32]>;
class Lm_F32TensorOfRank<list<int> ranks> : TensorRankOf<[F32], ranks>;

class Lm_Op<string mnemonic, list<Trait> traits = []> : Op<Lm_Dialect, mnemonic, traits>;

/// An op of the arithmetic: no effects, and a decomposition. Each operand but the last is one value.
class Lm_MathOp<string mnemonic, list<Trait> traits = []>
    : Lm_Op<mnemonic, traits # [Pure, DeclareOpInterfaceMethods<Lm_Decomposes>]> {
  defvar operands = !filter(i, !range(!size(arguments)), !isa<TypeConstraint>(!getdagarg<Constraint>(arguments, i)));
  let extraClassDefinition = [{
    ::llvm::StringRef $cppClass::operandName(unsigned number) {
      constexpr ::llvm::StringLiteral names[] = {}] #
      !interleave(!foreach(i, operands, "\"" # !getdagname(arguments, i) # "\""), ", ") # [{};
      return names[number];
    }
  }];
}

#endif
