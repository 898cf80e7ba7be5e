// SPDX-License-Identifier: MIT
#ifndef KVASIR_PASSES_CODEGEN_CONSTANT_WRITER_H
#define KVASIR_PASSES_CODEGEN_CONSTANT_WRITER_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

#include <string>

namespace kvasir {

/// One leaf of a constant struct: a number, or the address of a symbol (empty: null).
struct ConstantField {
  ConstantField(int64_t number) : number(number) {}
  ConstantField(std::string symbol) : symbol(std::move(symbol)), isAddress(true) {}

  int64_t number = 0;
  std::string symbol;
  bool isAddress = false;
};

/// Adds constant globals of LLVM's dialect to a module. Names must be new; empty arrays get no global and the name "".
class ConstantWriter {
public:
  explicit ConstantWriter(mlir::ModuleOp module) : module(module), builder(module.getBodyRegion()) {}

  /// Bytes with a 0 behind them.
  std::string writeText(const std::string &name, llvm::StringRef text);

  std::string writeBytes(const std::string &name, llvm::ArrayRef<uint8_t> values);
  std::string writeNumbers(const std::string &name, llvm::ArrayRef<int64_t> values);

  /// An array of structs; the fields of a row are those of `type`, nested ones flattened.
  std::string writeStructs(const std::string &name, mlir::LLVM::LLVMStructType type,
                           llvm::ArrayRef<std::vector<ConstantField>> rows, bool isHidden = false);

private:
  mlir::LLVM::GlobalOp makeGlobal(const std::string &name, mlir::Type type, mlir::Attribute value, bool isHidden);
  mlir::Value makeStruct(mlir::LLVM::LLVMStructType type, const ConstantField *&next);

  mlir::ModuleOp module;
  mlir::OpBuilder builder;
};

} // namespace kvasir

#endif
