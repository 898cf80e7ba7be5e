include("${CMAKE_CURRENT_LIST_DIR}/kvasir-targets.cmake")
