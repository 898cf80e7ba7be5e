# Installs the package, builds examples/ against it as a stranger would, and runs them on the toy plugin.
# With CMake and with pkg-config, against the library and against the archive.
# cmake -DBUILD=folder -DEXAMPLES=folder -DTOY=file -DOTHER_TOY=file -DWORK=folder -DC_COMPILER=… -DCXX_COMPILER=…
#   [-DEXACT=file -DFAST=file] -P check_examples.cmake
# EXACT and FAST are plugins of one compiled model, for two backends of which the second stores rows in fewer bits.
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

# The package may be moved after it is installed. A copy without the shared library is what a static host finds.
run(${CMAKE_COMMAND} --install ${BUILD} --component runtime --prefix ${WORK}/installed)
file(RENAME ${WORK}/installed ${WORK}/moved)
file(COPY ${WORK}/moved/ DESTINATION ${WORK}/static)
file(GLOB_RECURSE shared ${WORK}/static/libkvasir.so*)
file(REMOVE ${shared})
file(GLOB_RECURSE description ${WORK}/moved/kvasir.pc)
cmake_path(GET description PARENT_PATH shared_path)
cmake_path(GET shared_path PARENT_PATH libraries)
file(GLOB_RECURSE description ${WORK}/static/kvasir.pc)
cmake_path(GET description PARENT_PATH static_path)

# check(<folder>): the applications there do what they should.
function(check folder)
  run(${folder}/continue ${TOY} abcdefghijkl 12)
  if(NOT output STREQUAL "wOON,CERH.Y2\n24 tokens in the state\n")
    message(FATAL_ERROR "${folder}/continue said: ${output}")
  endif()
  run(${folder}/rank ${TOY} abc a b)
  if(NOT output MATCHES "^a: -[0-9.]+\nb: -[0-9.]+\n$")
    message(FATAL_ERROR "${folder}/rank said: ${output}")
  endif()
  run(${folder}/move ${TOY} ${OTHER_TOY} abcdefghijkl 12)
  if(NOT output STREQUAL
     "wOON,C|ERH.Y2\n18 tokens in the first state, 24 in the second; 0 slots were rounded\n")
    message(FATAL_ERROR "${folder}/move said: ${output}")
  endif()
  if(EXACT)
    run(${folder}/move ${EXACT} ${FAST} abcdefghijkl 12)
    if(NOT output MATCHES "\n18 tokens in the first state, 24 in the second; 2 slots were rounded\n$")
      message(FATAL_ERROR "${folder}/move said: ${output}")
    endif()
    run(${folder}/move ${FAST} ${EXACT} abcdefghijkl 12)
    if(NOT output MATCHES "\n18 tokens in the first state, 24 in the second; 0 slots were rounded\n$")
      message(FATAL_ERROR "${folder}/move said: ${output}")
    endif()
  endif()
endfunction()

foreach(kind kvasir static)
  run(${CMAKE_COMMAND} -G Ninja -S ${EXAMPLES} -B ${WORK}/${kind}.build -DCMAKE_PREFIX_PATH=${WORK}/moved
    -DKVASIR=kvasir::${kind} -DCMAKE_C_COMPILER=${C_COMPILER} -DCMAKE_CXX_COMPILER=${CXX_COMPILER})
  run(${CMAKE_COMMAND} --build ${WORK}/${kind}.build)
  check(${WORK}/${kind}.build)
endforeach()

# build(<folder> <path of kvasir.pc> <option of pkg-config>...): without CMake, as its users do.
function(build folder path)
  file(MAKE_DIRECTORY ${folder})
  run(${CMAKE_COMMAND} -E env PKG_CONFIG_PATH=${path} pkg-config ${ARGN} --cflags --libs kvasir)
  separate_arguments(flags UNIX_COMMAND "${output}")
  run(${C_COMPILER} -std=c11 -o ${folder}/rank ${EXAMPLES}/rank.c ${flags} -lm)
  foreach(name continue move)
    run(${CXX_COMPILER} -std=c++20 -o ${folder}/${name} ${EXAMPLES}/${name}.cpp ${flags})
  endforeach()
endfunction()

build(${WORK}/by_pkg_config ${shared_path})
set(ENV{LD_LIBRARY_PATH} ${libraries})
check(${WORK}/by_pkg_config)
unset(ENV{LD_LIBRARY_PATH})
build(${WORK}/static_by_pkg_config ${static_path} --static)
check(${WORK}/static_by_pkg_config)
foreach(name rank move)
  foreach(folder static_by_pkg_config static.build)
    run(ldd ${WORK}/${folder}/${name})
    if(output MATCHES libkvasir)
      message(FATAL_ERROR "${folder}/${name} does not carry Kvasir inside: ${output}")
    endif()
  endforeach()
endforeach()
