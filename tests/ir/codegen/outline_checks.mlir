// RUN: kvasir-opt %s --outline-checks --split-input-file --verify-diagnostics | FileCheck %s
// What a call must be like is asked by a function of its own, before the entry runs.

// CHECK-LABEL: func.func @forward
// CHECK-SAME: attributes {kvasir.checks = ["position is %d, expected %d", "%d faults, %d may be"]}
// CHECK-NOT: kv.require
// CHECK: return
// CHECK-LABEL: func.func @forward.check(%arg0: !llvm.ptr, %arg1: !llvm.ptr) -> i64
// CHECK: llvm.load {{.*}} invariant
// CHECK: scf.for
// CHECK:   memref.load
// CHECK-COUNT-2: arith.cmpi ne
// CHECK-COUNT-2: llvm.store
// CHECK: return %{{.*}} : i64
func.func @forward(%call: !llvm.ptr, %member: index, %members: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %start64 = llvm.load %call invariant : !llvm.ptr -> i64
  %start = arith.index_cast %start64 : i64 to index
  %raw = llvm.mlir.undef : !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>
  %input = builtin.unrealized_conversion_cast %raw : !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)> to memref<4xindex> {kv.input}
  %position = memref.load %input[%c0] : memref<4xindex>
  kv.require %position = %start, "position is %d, expected %d"
  kv.require %c4 = %c4, "always"
  %sum = scf.for %i = %c0 to %c4 step %c1 iter_args(%s = %c0) -> (index) {
    %x = memref.load %input[%i] : memref<4xindex>
    %n = arith.addi %s, %x : index
    scf.yield %n : index
  }
  scf.for %layer = %c0 to %c4 step %c1 {
    kv.require %sum = %c0, "%d faults, %d may be"
    kv.require %position = %start, "the same again"
  }
  return
}

// CHECK-LABEL: func.func @well
// CHECK-NOT: @well.check
func.func @well(%call: !llvm.ptr, %member: index, %members: index) {
  %c4 = arith.constant 4 : index
  kv.require %c4 = %c4, "always"
  return
}

// -----

func.func @late(%call: !llvm.ptr, %member: index, %members: index) {
  %c0 = arith.constant 0 : index
  %buffer = memref.alloc() : memref<4xindex>
  %computed = memref.load %buffer[%c0] : memref<4xindex>
  // expected-error @+1 {{asks for something that the function computes, expected a number of the call or its inputs}}
  kv.require %computed = %c0, "%d is not %d"
  return
}
