# Runs a fuzzer for a fixed number of executions from its seeds; an input that breaks something is kept and named.
# cmake -DFUZZER=program -DSEEDS=folder -DRUNS=number -DWORK=folder -P run_fuzzer.cmake
file(MAKE_DIRECTORY ${WORK})
file(GLOB inputs ${SEEDS}/*)
list(JOIN inputs "," inputs)
execute_process(
  COMMAND ${FUZZER} -runs=${RUNS} -seed=1 -timeout=60 -rss_limit_mb=4096 -print_final_stats=1 -artifact_prefix=${WORK}/
    -seed_inputs=${inputs}
  ERROR_VARIABLE said RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${said}")
endif()
string(REGEX MATCH "number_of_executed_units: [0-9]+" executed "${said}")
message(STATUS "${executed}")
if(NOT executed)
  message(FATAL_ERROR "nothing was executed: ${said}")
endif()
