// RUN: kvasir-opt %s | kvasir-opt | FileCheck %s
// RUN: kvasir-opt %s --decompose-lm | FileCheck %s --check-prefix=UPSTREAM

// CHECK-LABEL: @chosen
// UPSTREAM-LABEL: @chosen
func.func @chosen(%logits: tensor<?x8xf32>) -> (tensor<?x2xi32>, tensor<?x2xf32>) {
  // CHECK: lm.route %{{.*}} of(chosen) : tensor<?x8xf32> -> tensor<?x2xi32>, tensor<?x2xf32>
  // UPSTREAM: linalg.generic
  // UPSTREAM-NOT: lm.route
  %experts, %shares = lm.route %logits of(chosen) : tensor<?x8xf32> -> tensor<?x2xi32>, tensor<?x2xf32>
  return %experts, %shares : tensor<?x2xi32>, tensor<?x2xf32>
}

// CHECK-LABEL: @product
// UPSTREAM-LABEL: @product
func.func @product(%x: tensor<?x64xf32>, %w: !lm.weight<384x64, codes = f16>, %b: !lm.weight<384, codes = f32>,
                   %experts: tensor<?x2xi32>) -> tensor<?x96xf32> {
  // CHECK: lm.expert_linear %{{.*}}, %{{.*}} of %{{.*}} bias
  // UPSTREAM: arith.minui
  // UPSTREAM: lm.dequantize
  // UPSTREAM-NOT: lm.expert_linear
  %y = lm.expert_linear %x, %w of %experts bias %b : tensor<?x64xf32>, !lm.weight<384x64, codes = f16>,
    tensor<?x2xi32>, !lm.weight<384, codes = f32> -> tensor<?x96xf32>
  return %y : tensor<?x96xf32>
}

// Rows of 40, of which 32 are a tile; each expert has a part of the input.
// CHECK-LABEL: @parts
// UPSTREAM-LABEL: @parts
func.func @parts(%x: tensor<?x96xf32>, %w: !lm.weight<320x48, codes = f32>, %experts: tensor<?x2xi32>)
    -> tensor<?x80xf32> {
  // UPSTREAM-COUNT-2: lm.dequantize
  %y = lm.expert_linear %x, %w of %experts : tensor<?x96xf32>, !lm.weight<320x48, codes = f32>, tensor<?x2xi32>
    -> tensor<?x80xf32>
  return %y : tensor<?x80xf32>
}

// CHECK-LABEL: @mixed
// UPSTREAM-LABEL: @mixed
func.func @mixed(%parts: tensor<?x80xf32>, %shares: tensor<?x2xf32>) -> tensor<?x40xf32> {
  // CHECK: lm.mix %{{.*}}, %{{.*}} : tensor<?x80xf32>, tensor<?x2xf32> -> tensor<?x40xf32>
  // UPSTREAM: linalg.generic
  // UPSTREAM-NOT: lm.mix
  %y = lm.mix %parts, %shares : tensor<?x80xf32>, tensor<?x2xf32> -> tensor<?x40xf32>
  return %y : tensor<?x40xf32>
}
