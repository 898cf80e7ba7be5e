// RUN: kvasir-opt %s | kvasir-opt | FileCheck %s
// RUN: kvasir-opt %s --decompose-lm | FileCheck %s --check-prefix=UPSTREAM

// CHECK-LABEL: @gated
// UPSTREAM-LABEL: @gated
func.func @gated(%gate: tensor<?x96xf32>, %up: tensor<?x96xf32>) -> tensor<?x96xf32> {
  // CHECK: lm.geglu %{{.*}}, %{{.*}} : tensor<?x96xf32>
  // UPSTREAM: linalg.generic
  // UPSTREAM: math.tanh
  // UPSTREAM-NOT: lm.geglu
  %h = lm.geglu %gate, %up : tensor<?x96xf32>
  return %h : tensor<?x96xf32>
}
