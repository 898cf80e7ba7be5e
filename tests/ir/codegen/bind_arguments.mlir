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

// expected-error @+1 {{argument 3 of type 'memref<?x?xf32>', expected a memref of identity layout with static inner extents}}
func.func @two_unknown(%call: !llvm.ptr, %member: index, %members: index, %x: memref<?x?xf32>) { return }

// -----

// expected-error @+1 {{is public but takes no call}}
func.func @no_call(%x: memref<?xf32>) { return }
