// RUN: kvasir-opt %s --separate-outs | FileCheck %s
// Each kernel has tensors of its own to write to.

// CHECK-LABEL: func.func @two
// CHECK: %[[A:.*]] = tensor.empty(%arg0) : tensor<?x8xf32>
// CHECK: %[[B:.*]] = tensor.empty(%arg0) : tensor<?x8xf32>
// CHECK-NEXT: lm.invoke @kernel() outs(%[[B]]
// CHECK-NEXT: lm.invoke @kernel() outs(%[[A]]
func.func private @kernel(memref<?x8xf32>)
func.func @two(%t: index) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %a = lm.invoke @kernel() outs(%e : tensor<?x8xf32>) {scratch = array<i64: 0, 0, 0>} -> tensor<?x8xf32>
  %b = lm.invoke @kernel() outs(%e : tensor<?x8xf32>) {scratch = array<i64: 0, 0, 0>} -> tensor<?x8xf32>
  return %a, %b : tensor<?x8xf32>, tensor<?x8xf32>
}
