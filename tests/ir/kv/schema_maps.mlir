// RUN: kvasir-opt %s --split-input-file --verify-state | FileCheck %s
// RUN: kvasir-opt %s --split-input-file --verify-state --unroll-layers --verify-state --print-state-trace -o /dev/null | FileCheck %s --check-prefix=TRACE
// Right programs whose schema says which layers slide, which borrow, and which weights make the rows.

// One cache for all layers, of which every second one slides. Layers 4 and 5 of the model borrow from 2 and 3. Nested
// loops: layer = 2 i + j. The rows are made by weights, and positions that came before them (an absolute embedding) are
// no phase.
// CHECK: kv.cache @k layers(4) heads(2) row(16) window(64) slides([0, 2]) serves([0], [1], [2, 4], [3, 5]) rotated(halves) by([@wk])
// CHECK: kv.cache @v layers(4) heads(2) row(16) window(64) slides([0, 2]) values(@k) by([@wv])
// TRACE:      @nested
// TRACE-NEXT:   append @k[0] rotated by @wk
// TRACE-NEXT:   append @v[0] by @wv
// TRACE-NEXT:   attend @k[0]
// TRACE-NEXT:   attend @v[0]
// TRACE-NEXT:   append @k[1] rotated by @wk
// TRACE:        attend @v[3]
// TRACE-NEXT:   borrow @k[2]
// TRACE-NEXT:   borrow @v[2]
// TRACE-NEXT:   attend @k[2]
kv.schema @m entries [@nested] {
  kv.cache @k layers(4) heads(2) row(16) window(64) slides([0, 2]) serves([0], [1], [2, 4], [3, 5]) rotated(halves) by([@wk])
  kv.cache @v layers(4) heads(2) row(16) window(64) slides([0, 2]) values(@k) by([@wv])
}
func.func private @wk(tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
func.func private @wv(tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
func.func private @embed(tensor<?xi32>, tensor<?xi32>) -> tensor<?x2x16xf32>
func.func private @rope(tensor<?x2x16xf32>, tensor<?xi32>) -> tensor<?x2x16xf32>
func.func @nested(%ids: tensor<?xi32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch)
    -> (tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %pos = kv.positions %batch : tensor<?xi32>
  %x = func.call @embed(%ids, %pos) : (tensor<?xi32>, tensor<?xi32>) -> tensor<?x2x16xf32>
  %y, %k9, %v9 = kv.loop %i = 0 to 2 carry(%hi = %x, %ki = %k, %vi = %v) : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v> {
    %h9, %k8, %v8 = kv.loop %j = 0 to 2 carry(%h = %hi, %kj = %ki, %vj = %vi) : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v> {
      %twice = arith.muli %i, %c2 : index
      %l = arith.addi %twice, %j : index
      %kr = func.call @wk(%h, %l) : (tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
      %turned = func.call @rope(%kr, %pos) : (tensor<?x2x16xf32>, tensor<?xi32>) -> tensor<?x2x16xf32>
      %vr = func.call @wv(%h, %l) : (tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
      %k1 = kv.append %kj[%l], %turned, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
      %v1 = kv.append %vj[%l], %vr, %batch : !kv.slot<@v>, tensor<?x2x16xf32>
      %near = arith.cmpi eq, %j, %c0 : index
      %a = scf.if %near -> tensor<?x2x16xf32> {
        %b = kv.attend %h, %k1[%l], %v1[%l], %batch {scale = 0.25 : f32, window = 64} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x2x16xf32>
        scf.yield %b : tensor<?x2x16xf32>
      } else {
        %b = kv.attend %h, %k1[%l], %v1[%l], %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x2x16xf32>
        scf.yield %b : tensor<?x2x16xf32>
      }
      %sum = arith.addf %h, %a : tensor<?x2x16xf32>
      kv.yield %sum, %k1, %v1 : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>
    }
    kv.yield %h9, %k8, %v8 : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>
  }
  %z = kv.loop %i = 2 to 4 carry(%h = %y) : tensor<?x2x16xf32> {
    %kw = kv.borrow %k9[%i] : !kv.slot<@k> -> !kv.view<@k>
    %vw = kv.borrow %v9[%i] : !kv.slot<@v> -> !kv.view<@v>
    %near = arith.cmpi eq, %i, %c2 : index
    %a = scf.if %near -> tensor<?x2x16xf32> {
      %b = kv.attend %h, %kw, %vw, %batch {scale = 0.25 : f32, window = 64} : tensor<?x2x16xf32>, !kv.view<@k>, !kv.view<@v> -> tensor<?x2x16xf32>
      scf.yield %b : tensor<?x2x16xf32>
    } else {
      %b = kv.attend %h, %kw, %vw, %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.view<@k>, !kv.view<@v> -> tensor<?x2x16xf32>
      scf.yield %b : tensor<?x2x16xf32>
    }
    kv.yield %a : tensor<?x2x16xf32>
  }
  return %z, %k9, %v9 : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>
}

// -----

// A weight for each layer, reshaped on its way; a waiver for rows that nobody reads.
// TRACE:      @each
// TRACE-NEXT:   append @k[0] by @w0
// TRACE-NEXT:   append @k[1] by @w1
// TRACE-NEXT:   waive @k
// CHECK-LABEL: func.func @each
kv.schema @m entries [@each] { kv.cache @k layers(2) heads(2) row(16) by([@w0, @w1]) }
lm.weight @w0 source("w0") : !lm.weight<32x32, codes = f16>
lm.weight @w1 source("w1") : !lm.weight<32x32, codes = f16>
func.func @each(%x: tensor<?x32xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> (tensor<?x32xf32>, !kv.slot<@k>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %t = kv.tokens %batch
  %w0 = lm.select @w0 : !lm.weight<32x32, codes = f16>
  %w1 = lm.select @w1 : !lm.weight<32x32, codes = f16>
  %r0 = lm.linear %x, %w0 : tensor<?x32xf32>, !lm.weight<32x32, codes = f16> -> tensor<?x32xf32>
  %h0 = tensor.expand_shape %r0 [[0], [1, 2]] output_shape [%t, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
  %k1 = kv.append %k[%c0], %h0, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  %r1 = lm.linear %r0, %w1 : tensor<?x32xf32>, !lm.weight<32x32, codes = f16> -> tensor<?x32xf32>
  %h1 = tensor.expand_shape %r1 [[0], [1, 2]] output_shape [%t, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
  %k2 = kv.append %k1[%c1], %h1, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  %k3 = kv.waive %k2, "an encoder: another function attends" : !kv.slot<@k>
  return %r1, %k3 : tensor<?x32xf32>, !kv.slot<@k>
}
