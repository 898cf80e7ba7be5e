// SPDX-License-Identifier: MIT
// What a backend is to the compiler. A backend is a shared library that the driver loads by name or path; it takes the
// ops that it is good at and gets the rest for nothing.
#ifndef KVASIR_BACKENDS_BACKEND_H
#define KVASIR_BACKENDS_BACKEND_H

#include "compiler/dialects/kv/dialect.h"
#include "compiler/dialects/lm/dialect.h"
#include "plugins/activations.h"
#include "plugins/layout.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

#include "llvm/Support/Error.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kvasir {

/// One set of CPU features that code is generated for. Variants of one backend lie in one file; the host takes the
/// first whose features it has.
struct Variant {
  std::string name;                  ///< "avx2", "avx512-vnni"
  std::string cpu;                   ///< LLVM's -mcpu
  std::vector<std::string> features; ///< LLVM's names; the plugin's manifest lists them and the loader checks them
};

/// What the results of a compiled model depend on, besides its weights.
struct Numerics {
  std::string id;        ///< equal ids give equal bits: "f32", "int8g32"
  bool invariant = true; ///< results do not depend on chunking, batch, recycled blocks or team size
  Activations activations = Activations::exact;
};

/// A run-time service that kernels call where the host offers it (plugins/include/kvasir/service.h,
/// CallFrame::service); each has code for hosts that do not.
struct Service {
  std::string name; ///< of libkvasir-service-NAME.so
  uint32_t version;
  std::string needs; ///< what the service is asked for at load, in its own words; one line
  Numerics fallback; ///< what the model computes with where the service is not offered
};

/// Bytes of scratch that a kernel wants beside its operands: fixed + perRow * T + perMember * members. Its tensors have
/// T rows, or fewer: groups on rows of another number are taken apart again before a kernel is asked for.
struct KernelScratch {
  int64_t fixedBytes = 0;
  int64_t bytesPerRow = 0;
  int64_t bytesPerMember = 0;
};

/// How a group of ops becomes a call of a kernel.
struct KernelSignature {
  /// For each result of the group: the operand (index into `operands`) whose buffer it may update in place, or -1 for a
  /// buffer of its own. A kernel writes each element of its results.
  std::vector<int> inPlace;
  KernelScratch scratch;
};

/// A kernel to be emitted. The function is private, its body is empty, and its arguments are, in this order:
/// the call (!llvm.ptr to kv_call), the member (index), the members (index), the operands of the group in `operands`
/// (tensors as memrefs of identity layout, index as it is; slots and batches are left out: they are reached through
/// the call), the results as memrefs, and the scratch as memref<?xi8> (64-byte aligned). Every member of the team calls
/// it; it shares the work by itself, may call the barrier (kvasir::emitBarrier), and returns nothing. The caller puts
/// a barrier after it. It is written in arith, math, memref, scf, vector, tensor and LLVM's dialect (besides kv and
/// lm); of the C library exp, log, pow, sin, cos, tanh and erf are there to be called. It serves all groups of the same
/// ops, whatever their operands: a layer's number comes from its operand, even where that is a constant.
struct KernelRequest {
  kv::GroupOp group;
  mlir::ArrayRef<mlir::Value> operands;
  mlir::func::FuncOp function;
  const Variant &variant;
  std::optional<int64_t> rows; ///< T, where the function is specialised for it
};

struct BackendOptions {
  std::optional<Activations> activations; ///< null: the backend's choice
  std::vector<std::string> targets;       ///< names of variants; empty: native
};

/// What is not pure is done already, as well as for any backend: see the text of each.
class Backend {
public:
  virtual ~Backend() = default;

  virtual llvm::StringRef name() const = 0;

  /// Fixes the options for a whole model. Fails with a message on an unknown target or an impossible activation.
  /// By itself: one variant for any x86-64 with AVX2, and activations that nothing rounds.
  virtual llvm::Expected<std::vector<Variant>> configure(const BackendOptions &options);

  /// Says itself that ops are computed in f32 in the order of their decompositions, where that is so ("f32").
  virtual Numerics numerics() const = 0;

  /// The services that kernels of this program may call, by number. The program is grouped and planned. By itself:
  /// none.
  virtual std::vector<Service> services(mlir::ModuleOp program) const;

  /// Null if the backend has a kernel for this op instance, else the reason, for `--explain` and the kit.
  virtual std::optional<std::string> declines(mlir::Operation *op) const = 0;

  /// How the weight is packed, given the ops that use it. By itself: rows one after the other, plane by plane, codes of
  /// less than a byte in one each.
  virtual Layout weightLayout(lm::WeightOp weight, llvm::ArrayRef<mlir::Operation *> users) const;

  /// How rows of the cache lie in a block of KV_BLOCK_TOKENS tokens, all layers. By itself: [layer][head][token][lane]
  /// of what the schema rounds to (f16, bf16), else of f32.
  virtual Layout slotLayout(kv::CacheOp cache) const;

  /// Wraps what one kernel will do in kv.group ops, each named after its kernel (kvasir::tryGroup). By itself: each op
  /// of lm, each kv.append and kv.attend that is not declined is a group of its own, named after backend and op:
  /// "mychip.rms_norm".
  virtual void matchGroups(mlir::func::FuncOp function) const;

  /// Says how the group is called, or why it is declined after all: its body is then inlined. By itself: no result in
  /// place, no scratch.
  virtual llvm::Expected<KernelSignature> signature(kv::GroupOp group) const;

  /// Emits the kernel's body. Diagnostics say what went wrong. By itself: an error, since there is a group that nobody
  /// emits.
  virtual llvm::LogicalResult emit(const KernelRequest &request) const;
};

/// The symbol that a backend's library exports: makes the backend. Loaded only into a driver of the same build.
using MakeBackendFn = std::unique_ptr<Backend>();
#define KVASIR_BACKEND_SYMBOL "kvasir_make_backend"

/// The section of its file that says of which build it is, read before any code of it runs; kvasir_add_backend adds it.
#define KVASIR_BACKEND_BUILD_SECTION "kvasir.backend"

} // namespace kvasir

#endif
