// SPDX-License-Identifier: MIT
// Compiles kernels in this process and runs them.
#ifndef KVASIR_BACKENDS_CPU_TESTS_JIT_H
#define KVASIR_BACKENDS_CPU_TESTS_JIT_H

#include "backends/cpu/isa.h"
#include "compiler/passes/codegen/machine_code.h"

#include "mlir/ExecutionEngine/ExecutionEngine.h"

#include <memory>
#include <string>
#include <vector>

namespace kvasir::cpu {

/// What kernels use of what variants differ in, beside the width of their vectors.
struct Uses {
  bool dots = false; ///< of integers
  bool bf16 = false; ///< numbers that are rounded to bf16, or multiplied in pairs
};

/// One for each variant that is another code than those before it; what this machine has no instructions for is said in
/// generic IR.
std::vector<Isa> testedIsas(Uses uses = {true, true});

/// A module under construction, in a context that has every dialect kernels use.
class KernelModule {
public:
  KernelModule();

  mlir::ModuleOp module() { return *op; }

  /// Adds a public function of these arguments.
  void add(llvm::StringRef name, llvm::ArrayRef<char> arguments, const std::function<void(Code &, ValueRange)> &write);

  /// Lowers the module and compiles it for this machine: AVX2 unless `isa` has instructions of its own.
  void compile(const Isa &isa);

  /// The assembly that a plugin for `target` would be made of.
  std::string assembly(const CodeTarget &target);

  void *lookup(llvm::StringRef name);

private:
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> op;
  std::unique_ptr<mlir::ExecutionEngine> engine;
};

/// 16 MiB at a line's border, for what kernels put by: full of what the last one left there.
uint8_t *scratchMemory();

} // namespace kvasir::cpu

#endif
