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
