// Layers that a package writes out one by one are one body in a loop, in both forms of a function; weights are families.

// RUN: kvasir-compile --emit kv %S/../../coreml/packages/llama2L_hf_dynamic.mlpackage | FileCheck %s
// CHECK:      lm.weight @weight.bl_q_weight_to_fp16 family(2) source("bl_{}_q_weight_to_fp16") : !lm.weight<64x64, codes = f16>
// CHECK-NOT:  lm.weight @weight.bl_{{[01]}}
// CHECK:      func.func @main(
// CHECK:        kv.loop %[[L:.*]] = 0 to 2 carry(%[[X:.*]] = %{{.*}}, %{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}) : tensor<1x?x64xf16>, tensor<2x1x2x64x16xf16>, tensor<2x1x2x64x16xf16> {
// CHECK:          lm.select @weight.bl_q_weight_to_fp16[%[[L]]]
// CHECK:          tensor.insert_slice %{{.*}}[%[[L]], %
// CHECK:          %[[Y:.*]] = bufferization.materialize_in_destination %{{.*}} in %[[X]]
// CHECK:          kv.yield %[[Y]], %
// CHECK:      func.func @main.raised(
// CHECK:        kv.loop %[[M:.*]] = 0 to 2 carry(%[[Z:.*]] = %{{.*}}, %[[K:.*]] = %{{.*}}, %[[V:.*]] = %{{.*}}) : tensor<?x64xf32>, !kv.slot<@keyCache.rows>, !kv.slot<@valueCache.rows> {
// CHECK:          lm.select @weight.bl_q_weight_to_fp16[%[[M]]]
// CHECK:          %[[K1:.*]] = kv.append %[[K]][%[[M]]]
// CHECK:          %[[V1:.*]] = kv.append %[[V]][%[[M]]]
// CHECK:          kv.attend %{{.*}}, %[[K1]][%[[M]]], %[[V1]][%[[M]]]
// CHECK:          %[[S:.*]] = arith.addf %[[Z]], %
// CHECK:          %[[T:.*]] = arith.addf %[[S]], %
// CHECK:          kv.yield %[[T]], %[[K1]], %[[V1]]
// CHECK-NOT:    kv.attend

// Keys and values of all layers in one state, matrices as constants, and weights whose names say nothing.
// RUN: kvasir-compile --emit kv --unverified %S/../../coreml/packages/uk_layer_duplicate.mlpackage | FileCheck %s --check-prefix=ONE
// ONE:      lm.weight @weight.linear_8_weight_0_ family(2) source("linear_8_weight_0.{}")
// ONE:      func.func @decode(
// ONE:        %[[ALL:.*]] = arith.constant dense<{{.*}}> : tensor<2x8x8xf16>
// ONE:        kv.loop %[[L:.*]] = 0 to 2
// ONE:          %[[TWICE:.*]] = arith.muli %[[L]], %
// ONE:          tensor.insert_slice %{{.*}}[%[[TWICE]], %
// ONE:      func.func @decode.raised(
// ONE:        kv.loop %{{.*}} = 0 to 2

// A first layer without a feed-forward part stays before the loop (packages/, written by coremltools' builder); constants
// that stand inside of a layer's ops and in front of them are the same.
// RUN: kvasir-compile --emit kv %S/packages/first_layer_differs.mlpackage | FileCheck %s --check-prefix=FIRST
// FIRST:      lm.weight @weight.linear_4_weight_0_ family(2) source("linear_4_weight_0.{}")
// FIRST:      func.func @main(
// FIRST:        kv.loop %{{.*}} = 1 to 3
// FIRST:      func.func @main.raised(
// FIRST:        %[[X:.*]] = arith.addf
// FIRST:        kv.loop %[[L:.*]] = 1 to 3 carry({{.*}} = %[[X]]
// FIRST:          %[[N:.*]] = arith.addi %[[L]], %c-1
// FIRST:          lm.select @weight.mul_5_y_0_[%[[N]]]
// FIRST:          kv.append %{{.*}}[%[[L]]]
