// RUN: kvasir-opt %s --allow-unregistered-dialect --share-among-team --canonicalize --verify-diagnostics --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @forward(%arg0: !llvm.ptr, %arg1: index, %arg2: index, %arg3: memref<4xf32>, %arg4: memref<4xf32>) -> i32
// Arithmetic and views are everyone's.
// CHECK: [[STATUS:%.*]] = memref.alloca() : memref<i32>
// CHECK: [[VIEW:%.*]] = memref.subview %arg3
// Both stores are one run of member 0.
// CHECK: scf.if {{.*}} {
// CHECK:   [[FIRST:%.*]] = arith.cmpi eq, %arg1, %c0
// CHECK:   scf.if [[FIRST]] {
// CHECK:     memref.store
// CHECK:     memref.store
// CHECK:   }
// CHECK:   [[ANSWER:%.*]] = llvm.call {{.*}} -> i32
// CHECK:   [[BOTH:%.*]] = arith.ori {{.*}}, [[ANSWER]]
// CHECK:   memref.store [[BOTH]], [[STATUS]]
// CHECK: }
// CHECK: scf.for
// CHECK:   scf.if
// CHECK-NOT: scf.if
// CHECK:     func.call @kernel
// CHECK:     llvm.call
// CHECK:   scf.if
// CHECK:     scf.if
// CHECK:       linalg.copy
// CHECK:       memref.store
// CHECK-NEXT:   }
// CHECK-NEXT: }
// CHECK-NEXT: [[END:%.*]] = memref.load [[STATUS]]
// CHECK-NEXT: return [[END]]
func.func @forward(%call: !llvm.ptr, %member: index, %members: index, %x: memref<4xf32>, %y: memref<4xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c9 = arith.constant 9 : index
  %f = arith.constant 1.0 : f32
  memref.store %f, %x[%c0] : memref<4xf32>
  %view = memref.subview %x[0] [2] [1] : memref<4xf32> to memref<2xf32, strided<[1]>>
  memref.store %f, %view[%c1] : memref<2xf32, strided<[1]>>
  scf.for %i = %c0 to %c9 step %c1 {
    func.call @kernel(%x) : (memref<4xf32>) -> ()
    linalg.copy ins(%x : memref<4xf32>) outs(%y : memref<4xf32>)
  }
  return
}
func.func private @kernel(memref<4xf32>) attributes {kvasir.kernel}

// -----

// A number that member 0 read and a kernel needs is read by all, between two barriers.
// CHECK-LABEL: func.func @number
// CHECK: scf.if
// CHECK:   scf.if
// CHECK:     memref.store %c7
// CHECK:   llvm.call
// CHECK: [[N:%.*]] = memref.load %arg3[%c0]
// CHECK: scf.if
// CHECK:   llvm.call
// CHECK: scf.if
// CHECK:   func.call @kernel([[N]])
func.func @number(%call: !llvm.ptr, %member: index, %members: index, %x: memref<4xindex>) {
  %c0 = arith.constant 0 : index
  %c7 = arith.constant 7 : index
  memref.store %c7, %x[%c0] : memref<4xindex>
  %n = memref.load %x[%c0] : memref<4xindex>
  func.call @kernel(%n) : (index) -> ()
  return
}
func.func private @kernel(index) attributes {kvasir.kernel}

// -----

func.func @written(%call: !llvm.ptr, %member: index, %members: index) {
  // expected-error @+1 {{is computed by one member, but all need its result; store it in a buffer}}
  %n = "test.number"() : () -> index
  func.call @kernel(%n) : (index) -> ()
  return
}
func.func private @kernel(index) attributes {kvasir.kernel}

// -----

// A long loop hears of a cancellation in each iteration; a short one is part of its run.
// CHECK-LABEL: func.func @long
// CHECK: scf.for
// CHECK-NEXT: memref.load
// CHECK:   scf.if
// CHECK:     scf.if
// CHECK-COUNT-2: scf.for
// CHECK:     llvm.call
// CHECK: memref.load
// CHECK: scf.if
// CHECK:   scf.if
// CHECK-COUNT-2: scf.for
// CHECK:   llvm.call
func.func @long(%call: !llvm.ptr, %member: index, %members: index, %x: memref<9x9xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c9 = arith.constant 9 : index
  %f = arith.constant 1.0 : f32
  scf.for %i = %c0 to %c9 step %c1 {
    scf.for %j = %c0 to %c9 step %c1 {
      scf.for %k = %c0 to %c9 step %c1 {
        memref.store %f, %x[%j, %k] : memref<9x9xf32>
      }
    }
  }
  scf.for %j = %c0 to %c9 step %c1 {
    scf.for %k = %c0 to %c9 step %c1 {
      memref.store %f, %x[%j, %k] : memref<9x9xf32>
    }
  }
  return
}

// -----

// What a constant table says every member reads by itself, without a barrier.
// CHECK-LABEL: func.func @table
// CHECK: scf.for
// CHECK-NEXT: [[NUMBER:%.*]] = memref.load
// CHECK-NOT: llvm.call
// CHECK: func.call @kernel([[NUMBER]])
memref.global "private" constant @numbers : memref<4xindex> = dense<[3, 1, 4, 1]>
func.func @table(%call: !llvm.ptr, %member: index, %members: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %numbers = memref.get_global @numbers : memref<4xindex>
  scf.for %i = %c0 to %c4 step %c1 {
    %number = memref.load %numbers[%i] : memref<4xindex>
    func.call @kernel(%number) : (index) -> ()
  }
  return
}
func.func private @kernel(index) attributes {kvasir.kernel}
