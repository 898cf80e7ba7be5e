include("${CMAKE_CURRENT_LIST_DIR}/kvasir-targets.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/KvasirPlugin.cmake")
