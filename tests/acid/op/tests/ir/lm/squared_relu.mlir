// RUN: kvasir-opt %s | kvasir-opt | FileCheck %s
// RUN: kvasir-opt %s --decompose-lm | FileCheck %s --check-prefix=UPSTREAM

// CHECK-LABEL: @squared
// UPSTREAM-LABEL: @squared
func.func @squared(%x: tensor<?x96xf32>) -> tensor<?x96xf32> {
  // CHECK: lm.squared_relu %{{.*}} : tensor<?x96xf32>
  // UPSTREAM: linalg.generic
  // UPSTREAM: arith.maximumf
  // UPSTREAM: arith.mulf
  // UPSTREAM-NOT: lm.squared_relu
  %y = lm.squared_relu %x : tensor<?x96xf32>
  return %y : tensor<?x96xf32>
}
