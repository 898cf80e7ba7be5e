# Every first-party target links kvasir::options: warnings, sanitizers and the include path rooted at the repository.
include_guard()

add_library(kvasir_options INTERFACE)
add_library(kvasir::options ALIAS kvasir_options)
set_target_properties(kvasir_options PROPERTIES EXPORT_NAME options)
target_compile_options(kvasir_options INTERFACE
  $<BUILD_INTERFACE:-Wall> $<BUILD_INTERFACE:-Wextra> -Wno-unused-parameter -ffp-contract=off)
target_include_directories(kvasir_options INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
target_include_directories(kvasir_options SYSTEM INTERFACE
  $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}>)  # generated code is not ours to lint
if(KVASIR_SANITIZER)
  # What is undefined ends the program: else it is a line in a log, and the test passes.
  target_compile_options(kvasir_options INTERFACE
    -fsanitize=${KVASIR_SANITIZER} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(kvasir_options INTERFACE -fsanitize=${KVASIR_SANITIZER})
endif()

find_program(KVASIR_CCACHE ccache)
if(KVASIR_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${KVASIR_CCACHE})
  # What precompiled headers want of ccache.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${KVASIR_CCACHE})
endif()

# kvasir_add_library(<name> SOURCES <file>... [LINK <target>...])
# A static library kvasir_<name> with the alias kvasir::<name>; what it links, its users link.
function(kvasir_add_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
  add_library(kvasir_${name} STATIC ${arg_SOURCES})
  add_library(kvasir::${name} ALIAS kvasir_${name})
  target_link_libraries(kvasir_${name} PUBLIC kvasir::options ${arg_LINK})
endfunction()

# kvasir_add_test(<name> [OPTIMIZED] SOURCES <file>... [LINK <target>...])
# A doctest program build/<preset>/bin/test_<name>; each of its cases is a test of CTest's. What it does itself is compiled
# without optimization, in half the time, unless it asks for it.
function(kvasir_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "OPTIMIZED" "" "SOURCES;LINK")
  add_executable(test_${name} ${arg_SOURCES})
  target_link_libraries(test_${name} PRIVATE kvasir::options kvasir_test_main ${arg_LINK})
  set_target_properties(test_${name} PROPERTIES UNITY_BUILD OFF)  # each file of tests has names of its own
  if(NOT arg_OPTIMIZED)
    target_compile_options(test_${name} PRIVATE -O0)
  endif()
  doctest_discover_tests(test_${name} TEST_PREFIX "${name}/" PROPERTIES LABELS unit)
endfunction()

# kvasir_write_list(<header> <macro> <name>...)
# A list in CMake as one in C++: the header has MACRO("name", identifier) for each, and lies in the build's folder of here.
function(kvasir_write_list header macro)
  set(lines "")
  foreach(name IN LISTS ARGN)
    string(MAKE_C_IDENTIFIER ${name} identifier)
    string(APPEND lines "${macro}(\"${name}\", ${identifier})\n")
  endforeach()
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${header} CONTENT "${lines}" @ONLY)
endfunction()
