// RUN: kvasir-opt %s --verify-state | FileCheck %s
// RUN: kvasir-opt %s --inline --verify-state --canonicalize --cse --verify-state | FileCheck %s --check-prefix=INLINED
// RUN: kvasir-opt %s --inline %upstream --verify-state | FileCheck %s --check-prefix=INLINED
// A llama of four layers: two entry functions, one schema, one layer function.

// CHECK:      kv.schema @llama entries [@prefill, @decode] {
// CHECK-NEXT:   kv.cache @k layers(4) heads(2) row(16) rotated(adjacent)
// CHECK-NEXT:   kv.cache @v layers(4) heads(2) row(16) values(@k)
kv.schema @llama entries [@prefill, @decode] {
  kv.cache @k layers(4) heads(2) row(16) rotated(adjacent)
  kv.cache @v layers(4) heads(2) row(16) values(@k)
}
func.func private @norm(tensor<?x64xf32>, index) -> tensor<?x64xf32>
func.func private @wq(tensor<?x64xf32>, index) -> tensor<?x4x16xf32>
func.func private @wk(tensor<?x64xf32>, index) -> tensor<?x2x16xf32>
func.func private @wv(tensor<?x64xf32>, index) -> tensor<?x2x16xf32>
func.func private @rope(tensor<?x4x16xf32>, tensor<?xi32>) -> tensor<?x4x16xf32>
func.func private @rope2(tensor<?x2x16xf32>, tensor<?xi32>) -> tensor<?x2x16xf32>
func.func private @wo(tensor<?x4x16xf32>, index) -> tensor<?x64xf32>
func.func private @add(tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
func.func private @ffn(tensor<?x64xf32>, index) -> tensor<?x64xf32>
func.func private @embed(tensor<?xi32>) -> tensor<?x64xf32>
func.func private @head_of_last(tensor<?x64xf32>) -> tensor<1x256xf32>
func.func private @head(tensor<?x64xf32>) -> tensor<?x256xf32>

// CHECK: kv.append %{{.*}}[%{{.*}}], %{{.*}}, %{{.*}} : !kv.slot<@k>, tensor<?x2x16xf32>
// INLINED-NOT: call @layer
func.func private @layer(%i: index, %x: tensor<?x64xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch)
    -> (tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v>) {
  %n = func.call @norm(%x, %i) : (tensor<?x64xf32>, index) -> tensor<?x64xf32>
  %pos = kv.positions %batch : tensor<?xi32>
  %q0 = func.call @wq(%n, %i) : (tensor<?x64xf32>, index) -> tensor<?x4x16xf32>
  %k0 = func.call @wk(%n, %i) : (tensor<?x64xf32>, index) -> tensor<?x2x16xf32>
  %vr = func.call @wv(%n, %i) : (tensor<?x64xf32>, index) -> tensor<?x2x16xf32>
  %qr = func.call @rope(%q0, %pos) : (tensor<?x4x16xf32>, tensor<?xi32>) -> tensor<?x4x16xf32>
  %kr = func.call @rope2(%k0, %pos) : (tensor<?x2x16xf32>, tensor<?xi32>) -> tensor<?x2x16xf32>
  %k1 = kv.append %k[%i], %kr, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  %v1 = kv.append %v[%i], %vr, %batch : !kv.slot<@v>, tensor<?x2x16xf32>
  %a = kv.attend %qr, %k1[%i], %v1[%i], %batch {scale = 0.25 : f32}
    : tensor<?x4x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x4x16xf32>
  %o = func.call @wo(%a, %i) : (tensor<?x4x16xf32>, index) -> tensor<?x64xf32>
  %h = func.call @add(%x, %o) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %f = func.call @ffn(%h, %i) : (tensor<?x64xf32>, index) -> tensor<?x64xf32>
  %y = func.call @add(%h, %f) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y, %k1, %v1 : tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v>
}

// CHECK-LABEL: func.func @prefill
// CHECK: kv.loop %{{.*}} = 0 to 4 carry(%{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}) : tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v> {
func.func @prefill(%ids: tensor<?xi32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch)
    -> (tensor<1x256xf32>, !kv.slot<@k>, !kv.slot<@v>) {
  %x = func.call @embed(%ids) : (tensor<?xi32>) -> tensor<?x64xf32>
  %y, %k9, %v9 = kv.loop %i = 0 to 4 carry(%h = %x, %ki = %k, %vi = %v) : tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v> {
    %h1, %k1, %v1 = func.call @layer(%i, %h, %ki, %vi, %batch)
      : (index, tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v>, !kv.batch) -> (tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v>)
    kv.yield %h1, %k1, %v1 : tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v>
  }
  %logits = func.call @head_of_last(%y) : (tensor<?x64xf32>) -> tensor<1x256xf32>
  return %logits, %k9, %v9 : tensor<1x256xf32>, !kv.slot<@k>, !kv.slot<@v>
}

// CHECK-LABEL: func.func @decode
// INLINED-LABEL: func.func @decode
// INLINED: kv.loop
// INLINED: kv.append
// INLINED: kv.append
// INLINED: kv.attend
// INLINED: kv.yield
func.func @decode(%ids: tensor<?xi32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch)
    -> (tensor<?x256xf32>, !kv.slot<@k>, !kv.slot<@v>) {
  %x = func.call @embed(%ids) : (tensor<?xi32>) -> tensor<?x64xf32>
  %y, %k9, %v9 = kv.loop %i = 0 to 4 carry(%h = %x, %ki = %k, %vi = %v) : tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v> {
    %h1, %k1, %v1 = func.call @layer(%i, %h, %ki, %vi, %batch)
      : (index, tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v>, !kv.batch) -> (tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v>)
    kv.yield %h1, %k1, %v1 : tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v>
  }
  %logits = func.call @head(%y) : (tensor<?x64xf32>) -> tensor<?x256xf32>
  return %logits, %k9, %v9 : tensor<?x256xf32>, !kv.slot<@k>, !kv.slot<@v>
}
