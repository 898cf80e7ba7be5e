# For -DCMAKE_PROJECT_INCLUDE: most of the time that the compiler's files take is that of MLIR's headers.
cmake_language(DEFER CALL target_precompile_headers kvasir_compiler PRIVATE
  <compiler/dialects/kv/dialect.h>
  <mlir/Dialect/Arith/IR/Arith.h>
  <mlir/Dialect/Func/IR/FuncOps.h>
  <mlir/Dialect/Linalg/IR/Linalg.h>
  <mlir/Dialect/Math/IR/Math.h>
  <mlir/Dialect/MemRef/IR/MemRef.h>
  <mlir/Dialect/SCF/IR/SCF.h>
  <mlir/Dialect/Tensor/IR/Tensor.h>
  <mlir/IR/ImplicitLocOpBuilder.h>
  <mlir/Pass/Pass.h>
  <mlir/Transforms/DialectConversion.h>)
# This file throws, which a precompiled header would have to know.
cmake_language(DEFER CALL set_source_files_properties ${CMAKE_SOURCE_DIR}/compiler/driver/backend_library.cpp TARGET_DIRECTORY kvasir_compiler
  PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
