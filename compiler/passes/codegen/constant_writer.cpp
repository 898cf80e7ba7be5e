// SPDX-License-Identifier: MIT
#include "compiler/passes/codegen/constant_writer.h"

using namespace mlir;
using namespace kvasir;

LLVM::GlobalOp ConstantWriter::makeGlobal(const std::string &name, Type type, Attribute value, bool isHidden) {
  builder.setInsertionPointToEnd(module.getBody());
  auto linkage = isHidden ? LLVM::Linkage::External : LLVM::Linkage::Internal;
  auto global = builder.create<LLVM::GlobalOp>(module.getLoc(), type, /*isConstant=*/true, linkage, name, value,
                                               /*alignment=*/8, /*addrSpace=*/0, /*dsoLocal=*/true);
  if (isHidden)
    global.setVisibility_(LLVM::Visibility::Hidden);
  return global;
}

std::string ConstantWriter::writeText(const std::string &name, StringRef text) {
  std::string terminated = text.str() + '\0';
  makeGlobal(name, LLVM::LLVMArrayType::get(builder.getI8Type(), terminated.size()), builder.getStringAttr(terminated),
             /*isHidden=*/false);
  return name;
}

std::string ConstantWriter::writeBytes(const std::string &name, ArrayRef<uint8_t> values) {
  if (values.empty())
    return {};
  StringRef bytes(reinterpret_cast<const char *>(values.data()), values.size());
  makeGlobal(name, LLVM::LLVMArrayType::get(builder.getI8Type(), values.size()), builder.getStringAttr(bytes),
             /*isHidden=*/false);
  return name;
}

std::string ConstantWriter::writeNumbers(const std::string &name, ArrayRef<int64_t> values) {
  if (values.empty())
    return {};
  makeGlobal(name, LLVM::LLVMArrayType::get(builder.getI64Type(), values.size()), builder.getI64TensorAttr(values),
             /*isHidden=*/false);
  return name;
}

Value ConstantWriter::makeStruct(LLVM::LLVMStructType type, const ConstantField *&next) {
  Location loc = module.getLoc();
  Value whole = builder.create<LLVM::UndefOp>(loc, type);
  for (auto [position, fieldType] : llvm::enumerate(type.getBody())) {
    Value field;
    if (auto nested = dyn_cast<LLVM::LLVMStructType>(fieldType)) {
      field = makeStruct(nested, next);
    } else {
      assert(next->isAddress == isa<LLVM::LLVMPointerType>(fieldType) && "a number for an address, or the reverse");
      if (!next->isAddress)
        field = builder.create<LLVM::ConstantOp>(loc, fieldType, builder.getIntegerAttr(fieldType, next->number));
      else if (next->symbol.empty())
        field = builder.create<LLVM::ZeroOp>(loc, fieldType);
      else
        field = builder.create<LLVM::AddressOfOp>(loc, fieldType, next->symbol);
      ++next;
    }
    whole = builder.create<LLVM::InsertValueOp>(loc, whole, field, position);
  }
  return whole;
}

std::string ConstantWriter::writeStructs(const std::string &name, LLVM::LLVMStructType type,
                                         ArrayRef<std::vector<ConstantField>> rows, bool isHidden) {
  if (rows.empty())
    return {};
  auto arrayType = LLVM::LLVMArrayType::get(type, rows.size());
  LLVM::GlobalOp global = makeGlobal(name, arrayType, Attribute(), isHidden);
  builder.createBlock(&global.getInitializerRegion());
  Value array = builder.create<LLVM::UndefOp>(module.getLoc(), arrayType);
  for (auto [position, row] : llvm::enumerate(rows)) {
    const ConstantField *next = row.data();
    Value element = makeStruct(type, next);
    assert(next == row.data() + row.size() && "a row has more fields than its type");
    array = builder.create<LLVM::InsertValueOp>(module.getLoc(), array, element, position);
  }
  builder.create<LLVM::ReturnOp>(module.getLoc(), array);
  return name;
}
