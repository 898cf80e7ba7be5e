// RUN: kvasir-opt %s --verify-state | FileCheck %s
// RUN: kvasir-opt %s %upstream --verify-state | FileCheck %s --check-prefix=AFTER
// One function for every call. Six layers: even ones slide over 512 rows, odd ones see everything; each layer has
// a convolution whose register holds the last three inputs. The stored layer is i / 2.

// CHECK: kv.cache @k_near layers(3) heads(2) row(16) window(512)
kv.schema @gemma entries [@forward] {
  kv.cache @k_near layers(3) heads(2) row(16) window(512) rotated(adjacent)
  kv.cache @v_near layers(3) heads(2) row(16) window(512) values(@k_near)
  kv.cache @k_full layers(3) heads(2) row(16) rotated(adjacent)
  kv.cache @v_full layers(3) heads(2) row(16) values(@k_full)
  kv.register @conv layers(6) tensor<3x64xf32>
}
func.func private @conv(tensor<?x64xf32>, tensor<?x3x64xf32>, index) -> tensor<?x64xf32>
func.func private @shift(tensor<?x3x64xf32>, tensor<?x64xf32>) -> tensor<?x3x64xf32>
func.func private @wq(tensor<?x64xf32>, index) -> tensor<?x4x16xf32>
func.func private @rope_wk(tensor<?x64xf32>, tensor<?xi32>, index) -> tensor<?x2x16xf32>
func.func private @wv(tensor<?x64xf32>, index) -> tensor<?x2x16xf32>
func.func private @wo_ffn(tensor<?x64xf32>, tensor<?x4x16xf32>, index) -> tensor<?x64xf32>

// CHECK-LABEL: func.func @forward
// AFTER-LABEL: func.func @forward
// AFTER: kv.loop
// AFTER: kv.get
// AFTER: kv.set
// AFTER: scf.if
// AFTER-COUNT-2: kv.append
// AFTER: kv.attend
// AFTER-COUNT-2: kv.append
// AFTER: kv.attend
func.func @forward(%x: tensor<?x64xf32>, %kn: !kv.slot<@k_near>, %vn: !kv.slot<@v_near>, %kf: !kv.slot<@k_full>,
                   %vf: !kv.slot<@v_full>, %conv: !kv.slot<@conv>, %batch: !kv.batch)
    -> (tensor<?x64xf32>, !kv.slot<@k_near>, !kv.slot<@v_near>, !kv.slot<@k_full>, !kv.slot<@v_full>, !kv.slot<@conv>) {
  %c2 = arith.constant 2 : index
  %c0 = arith.constant 0 : index
  %y:6 = kv.loop %i = 0 to 6 carry(%h = %x, %kni = %kn, %vni = %vn, %kfi = %kf, %vfi = %vf, %ci = %conv)
      : tensor<?x64xf32>, !kv.slot<@k_near>, !kv.slot<@v_near>, !kv.slot<@k_full>, !kv.slot<@v_full>, !kv.slot<@conv> {
    // CHECK: kv.get %{{.*}}[%{{.*}}], %{{.*}} : !kv.slot<@conv> -> tensor<?x3x64xf32>
    %past = kv.get %ci[%i], %batch : !kv.slot<@conv> -> tensor<?x3x64xf32>
    %g = func.call @conv(%h, %past, %i) : (tensor<?x64xf32>, tensor<?x3x64xf32>, index) -> tensor<?x64xf32>
    %next = func.call @shift(%past, %h) : (tensor<?x3x64xf32>, tensor<?x64xf32>) -> tensor<?x3x64xf32>
    %c1 = kv.set %ci[%i], %next, %batch : !kv.slot<@conv>, tensor<?x3x64xf32>
    %q = func.call @wq(%g, %i) : (tensor<?x64xf32>, index) -> tensor<?x4x16xf32>
    %pos = kv.positions %batch : tensor<?xi32>
    %kr = func.call @rope_wk(%g, %pos, %i) : (tensor<?x64xf32>, tensor<?xi32>, index) -> tensor<?x2x16xf32>
    %vr = func.call @wv(%g, %i) : (tensor<?x64xf32>, index) -> tensor<?x2x16xf32>
    %l = arith.divui %i, %c2 : index
    %r = arith.remui %i, %c2 : index
    %near = arith.cmpi eq, %r, %c0 : index
    %a, %kn1, %vn1, %kf1, %vf1 = scf.if %near -> (tensor<?x4x16xf32>, !kv.slot<@k_near>, !kv.slot<@v_near>, !kv.slot<@k_full>, !kv.slot<@v_full>) {
      %kn2 = kv.append %kni[%l], %kr, %batch : !kv.slot<@k_near>, tensor<?x2x16xf32>
      %vn2 = kv.append %vni[%l], %vr, %batch : !kv.slot<@v_near>, tensor<?x2x16xf32>
      %b = kv.attend %q, %kn2[%l], %vn2[%l], %batch {scale = 0.25 : f32, window = 512}
        : tensor<?x4x16xf32>, !kv.slot<@k_near>, !kv.slot<@v_near> -> tensor<?x4x16xf32>
      scf.yield %b, %kn2, %vn2, %kfi, %vfi : tensor<?x4x16xf32>, !kv.slot<@k_near>, !kv.slot<@v_near>, !kv.slot<@k_full>, !kv.slot<@v_full>
    } else {
      %kf2 = kv.append %kfi[%l], %kr, %batch : !kv.slot<@k_full>, tensor<?x2x16xf32>
      %vf2 = kv.append %vfi[%l], %vr, %batch : !kv.slot<@v_full>, tensor<?x2x16xf32>
      %b = kv.attend %q, %kf2[%l], %vf2[%l], %batch {scale = 0.25 : f32}
        : tensor<?x4x16xf32>, !kv.slot<@k_full>, !kv.slot<@v_full> -> tensor<?x4x16xf32>
      scf.yield %b, %kni, %vni, %kf2, %vf2 : tensor<?x4x16xf32>, !kv.slot<@k_near>, !kv.slot<@v_near>, !kv.slot<@k_full>, !kv.slot<@v_full>
    }
    %h1 = func.call @wo_ffn(%g, %a, %i) : (tensor<?x64xf32>, tensor<?x4x16xf32>, index) -> tensor<?x64xf32>
    kv.yield %h1, %kn1, %vn1, %kf1, %vf1, %c1 : tensor<?x64xf32>, !kv.slot<@k_near>, !kv.slot<@v_near>, !kv.slot<@k_full>, !kv.slot<@v_full>, !kv.slot<@conv>
  }
  return %y#0, %y#1, %y#2, %y#3, %y#4, %y#5 : tensor<?x64xf32>, !kv.slot<@k_near>, !kv.slot<@v_near>, !kv.slot<@k_full>, !kv.slot<@v_full>, !kv.slot<@conv>
}
