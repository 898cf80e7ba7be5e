// RUN: kvasir-compile %S/../../programs/llama.mlir --target avx2 -o %t.kvasir --random-weights 1 --print-ir-after-change 2>&1 | FileCheck %s
// A kernel serves all groups of the same ops: those of the last layer, behind the loop, call the loop's.

// CHECK: IR Dump After {{.*}}OutlineGroups
// CHECK: kv.loop %[[LAYER:.*]] = 0 to
// CHECK: lm.invoke @[[QKV:cpu.qkv.[0-9]+]](%[[LAYER]]
// CHECK: lm.invoke @[[UP:cpu.gate_up.[0-9]+]](%[[LAYER]]
// CHECK: %[[LAST:.*]] = arith.constant {{[0-9]+}} : index
// CHECK: lm.invoke @[[QKV]](%[[LAST]]
// CHECK: lm.invoke @cpu.attend.{{[0-9]+}}(
// CHECK: lm.invoke @[[UP]](%[[LAST]]
