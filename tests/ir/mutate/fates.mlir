// What kvasir-mutate says of mutants of a program that runs.
// RUN: kvasir-mutate %S/../../programs/llama.mlir --only "kv.append @k is" -v | FileCheck %s
// RUN: kvasir-mutate %S/../../programs/llama.mlir --only "kv.append @k is removed" --json | FileCheck %s --check-prefix=JSON
// RUN: kvasir-mutate %S/../../programs/llama.mlir --unroll --only "kv.append @v is removed" | FileCheck %s --check-prefix=UNROLLED
// RUN: not kvasir-mutate %S/../../programs/llama.mlir --disable branches --only "kv.append @v is done in" 2>&1 | FileCheck %s --check-prefix=ORACLE
// RUN: not kvasir-mutate %S/../../programs/half_rows.mlir --disable branches --only "kv.append @k is done in" 2>&1 | FileCheck %s --check-prefix=UNSEEN

// Where each call of the program is refused, mutants of which each call is, too, have shown nothing.
// UNSEEN: failed: half_rows.mlir:{{.*}}: no difference was seen, but the program itself never ran @forward, whose first call ended with

// CHECK:      refused: llama.mlir:{{[0-9:]+}} kv.append @k is removed: coverage: @forward returns without writing rows [start, start + count) of slot @k, layers 0-5;
// CHECK-NEXT: refused: {{.*}} kv.append @k is done twice: coverage: {{.*}} a second time;
// CHECK-NEXT: refused: {{.*}} kv.append @k is done in calls of one token only: branches: {{.*}} in one branch only;
// CHECK-NEXT: refused: {{.*}} kv.append @k is not done in calls of one token: branches:
// CHECK-NEXT: same: {{.*}} kv.append @k is done after kv.append @v
// CHECK-NEXT: refused: {{.*}} kv.append @k is done after kv.attend @k, @v: order:
// CHECK:      mutation      made    refused    stopped       same  different     failed
// CHECK-NEXT: remove           1          1          0          0          0          0
// CHECK:      swap             2          1          0          1          0          0
// CHECK-NEXT: refused by: branches 2, coverage 2, order 1
// CHECK-NEXT: {{.*}}llama.mlir: 6 mutants, 5 refused, 0 stopped when called, 1 do what the program does in {{[0-9]+}} steps; kill rate 100.0 %

// JSON:      "program": "{{.*}}llama.mlir"
// JSON:      "made": 1,
// JSON-NEXT: "refused": 1,
// JSON:      "kill_rate": 1,
// JSON:      "mutation": "remove",
// JSON-NEXT: "name": "llama.mlir:{{[0-9:]+}} kv.append @k is removed"
// JSON-NEXT: "fate": "refused",
// JSON-NEXT: "rule": "coverage",

// UNROLLED: 6 mutants, 6 refused

// What a rule is for is what survives without it, and running it beside the program shows it: prefill forgets its rows.
// ORACLE: different: llama.mlir:{{[0-9:]+}} kv.append @v is done in calls of one token only: step 1, @forward of 5 tokens: output logits, row
// ORACLE: 1 mutants, 0 refused, 0 stopped when called, 0 do what the program does in {{[0-9]+}} steps, 1 do something else, 0 can't be run; kill rate 0.0 %
// ORACLE: kvasir-mutate: {{.*}} mutants survive that do something else, or can't be shown to do the same
