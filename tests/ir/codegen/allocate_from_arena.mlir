// RUN: kvasir-opt %s --allow-unregistered-dialect --allocate-from-arena --canonicalize --cse --verify-diagnostics --split-input-file | FileCheck %s
// An iteration's buffers begin where those alive around it end, and are given back; a branch's likewise.

// CHECK-LABEL: func.func @stack
// CHECK-DAG: %c64 = arith.constant 64 : index
// CHECK-DAG: %c128 = arith.constant 128 : index
// CHECK: [[ARENA:%.*]] = builtin.unrealized_conversion_cast {{.*}} to memref<?xi8>
// CHECK: memref.view [[ARENA]][%c0][] : memref<?xi8> to memref<16xf32>
// CHECK: scf.for
// CHECK:   memref.view [[ARENA]][%c64][] : memref<?xi8> to memref<4xf32>
// CHECK:   memref.view [[ARENA]][%c128][] : memref<?xi8> to memref<5xf32>
// CHECK: memref.view [[ARENA]][%c64][] : memref<?xi8> to memref<17xf32>
// CHECK-LABEL: func.func @stack.scratch
// CHECK-DAG: %c192 = arith.constant 192 : index
// CHECK-DAG: [[CELL:%.*]] = arith.constant 128 : index
// CHECK: [[CELLS:%.*]] = arith.muli %arg1, [[CELL]] : index
// CHECK-NEXT: [[BYTES:%.*]] = arith.addi [[CELLS]], %c192 : index
// CHECK-NEXT: return [[BYTES]]
func.func @stack(%call: !llvm.ptr, %member: index, %members: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c9 = arith.constant 9 : index
  %x = memref.alloc() : memref<16xf32>
  scf.for %i = %c0 to %c9 step %c1 {
    %a = memref.alloc() : memref<4xf32>
    %b = memref.alloc() : memref<5xf32>
    "test.use"(%a, %b, %x) : (memref<4xf32>, memref<5xf32>, memref<16xf32>) -> ()
  }
  %y = memref.alloc() : memref<17xf32>
  "test.use"(%x, %y) : (memref<16xf32>, memref<17xf32>) -> ()
  return
}

// A place whose buffer is no longer used serves the next buffer of the same size, whatever its shape.
// CHECK-LABEL: func.func @reuse
// CHECK: [[ARENA:%.*]] = builtin.unrealized_conversion_cast
// CHECK: memref.view [[ARENA]][%c0]
// CHECK: memref.view [[ARENA]][[[SECOND:%.*]]][%{{.*}}] : memref<?xi8> to memref<?x8xf32>
// CHECK: memref.view [[ARENA]][%c0][%{{.*}}] : memref<?xi8> to memref<?x2x4xf32>
func.func @reuse(%call: !llvm.ptr, %member: index, %members: index) {
  %tokens_at = llvm.getelementptr %call[16] : (!llvm.ptr) -> !llvm.ptr, i8
  %tokens = llvm.load %tokens_at invariant : !llvm.ptr -> i64
  %t = arith.index_cast %tokens : i64 to index
  %a = memref.alloc(%t) : memref<?x8xf32>
  %flat = memref.collapse_shape %a [[0, 1]] : memref<?x8xf32> into memref<?xf32>
  %b = memref.alloc(%t) : memref<?x8xf32>
  "test.use"(%flat, %b) : (memref<?xf32>, memref<?x8xf32>) -> ()
  %c = memref.alloc(%t) : memref<?x2x4xf32>
  "test.use"(%c, %b) : (memref<?x2x4xf32>, memref<?x8xf32>) -> ()
  return
}

// -----

// What a call's numbers make of its size is checked where it is asked for, and there alone.
// CHECK-LABEL: func.func @large
// CHECK-NOT: arith.mului_extended
// CHECK-LABEL: func.func @large.scratch
// CHECK: [[LOW:%.*]], [[HIGH:%.*]] = arith.mului_extended
// CHECK: [[WRAPS:%.*]] = arith.cmpi ne, [[HIGH]], %c0
// CHECK: arith.select [[WRAPS]], %c-1, [[LOW]]
func.func @large(%call: !llvm.ptr, %member: index, %members: index) {
  %tokens_at = llvm.getelementptr %call[16] : (!llvm.ptr) -> !llvm.ptr, i8
  %tokens = llvm.load %tokens_at invariant : !llvm.ptr -> i64
  %t = arith.index_cast %tokens : i64 to index
  %a = memref.alloc(%t, %t) : memref<?x?xf32>
  "test.use"(%a) : (memref<?x?xf32>) -> ()
  return
}

// -----

func.func @wraps(%call: !llvm.ptr, %member: index, %members: index) {
  // expected-error @+1 {{is larger than memory}}
  %a = memref.alloc() : memref<1073741824x1073741824x4xf32>
  "test.use"(%a) : (memref<1073741824x1073741824x4xf32>) -> ()
  return
}

// -----

func.func @unknown(%call: !llvm.ptr, %member: index, %members: index) {
  %n = "test.number"() : () -> index // expected-note {{this extent}}
  // expected-error @+1 {{has a size that the call's fields don't give, so scratch can't be known before the call}}
  %a = memref.alloc(%n) : memref<?xf32>
  return
}

// -----

func.func @leaves(%call: !llvm.ptr, %member: index, %members: index, %which: i1, %x: memref<4xf32>) {
  %y = scf.if %which -> memref<4xf32> {
    // expected-error @+1 {{leaves its block, but its memory is given back there}}
    %a = memref.alloc() : memref<4xf32>
    scf.yield %a : memref<4xf32>
  } else {
    scf.yield %x : memref<4xf32>
  }
  return
}

// -----

func.func private @kernel() {
  // expected-error @+1 {{in a kernel: ask for scratch in its signature}}
  %a = memref.alloc() : memref<4xf32>
  return
}
