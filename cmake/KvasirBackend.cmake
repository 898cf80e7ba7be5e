# For backends, in this tree and, installed, in anybody's: find_package(kvasir COMPONENTS backend) brings it.
include_guard()

# In the tree this file lies in cmake/, installed beside build.cpp.
set(kvasir_backend_build ${CMAKE_CURRENT_LIST_DIR}/build.cpp)
if(NOT EXISTS ${kvasir_backend_build})
  set(kvasir_backend_build ${CMAKE_CURRENT_LIST_DIR}/../backends/build.cpp)
endif()

# kvasir_add_backend(<name> SOURCES <file>... [LINK <target>...])
# A target kvasir_backend_<name> that builds libkvasir-<name>.so, which `kvasir-compile --backend` loads by name where it
# lies in a folder that is searched, or by path.
function(kvasir_add_backend name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
  set(target kvasir_backend_${name})
  add_library(${target} MODULE ${kvasir_backend_build} ${arg_SOURCES})
  set_target_properties(${target} PROPERTIES PREFIX lib OUTPUT_NAME kvasir-${name} CXX_EXTENSIONS OFF
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
  target_compile_features(${target} PRIVATE cxx_std_20)
  target_link_libraries(${target} PRIVATE kvasir::compiler ${arg_LINK})
  # kvasir_make_backend has C linkage for its name only: what calls it is C++ of the same build.
  set_source_files_properties(${arg_SOURCES} PROPERTIES COMPILE_OPTIONS -Wno-return-type-c-linkage)
  if(TARGET backends)
    kvasir_precompile_mlir(${target})
    add_dependencies(backends ${target})
    set_target_properties(${target} PROPERTIES
      LIBRARY_OUTPUT_DIRECTORY ${CMAKE_LIBRARY_OUTPUT_DIRECTORY}/kvasir/backends)
    install(TARGETS ${target} DESTINATION ${CMAKE_INSTALL_LIBDIR}/kvasir/backends COMPONENT compiler)
  endif()
endfunction()
