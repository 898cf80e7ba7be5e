// SPDX-License-Identifier: MIT
// From LLVM's dialect to code of one variant, all in memory.
#ifndef KVASIR_PASSES_CODEGEN_MACHINE_CODE_H
#define KVASIR_PASSES_CODEGEN_MACHINE_CODE_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>
#include <vector>

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace kvasir {

/// Code that runs as fast as it can, or code that is there soon. Both give the same bits.
enum class CodeEffort { full, little };

/// What code is generated for, in LLVM's words.
struct CodeTarget {
  std::string cpu;
  std::vector<std::string> features;
  CodeEffort effort = CodeEffort::full;
};

enum class CodeForm { llvm, assembly, object };

class MachineCode {
public:
  /// Fails if LLVM does not know the CPU or a feature.
  static llvm::Expected<std::unique_ptr<MachineCode>> make(const CodeTarget &target);
  ~MachineCode();

  /// Optimises and generates a module of LLVM's dialect: position independent, no writable data, no exception tables.
  /// Floating-point operations stay as they are written: nothing is fused, reordered or assumed. Public functions are
  /// hidden symbols, the rest are local. Safe to call from many threads, with one MachineCode each.
  llvm::Expected<llvm::SmallVector<char, 0>> generate(mlir::ModuleOp module, CodeForm form);

private:
  MachineCode() = default;

  void prepare(llvm::Module &module) const;
  void optimise(llvm::Module &module);

  CodeTarget target;
  std::string featureString;
  std::unique_ptr<llvm::TargetMachine> machine;
};

} // namespace kvasir

#endif
