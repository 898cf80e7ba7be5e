# What a host gets: a small library that needs no LLVM and shows its C functions only.
# cmake -DLIBRARY=libkvasir.so -DSTRIP=strip -DNM=nm -DMAX_BYTES=1000000 (0: any) -DWORK=folder -P check_library.cmake
file(MAKE_DIRECTORY ${WORK})
execute_process(COMMAND ${STRIP} -o ${WORK}/stripped.so ${LIBRARY} COMMAND_ERROR_IS_FATAL ANY)
file(SIZE ${WORK}/stripped.so bytes)
message(STATUS "${bytes} bytes stripped")
if(MAX_BYTES AND bytes GREATER MAX_BYTES)
  message(FATAL_ERROR "the library has ${bytes} bytes, more than ${MAX_BYTES}")
endif()

execute_process(COMMAND ldd ${LIBRARY} OUTPUT_VARIABLE libraries COMMAND_ERROR_IS_FATAL ANY)
message(STATUS "needs:\n${libraries}")
if(libraries MATCHES "LLVM|MLIR|boost|not found")
  message(FATAL_ERROR "the library needs what it may not, or what is not there")
endif()

execute_process(COMMAND ${NM} -D --defined-only ${LIBRARY} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[0-9a-f]+ [A-Za-z] [^\n]+" symbols "${symbols}")
list(LENGTH symbols count)
list(FILTER symbols EXCLUDE REGEX " T kvasir_[a-z_]+$")
if(symbols OR count EQUAL 0)
  message(FATAL_ERROR "the library shows more than its C functions: ${symbols}")
endif()
