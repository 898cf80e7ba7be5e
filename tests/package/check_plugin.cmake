# Installs the package, builds a plugin in C against it as a stranger would, and runs it.
# cmake -DBUILD=folder -DPROJECT=folder -DFOREIGN=folder -DWORK=folder -DC_COMPILER=… -P check_plugin.cmake
file(REMOVE_RECURSE ${WORK})
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)

run(${CMAKE_COMMAND} --install ${BUILD} --component runtime --prefix ${WORK}/installed)
run(${CMAKE_COMMAND} -G Ninja -S ${PROJECT} -B ${WORK}/build -DCMAKE_PREFIX_PATH=${WORK}/installed
  -DCMAKE_C_COMPILER=${C_COMPILER} -DFOREIGN=${FOREIGN})
run(${CMAKE_COMMAND} --build ${WORK}/build)

set(ids --ids 1,2,3 -n 8 --print ids)
run(${BUILD}/bin/kvasir run ${WORK}/build/foreign.kvasir ${ids})
set(outside "${output}")
run(${BUILD}/bin/kvasir run ${BUILD}/lib/foreign_right.kvasir ${ids})
if(NOT outside STREQUAL output OR NOT output MATCHES "[0-9]")
  message(FATAL_ERROR "the plugin built outside says ${outside}, the one built here ${output}")
endif()
