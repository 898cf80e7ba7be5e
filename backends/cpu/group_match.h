// SPDX-License-Identifier: MIT
// Which ops of a model one kernel does, and the same ops read back from the group that holds them.
#ifndef KVASIR_BACKENDS_CPU_GROUP_MATCH_H
#define KVASIR_BACKENDS_CPU_GROUP_MATCH_H

#include "backends/cpu/activations.h"
#include "compiler/dialects/kv/dialect.h"
#include "compiler/dialects/lm/dialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace kvasir::cpu {

inline constexpr llvm::StringLiteral kQkv = "cpu.qkv", kAttend = "cpu.attend", kLinear = "cpu.linear",
                                     kLinearAdd = "cpu.linear_add", kGateUp = "cpu.gate_up",
                                     kEmbedding = "cpu.embedding", kNormAdd = "cpu.norm_add", kRoute = "cpu.route",
                                     kExpertGate = "cpu.expert_gate", kExpertMix = "cpu.expert_mix";

/// How the weight's type is packed in a model whose activations are rounded to `wanted`; nothing if the kernels can't
/// read it. Scales and mins of f32 are packed in f16 where activations are rounded: that errs by 2^-12, an eighth of
/// what bf16 activations do, and is a bit a weight less to read.
std::optional<WeightFormat> weightFormat(lm::WeightType type, Activations wanted);

/// The layout of any weight: in panels where kernels can read it.
Layout weightLayout(lm::WeightType type, Activations wanted);

/// The rounding of the activations that meet this weight, in a model whose activations are rounded to `wanted`.
Activations roundingFor(const WeightFormat &weight, Activations wanted);

/// The activations that serve all of these linears (lm.linear, lm.expert_linear); nothing if there are none or a weight
/// can't be read.
std::optional<ActivationFormat> commonActivations(llvm::ArrayRef<mlir::Operation *> linears, Activations wanted);

/// The weight of a linear.
Value weightOf(mlir::Operation *linear);

/// Why there is no kernel for the op; nothing if there is one.
std::optional<std::string> whyNot(lm::LinearOp linear);
std::optional<std::string> whyNot(lm::ExpertLinearOp linear);
std::optional<std::string> whyNot(lm::RouteOp route);
std::optional<std::string> whyNot(kv::AttendOp attend);

/// Rows of a cache as a linear makes them: expand_shape, maybe a norm of each head, maybe rope, append.
struct HeadRows {
  lm::LinearOp linear;
  mlir::Operation *expand = nullptr;
  lm::RmsNormOp norm;  ///< may be null
  lm::RopeOp rope;     ///< may be null
  kv::AppendOp append; ///< null for queries
  Value heads() const { return norm ? norm->getResult(0) : expand->getResult(0); }
  Value rows() const { return rope ? rope->getResult(0) : heads(); }
};

/// The ops of a group, each kernel's its own. Members that a kernel has not are null.
struct GroupOps {
  lm::EmbeddingOp embedding;
  lm::RmsNormOp norm;                     ///< makes what the linears take, or what `sum` adds
  SmallVector<mlir::Operation *> linears; ///< lm.linear or lm.expert_linear
  SmallVector<HeadRows> heads;            ///< cpu.qkv: query, keys, values
  mlir::Operation *gate = nullptr;        ///< cpu.gate_up, cpu.expert_gate: of linears 0 and 1
  lm::RouteOp route;
  lm::MixOp mix;
  SmallVector<mlir::Operation *> unaries; ///< what becomes of the embedding, the linear or the mix, in order
  mlir::Operation *sum = nullptr;         ///< of that, or of what is normed, and `addend`
  kv::AttendOp attend;
  lm::TakeOp take; ///< of the wanted rows of what is attended
  /// The value that the norm takes, or without one the linears.
  Value input() const;
  /// The operand of `sum` that comes from outside.
  Value addend() const;
};

/// The cache that a slot is a version of.
kv::CacheOp cacheOfSlot(mlir::Operation *from, Value slot);

/// What rows of the cache are stored in: bf16, or what an imported program prescribes.
ElementType storedElement(kv::CacheOp cache);

/// Wraps what the kernels do. `wanted` is the rounding of the model's activations.
void matchGroups(mlir::func::FuncOp function, Activations wanted);

/// The ops of a group that matchGroups made.
GroupOps readGroup(kv::GroupOp group);

} // namespace kvasir::cpu

#endif
