// RUN: kvasir-opt %s | kvasir-opt | FileCheck %s
// RUN: kvasir-opt %s --decompose-lm | FileCheck %s --check-prefix=UPSTREAM

// CHECK-LABEL: @gated
// UPSTREAM-LABEL: @gated
func.func @gated(%gate: tensor<?x96xf32>, %up: tensor<?x96xf32>) -> tensor<?x96xf32> {
  // CHECK: lm.clamped_swiglu %{{.*}}, %{{.*}} {limit = 7.0{{.*}} : f32, slope = 1.702{{.*}} : f32} : tensor<?x96xf32>
  // UPSTREAM: linalg.generic
  // UPSTREAM: arith.minimumf
  // UPSTREAM: math.exp
  // UPSTREAM-NOT: lm.clamped_swiglu
  %h = lm.clamped_swiglu %gate, %up {limit = 7.0 : f32, slope = 1.702 : f32} : tensor<?x96xf32>
  return %h : tensor<?x96xf32>
}
