// What is wrong with the tool's arguments and files is said in one line.
// RUN: not kvasir-mutate 2>&1 | FileCheck %s --check-prefix=USAGE
// RUN: not kvasir-mutate %s.none.mlir 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not kvasir-mutate %s 2>&1 | FileCheck %s --check-prefix=REFUSED
// RUN: kvasir-mutate --help | FileCheck %s --check-prefix=HELP

// USAGE: kvasir-mutate: program is required
// USAGE: usage: kvasir-mutate PROGRAM [--json]; --help says more
// MISSING: kvasir-mutate: {{.*}}: No such file or directory
// REFUSED: kvasir-mutate: {{.*}}tool.mlir: the program itself is refused: coverage: @forward returns without writing rows
// HELP: Breaks a program's state in every way it knows

kv.schema @m entries [@forward] { kv.cache @k layers(2) heads(2) row(16) }
func.func @forward(%k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> { return %k : !kv.slot<@k> }
