# Installs the package, builds examples/ against it as a stranger would, and runs them on the toy plugin.
# cmake -DBUILD=folder -DEXAMPLES=folder -DTOY=file -DWORK=folder -DC_COMPILER=… -DCXX_COMPILER=… -P check_examples.cmake
file(REMOVE_RECURSE ${WORK})
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)

# The README shows the C++ one, to the letter.
file(READ ${EXAMPLES}/continue.cpp code)
string(FIND "${code}" "#include <kvasir/kvasir.hpp>" begin)
string(SUBSTRING "${code}" ${begin} -1 code)
file(READ ${EXAMPLES}/../README.md readme)
string(FIND "${readme}" "${code}" place)
if(place EQUAL -1)
  message(FATAL_ERROR "the program in README.md is not the one in examples/continue.cpp")
endif()

run(${CMAKE_COMMAND} --install ${BUILD} --component runtime --prefix ${WORK}/installed)
run(${CMAKE_COMMAND} -G Ninja -S ${EXAMPLES} -B ${WORK}/build -DCMAKE_PREFIX_PATH=${WORK}/installed
  -DCMAKE_C_COMPILER=${C_COMPILER} -DCMAKE_CXX_COMPILER=${CXX_COMPILER})
run(${CMAKE_COMMAND} --build ${WORK}/build)

run(${WORK}/build/continue ${TOY} abcdefghijkl 12)
if(NOT output STREQUAL "wOON,CERH.Y2\n24 tokens in the state\n")
  message(FATAL_ERROR "continue said: ${output}")
endif()
run(${WORK}/build/rank ${TOY} abc a b)
if(NOT output MATCHES "^a: -[0-9.]+\nb: -[0-9.]+\n$")
  message(FATAL_ERROR "rank said: ${output}")
endif()
