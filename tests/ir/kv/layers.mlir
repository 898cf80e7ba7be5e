// RUN: kvasir-opt %s --split-input-file --verify-state | FileCheck %s
// RUN: kvasir-opt %s --split-input-file %upstream --verify-state | FileCheck %s
// Right programs whose layers are not one loop from 0.

// Strided scf.for, arithmetic on the layer, a constant layer, a waived one.
// CHECK-LABEL: func.func @split
kv.schema @m entries [@split] { kv.cache @k layers(8) heads(2) row(16) }
func.func @split(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c6 = arith.constant 6 : index
  %c7 = arith.constant 7 : index
  %ke = scf.for %i = %c0 to %c6 step %c2 iter_args(%ki = %k) -> !kv.slot<@k> {
    %k1 = kv.append %ki[%i], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    scf.yield %k1 : !kv.slot<@k>
  }
  %ko = kv.loop %i = 0 to 3 carry(%ki = %ke) : !kv.slot<@k> {
    %t = arith.muli %i, %c2 : index
    %l = arith.addi %t, %c1 : index
    %k1 = kv.append %ki[%l], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    kv.yield %k1 : !kv.slot<@k>
  }
  %k6 = kv.append %ko[%c6], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  %k7 = kv.waive %k6[%c7], "layer 7 is unused in this checkpoint" : !kv.slot<@k>
  return %k7 : !kv.slot<@k>
}

// -----

// Latent attention, two stored layers for four; layers 2 and 3 borrow from 0 and 1. A branch at run time does the
// same to the state on both sides.
// CHECK-LABEL: func.func @shared
// CHECK: kv.borrow
// CHECK: kv.attend {{.*}} !kv.view<@latent>, !kv.view<@latent>
kv.schema @m entries [@shared] { kv.cache @latent layers(2) heads(1) row(16) }
func.func private @other(tensor<?x1x16xf32>) -> tensor<?x1x16xf32>
func.func @shared(%c: i1, %q: tensor<?x4x16xf32>, %r: tensor<?x1x16xf32>, %s: !kv.slot<@latent>, %batch: !kv.batch)
    -> (tensor<?x4x16xf32>, !kv.slot<@latent>) {
  %a, %s2 = kv.loop %i = 0 to 2 carry(%qi = %q, %si = %s) : tensor<?x4x16xf32>, !kv.slot<@latent> {
    %b, %s1 = scf.if %c -> (tensor<?x4x16xf32>, !kv.slot<@latent>) {
      %t = kv.append %si[%i], %r, %batch : !kv.slot<@latent>, tensor<?x1x16xf32>
      %y = kv.attend %qi, %t[%i], %t[%i], %batch {scale = 0.25 : f32} : tensor<?x4x16xf32>, !kv.slot<@latent>, !kv.slot<@latent> -> tensor<?x4x16xf32>
      scf.yield %y, %t : tensor<?x4x16xf32>, !kv.slot<@latent>
    } else {
      %z = func.call @other(%r) : (tensor<?x1x16xf32>) -> tensor<?x1x16xf32>
      %t = kv.append %si[%i], %z, %batch : !kv.slot<@latent>, tensor<?x1x16xf32>
      %y = kv.attend %qi, %t[%i], %t[%i], %batch {scale = 0.25 : f32} : tensor<?x4x16xf32>, !kv.slot<@latent>, !kv.slot<@latent> -> tensor<?x4x16xf32>
      scf.yield %y, %t : tensor<?x4x16xf32>, !kv.slot<@latent>
    }
    kv.yield %b, %s1 : tensor<?x4x16xf32>, !kv.slot<@latent>
  }
  %d = kv.loop %i = 0 to 2 carry(%qi = %a) : tensor<?x4x16xf32> {
    %w = kv.borrow %s2[%i] : !kv.slot<@latent> -> !kv.view<@latent>
    %b = kv.attend %qi, %w, %w, %batch {scale = 0.25 : f32} : tensor<?x4x16xf32>, !kv.view<@latent>, !kv.view<@latent> -> tensor<?x4x16xf32>
    kv.yield %b : tensor<?x4x16xf32>
  }
  return %d, %s2 : tensor<?x4x16xf32>, !kv.slot<@latent>
}
