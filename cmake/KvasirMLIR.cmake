# The only file that knows how LLVM and MLIR are found. Their macros set directory state; nothing leaks from here.
include_guard()

find_package(MLIR 19.1 REQUIRED CONFIG HINTS /usr/lib/llvm-19/lib/cmake/mlir)
find_package(LLD REQUIRED CONFIG HINTS /usr/lib/llvm-19/lib/cmake/lld)
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
# Depfiles of LLVM 19 tablegen rules name files from the build folder: else every build runs all of them again.
cmake_policy(SET CMP0116 OLD)
include(TableGen)
include(AddLLVM)
include(AddMLIR)

add_library(kvasir_mlir INTERFACE)
add_library(kvasir::mlir ALIAS kvasir_mlir)
set_target_properties(kvasir_mlir PROPERTIES EXPORT_NAME mlir)
target_include_directories(kvasir_mlir SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
separate_arguments(llvm_definitions NATIVE_COMMAND ${LLVM_DEFINITIONS})
target_compile_options(kvasir_mlir INTERFACE ${llvm_definitions} -fno-rtti -fno-exceptions)
target_link_libraries(kvasir_mlir INTERFACE MLIR LLVM)

set(kvasir_mlir_headers
  <algorithm> <functional> <map> <memory> <optional> <set> <string> <vector>
  <llvm/ADT/MapVector.h>
  <llvm/ADT/StringExtras.h>
  <llvm/ADT/TypeSwitch.h>
  <llvm/Support/Error.h>
  <llvm/Support/raw_ostream.h>
  <mlir/Dialect/Arith/IR/Arith.h>
  <mlir/Dialect/Bufferization/IR/Bufferization.h>
  <mlir/Dialect/Func/IR/FuncOps.h>
  <mlir/Dialect/LLVMIR/LLVMDialect.h>
  <mlir/Dialect/Linalg/IR/Linalg.h>
  <mlir/Dialect/Math/IR/Math.h>
  <mlir/Dialect/MemRef/IR/MemRef.h>
  <mlir/Dialect/SCF/IR/SCF.h>
  <mlir/Dialect/Tensor/IR/Tensor.h>
  <mlir/Dialect/Vector/IR/VectorOps.h>
  <mlir/IR/BuiltinOps.h>
  <mlir/IR/ImplicitLocOpBuilder.h>
  <mlir/IR/Matchers.h>
  <mlir/IR/Verifier.h>
  <mlir/Interfaces/SideEffectInterfaces.h>
  <mlir/Pass/PassManager.h>
  <mlir/Transforms/RegionUtils.h>
  <compiler/dialects/kv/dialect.h>
  <compiler/dialects/lm/dialect.h>)

# kvasir_precompile_mlir(<target>...): their sources begin with the headers of MLIR and of our dialects already read, which
# is most of what they would cost to compile. They include what they use all the same: without all this, it builds with
# -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON. The first target of all reads the headers, the others take what it has read.
function(kvasir_precompile_mlir)
  get_property(first GLOBAL PROPERTY KVASIR_MLIR_IS_READ_BY)
  if(NOT first)
    list(POP_FRONT ARGN first)
    set_property(GLOBAL PROPERTY KVASIR_MLIR_IS_READ_BY ${first})
    target_precompile_headers(${first} PRIVATE ${kvasir_mlir_headers})
    target_compile_options(${first} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")  # for ccache
  endif()
  foreach(target IN LISTS ARGN)
    target_precompile_headers(${target} REUSE_FROM ${first})
    target_compile_options(${target} PRIVATE -fPIC)  # programs, too: what was read for libraries serves for nothing else
  endforeach()
endfunction()

# kvasir_add_mlir_test(<name> SOURCES <file>... [LINK <target>...])
# As kvasir_add_test, of what MLIR is in: it is built without exceptions, and so is what uses it.
function(kvasir_add_mlir_test name)
  kvasir_add_test(${name} OPTIMIZED ${ARGN})
  target_compile_definitions(test_${name} PRIVATE DOCTEST_CONFIG_NO_EXCEPTIONS_BUT_WITH_ALL_ASSERTS)
  kvasir_precompile_mlir(test_${name})
endfunction()

# kvasir_tablegen(<target> <td> [<output> <generator and flags in quotes>]...)
# Includes are found from the repository's root and from MLIR's headers.
function(kvasir_tablegen target td)
  set(LLVM_TARGET_DEFINITIONS ${td})
  set_property(DIRECTORY PROPERTY INCLUDE_DIRECTORIES ${PROJECT_SOURCE_DIR} ${MLIR_INCLUDE_DIRS})
  while(ARGN)
    list(POP_FRONT ARGN output generator)
    separate_arguments(flags NATIVE_COMMAND "${generator}")
    mlir_tablegen(${output} ${flags})
  endwhile()
  set_property(DIRECTORY PROPERTY INCLUDE_DIRECTORIES)
  add_public_tablegen_target(${target})
endfunction()
