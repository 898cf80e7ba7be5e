// RUN: kvasir-compile %S/../../programs/llama.mlir --explain --target avx2 | FileCheck %s
// RUN: kvasir-compile %S/../../programs/recurrent.mlir --explain --backend reference | FileCheck %s --check-prefix=NONE
// RUN: kvasir-compile %S/../../programs/llama.mlir --explain --target avx2 --json | FileCheck %s --check-prefix=JSON
// RUN: not kvasir-compile %S/../../programs/llama.mlir --json -o - 2>&1 | FileCheck %s --check-prefix=USAGE
// What becomes of each op on a backend, and why. The last layer stands for itself: it is computed for the wanted rows.

// CHECK: {{^}}forward
// CHECK: llama.mlir:{{[0-9]+ +}}lm.rope_angles {{ *}}decomposed: there is no kernel for lm.rope_angles
// CHECK: lm.embedding {{ *}}cpu.embedding
// CHECK: lm.rms_norm {{ *}}cpu.qkv
// CHECK: kv.append {{ *}}cpu.qkv
// CHECK: kv.attend {{ *}}cpu.attend
// CHECK: arith.addf {{ *}}cpu.linear_add
// CHECK: lm.take {{ *}}decomposed: has a kernel only as part of a group
// CHECK-NEXT: kv.attend {{ *}}cpu.attend
// CHECK-NEXT: lm.take {{ *}}cpu.attend
// CHECK: {{^}}40 ops: 38 taken by 12 kernels, 2 declined and decomposed, 0 lowered as they are

// NONE: kv.get {{ *}}decomposed: reference takes no op: it is each op's own decomposition
// NONE: linalg.generic {{ *}}lowered as it is
// NONE: ops: 0 taken by 0 kernels

// JSON: {"function":"forward","place":"llama.mlir:{{[0-9]+}}","op":"lm.linear","kernel":"cpu.qkv","group":2}

// USAGE: kvasir-compile: --json requires --report or --explain
