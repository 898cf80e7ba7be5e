// RUN: kvasir-opt %s | kvasir-opt | FileCheck %s
// RUN: kvasir-opt %s --decompose-lm | FileCheck %s --check-prefix=UPSTREAM

// CHECK-LABEL: @scale
// UPSTREAM-LABEL: @scale
func.func @scale(%x: tensor<?x96xf32>, %heads: tensor<?x3x32xf32>) -> (tensor<?x96xf32>, tensor<?x3x32xf32>) {
  // CHECK: lm.scale %{{.*}} {factor = 2.400000e+01 : f32} : tensor<?x96xf32>
  // UPSTREAM: linalg.generic {{.*}} iterator_types = ["parallel", "parallel"]
  // UPSTREAM: %[[FACTOR:.*]] = arith.constant 2.400000e+01 : f32
  // UPSTREAM: arith.mulf %{{.*}}, %[[FACTOR]] : f32
  %y = lm.scale %x {factor = 24.0 : f32} : tensor<?x96xf32>
  // CHECK: lm.scale %{{.*}} {factor = 1.250000e-01 : f32} : tensor<?x3x32xf32>
  // UPSTREAM: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel"]
  // UPSTREAM-NOT: lm.scale
  %scaled = lm.scale %heads {factor = 0.125 : f32} : tensor<?x3x32xf32>
  return %y, %scaled : tensor<?x96xf32>, tensor<?x3x32xf32>
}

// CHECK-LABEL: @softcap
// UPSTREAM-LABEL: @softcap
func.func @softcap(%x: tensor<?x96xf32>) -> tensor<?x96xf32> {
  // CHECK: lm.softcap %{{.*}} {cap = 3.000000e+01 : f32} : tensor<?x96xf32>
  // UPSTREAM: %[[CAP:.*]] = arith.constant 3.000000e+01 : f32
  // UPSTREAM: %[[SHARE:.*]] = arith.divf %{{.*}}, %[[CAP]] : f32
  // UPSTREAM: %[[BENT:.*]] = math.tanh %[[SHARE]]
  // UPSTREAM: arith.mulf %[[CAP]], %[[BENT]]
  // UPSTREAM-NOT: lm.softcap
  %y = lm.softcap %x {cap = 30.0 : f32} : tensor<?x96xf32>
  return %y : tensor<?x96xf32>
}
