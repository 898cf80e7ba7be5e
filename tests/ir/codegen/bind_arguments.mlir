// RUN: kvasir-opt %s --bind-arguments --verify-diagnostics --split-input-file | FileCheck %s
// A tensor's address comes from the call, its first extent is T or W, and nobody asks its descriptor any more.

// CHECK-LABEL: func.func @forward(%arg0: !llvm.ptr, %arg1: index, %arg2: index) -> (index, index)
// CHECK: [[T_AT:%.*]] = llvm.getelementptr %arg0[16]
// CHECK: [[T_RAW:%.*]] = llvm.load [[T_AT]] invariant
// CHECK: [[T:%.*]] = arith.index_cast [[T_RAW]]
// CHECK: builtin.unrealized_conversion_cast {{.*}} to memref<?xi32>
// CHECK: [[W_AT:%.*]] = llvm.getelementptr %arg0[24]
// CHECK: [[W_RAW:%.*]] = llvm.load [[W_AT]] invariant
// CHECK: [[W:%.*]] = arith.index_cast [[W_RAW]]
// CHECK: builtin.unrealized_conversion_cast {{.*}} to memref<?x8xf32>
// CHECK: return [[T]], [[W]]
func.func @forward(%call: !llvm.ptr, %member: index, %members: index, %ids: memref<?xi32>,
                   %logits: memref<?x8xf32> {kv.output}) -> (index, index) {
  %c0 = arith.constant 0 : index
  %t = memref.dim %ids, %c0 : memref<?xi32>
  %w = memref.dim %logits, %c0 : memref<?x8xf32>
  return %t, %w : index, index
}

// CHECK-LABEL: func.func private @kernel(%arg0: memref<?xi32>)
func.func private @kernel(%ids: memref<?xi32>) { return }

// -----

// Letters say which numbers of the call other extents are: T is at 16, S the sum of starts[0] and counts[0].
// CHECK-LABEL: func.func @mask
// CHECK: llvm.getelementptr %arg0[16]
// CHECK: %[[T:.*]] = arith.index_cast
// CHECK: llvm.getelementptr %arg0[32]
// CHECK: llvm.getelementptr %arg0[40]
// CHECK: %[[S:.*]] = arith.addi
// CHECK: builtin.unrealized_conversion_cast {{.*}} to memref<1x?x?xf32> {kv.input}
// CHECK: return %[[T]], %[[S]]
func.func @mask(%call: !llvm.ptr, %member: index, %members: index, %x: memref<1x?x?xf32> {kv.extents = "TS"}) -> (index, index) {
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %t = memref.dim %x, %c1 : memref<1x?x?xf32>
  %s = memref.dim %x, %c2 : memref<1x?x?xf32>
  return %t, %s : index, index
}

// -----

// expected-error @+1 {{argument 3 of type 'memref<?xf32, strided<[2]>>', expected a memref of identity layout}}
func.func @strided(%call: !llvm.ptr, %member: index, %members: index, %x: memref<?xf32, strided<[2]>>) { return }

// -----

// expected-error @+1 {{is public but takes no call}}
func.func @no_call(%x: memref<?xf32>) { return }
