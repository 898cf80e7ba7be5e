// RUN: kvasir-opt %s --codegen | FileCheck %s
// What comes out is LLVM's dialect, without calls of anything that the program hasn't.

// CHECK-NOT: unrealized_conversion_cast
// CHECK-NOT: @malloc
// CHECK-NOT: @memrefCopy
// CHECK-LABEL: llvm.func @forward(%arg0: !llvm.ptr, %arg1: i64, %arg2: i64) -> i32
// CHECK: llvm.call @double
func.func @forward(%call: !llvm.ptr, %member: index, %members: index, %ids: memref<?xi32>,
                   %logits: memref<?x4xf32> {kv.output}) {
  %c0 = arith.constant 0 : index
  %t = memref.dim %ids, %c0 : memref<?xi32>
  %h = memref.alloc(%t) : memref<?x4xf32>
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>],
                  iterator_types = ["parallel", "parallel"]} ins(%ids : memref<?xi32>) outs(%h : memref<?x4xf32>) {
  ^bb0(%id: i32, %old: f32):
    %x = arith.sitofp %id : i32 to f32
    %e = math.exp %x : f32
    linalg.yield %e : f32
  }
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  scf.for %layer = %c0 to %c3 step %c1 {
    %y = memref.alloc(%t) : memref<?x4xf32>
    lm.invoke @double(%layer, %h : index, memref<?x4xf32>) outs(%y : memref<?x4xf32>) {scratch = array<i64: 64, 4, 128>}
    linalg.copy ins(%y : memref<?x4xf32>) outs(%h : memref<?x4xf32>)
  }
  %last = arith.subi %t, %c1 : index
  %row = memref.subview %h[%last, 0] [1, 4] [1, 1] : memref<?x4xf32> to memref<1x4xf32, strided<[4, 1], offset: ?>>
  %out = memref.subview %logits[0, 0] [1, 4] [1, 1] : memref<?x4xf32> to memref<1x4xf32, strided<[4, 1]>>
  memref.copy %row, %out : memref<1x4xf32, strided<[4, 1], offset: ?>> to memref<1x4xf32, strided<[4, 1]>>
  return
}

func.func private @double(%call: !llvm.ptr, %member: index, %members: index, %layer: index, %x: memref<?x4xf32>,
                          %y: memref<?x4xf32>, %scratch: memref<?xi8>) {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %c1 = arith.constant 1 : index
  %t = memref.dim %x, %c0 : memref<?x4xf32>
  scf.for %i = %member to %t step %members {
    scf.for %j = %c0 to %c4 step %c1 {
      %v = memref.load %x[%i, %j] : memref<?x4xf32>
      %w = arith.addf %v, %v : f32
      memref.store %w, %y[%i, %j] : memref<?x4xf32>
    }
  }
  return
}
