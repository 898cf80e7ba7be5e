# For plugins written in C, in this tree and, installed, in anybody's: find_package(kvasir) brings it.
include_guard()

# kvasir_add_plugin(<name> SOURCES <file>...)
# A target <name> that builds the plugin <name>.kvasir: a shared object that needs no library, imports no symbol and has
# no code that runs at load, as the loader's policy wants it (plugins/README.md). It carries no sanitizer and none of
# its project's warnings; add definitions and options with target_compile_definitions and the like.
function(kvasir_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES")
  add_library(${name} MODULE ${arg_SOURCES})
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".kvasir" NO_SONAME ON)
  target_link_libraries(${name} PRIVATE kvasir::abi)
  # No errno: sqrt is an instruction then, and no call.
  target_compile_options(${name} PRIVATE -O2 -ffreestanding -fvisibility=hidden -fno-stack-protector
                                         -fno-asynchronous-unwind-tables -fno-math-errno -ffp-contract=off)
  target_link_options(${name} PRIVATE -nostdlib -Wl,-z,now,-z,noexecstack)
endfunction()
