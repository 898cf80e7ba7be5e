# find_package(kvasir): kvasir::kvasir for hosts, kvasir_add_plugin.
# find_package(kvasir COMPONENTS backend): and kvasir_add_backend. It needs the LLVM that Kvasir was built with.
include("${CMAKE_CURRENT_LIST_DIR}/kvasir-targets.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/KvasirPlugin.cmake")

if("backend" IN_LIST kvasir_FIND_COMPONENTS)
  if(EXISTS "${CMAKE_CURRENT_LIST_DIR}/kvasir-compiler-targets.cmake")
    include(CMakeFindDependencyMacro)
    find_dependency(MLIR 19.1 CONFIG HINTS /usr/lib/llvm-19/lib/cmake/mlir)
    include("${CMAKE_CURRENT_LIST_DIR}/kvasir-compiler-targets.cmake")
    include("${CMAKE_CURRENT_LIST_DIR}/KvasirBackend.cmake")
    set(kvasir_backend_FOUND ON)
  elseif(kvasir_FIND_REQUIRED_backend)
    set(kvasir_FOUND OFF)
    set(kvasir_NOT_FOUND_MESSAGE "this Kvasir was installed without its compiler; run cmake --install without --component")
  endif()
endif()
