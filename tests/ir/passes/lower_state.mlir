// RUN: kvasir-opt %s --lower-slots --split-input-file --verify-diagnostics | FileCheck %s
// Registers, borrowed layers, branches over state, and what imported programs read and bind.

#rows = #lm.layout<32768 bytes, value f32 at 0 [lane 8 : 32, token 128 : 256, head 2 : 32768, layer 2 : 65536]>
kv.schema @m entries [@registers] {
  kv.cache @k layers(2) heads(2) row(8) window(40) {lm.layout = #rows}
  kv.cache @v layers(2) heads(2) row(8) window(40) values(@k) {lm.layout = #rows}
  kv.register @r layers(2) tensor<3x8xf32> {lm.layout = #lm.layout<192 bytes, value f32 at 0 [lane 24 : 32, layer 2 : 768]>}
}

// A layer that is waived keeps what it was: all are copied, then some are set.
// CHECK-LABEL: func.func @registers
// CHECK: scf.for %[[L:.*]] =
// CHECK:   %[[OLD:.*]] = kv.load_register @r slot(2) layout({{.*}}) [%[[L]]] outs(%{{.*}} : tensor<?x3x8xf32>)
// CHECK:   kv.store_register %[[OLD]] into @r slot(2) layout({{.*}}) [%[[L]]]
// CHECK: %[[PAST:.*]] = kv.load_register @r slot(2) layout({{.*}}) [%[[LAYER:.*]]] outs
// CHECK: kv.require %{{.*}} = %{{.*}}, "register r would be set for %d sequences, the call brings %d"
// CHECK: kv.store_register %[[PAST]] into @r slot(2) layout({{.*}}) [%[[LAYER]]]
func.func @registers(%k: !kv.slot<@k>, %v: !kv.slot<@v>, %r: !kv.slot<@r>, %batch: !kv.batch) -> !kv.slot<@r> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %past = kv.get %r[%c0], %batch : !kv.slot<@r> -> tensor<?x3x8xf32>
  %r1 = kv.set %r[%c0], %past, %batch : !kv.slot<@r>, tensor<?x3x8xf32>
  %r2 = kv.waive %r1[%c1], "layer 1 keeps what it has" : !kv.slot<@r>
  return %r2 : !kv.slot<@r>
}

// Slots leave branches and loops; of a view the number of its layer stays.
// CHECK-LABEL: func.func @regions
// CHECK: %[[A:.*]]:2 = scf.if %{{.*}} -> (index, index) {
// CHECK:   kv.store_rows
// CHECK:   scf.yield %[[ONE:.*]], %[[ONE]] : index, index
// CHECK: } else {
// CHECK:   kv.store_rows
// CHECK: }
// CHECK: scf.for %{{.*}} = %{{.*}} to %{{.*}} step %{{.*}} iter_args(%[[X:.*]] = %{{.*}}) -> (tensor<?x4x8xf32>) {
// CHECK: kv.load_rows @k slot(0) layout({{.*}}) [%[[A]]#0,
// CHECK: kv.load_rows @v slot(1) layout({{.*}}) [%[[A]]#1,
func.func @regions(%x: tensor<?x4x8xf32>, %rows: tensor<?x2x8xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %which: i1,
                   %batch: !kv.batch) -> (tensor<?x4x8xf32>, !kv.slot<@k>, !kv.slot<@v>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %k1, %kv, %vv = scf.if %which -> (!kv.slot<@k>, !kv.view<@k>, !kv.view<@v>) {
    %k2 = kv.append %k[%c0], %rows, %batch : !kv.slot<@k>, tensor<?x2x8xf32>
    %b = kv.borrow %k2[%c1] : !kv.slot<@k> -> !kv.view<@k>
    %w = kv.borrow %v[%c1] : !kv.slot<@v> -> !kv.view<@v>
    scf.yield %k2, %b, %w : !kv.slot<@k>, !kv.view<@k>, !kv.view<@v>
  } else {
    %k2 = kv.append %k[%c0], %rows, %batch : !kv.slot<@k>, tensor<?x2x8xf32>
    %b = kv.borrow %k2[%c0] : !kv.slot<@k> -> !kv.view<@k>
    %w = kv.borrow %v[%c0] : !kv.slot<@v> -> !kv.view<@v>
    scf.yield %k2, %b, %w : !kv.slot<@k>, !kv.view<@k>, !kv.view<@v>
  }
  %y, %k9 = scf.for %i = %c0 to %c1 step %c1 iter_args(%xi = %x, %ki = %k1) -> (tensor<?x4x8xf32>, !kv.slot<@k>) {
    %a = kv.attend %xi, %kv, %vv, %batch {scale = 0.35 : f32, window = 40 : i64} : tensor<?x4x8xf32>, !kv.view<@k>, !kv.view<@v> -> tensor<?x4x8xf32>
    scf.yield %a, %ki : tensor<?x4x8xf32>, !kv.slot<@k>
  }
  return %y, %k9, %v : tensor<?x4x8xf32>, !kv.slot<@k>, !kv.slot<@v>
}

// What is bound becomes the call's number; that it is that is required, as are the facts of the batch. Rows in front of the
// window are not read.
// CHECK-LABEL: func.func @imported
// CHECK: kv.require %{{.*}} = %{{.*}}, "the call brings %d sequences, function imported takes %d"
// CHECK: kv.require %{{.*}} = %{{.*}}, "pos is %d, the sequence holds %d rows"
// CHECK: kv.require %{{.*}} = %{{.*}}, "mask has an extent of %d, the sequence has %d rows after the call"
// CHECK: scf.for
// CHECK: tensor.extract %arg4
// CHECK: kv.require %{{.*}} = %{{.*}}, "mask is not causal: %d of its numbers
// CHECK: %[[BEGIN:.*]] = arith.subi
// CHECK: kv.require %[[BEGIN]] = %{{.*}}, "rows of slot k are read from row %d on, the oldest is row %d"
// CHECK: kv.copy_rows @k slot(0) layout({{.*}}) [%{{.*}}, %{{.*}}] from(%[[BEGIN]]) outs(%{{.*}} : tensor<?x2x8xf32>) -> tensor<?x2x8xf32>
// CHECK: arith.truncf %{{.*}} : tensor<?x2x8xf32> to tensor<?x2x8xf16>
func.func @imported(%pos: tensor<1xi32> {kv.name = "pos"}, %mask: tensor<1x1x1x?xf32> {kv.extents = "S", kv.name = "mask"}, %k: !kv.slot<@k>,
                    %batch: !kv.batch {kv.sequences = 1 : i64}) -> (tensor<?x2x8xf16> {kv.extents = "S"}) {
  %c0 = arith.constant 0 : index
  %c3 = arith.constant 3 : index
  %p32 = tensor.extract %pos[%c0] : tensor<1xi32>
  %p0 = arith.index_cast %p32 : i32 to index
  %p = kv.bind %p0 = start %batch[0] : index
  %m = kv.bind %mask dim 3 = length %batch[0] : tensor<1x1x1x?xf32>
  %n = kv.bind %m = causal %batch[0] : tensor<1x1x1x?xf32>
  %end = tensor.dim %m, %c3 : tensor<1x1x1x?xf32>
  %begin = arith.subi %p, %c3 : index
  %rows = kv.read %k[%c0] rows(%begin, %end) : !kv.slot<@k> -> tensor<?x2x8xf16>
  return %rows : tensor<?x2x8xf16>
}

// -----

kv.schema @m entries [@unraised] {
  kv.cache @k layers(1) heads(2) row(8) {lm.layout = #lm.layout<8192 bytes, value f32 at 0 [lane 8 : 32, token 128 : 256, head 2 : 32768]>}
}
func.func @unraised(%rows: tensor<?x2x8xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{writes rows that only the run knows, which no backend can declare before it runs: they begin at row 0 in every call}}
  %k1 = kv.write %k[%c0], %rows at(%c0) unraised "they begin at row 0 in every call" : !kv.slot<@k>, tensor<?x2x8xf32>
  return %k1 : !kv.slot<@k>
}

// -----

kv.schema @m entries [@several] {
  kv.cache @k layers(1) heads(2) row(8) {lm.layout = #lm.layout<8192 bytes, value f32 at 0 [lane 8 : 32, token 128 : 256, head 2 : 32768]>}
}
func.func @several(%k: !kv.slot<@k>, %batch: !kv.batch) {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{reads rows of one sequence; the batch may have more, state {kv.sequences = 1}}}
  %rows = kv.read %k[%c0] rows(%c0, %c0) : !kv.slot<@k> -> tensor<?x2x8xf32>
  return
}

// -----

kv.schema @m entries [@second] { kv.cache @k layers(1) heads(2) row(8) }
func.func @second(%k: !kv.slot<@k>, %batch: !kv.batch) -> index {
  // expected-error @+1 {{asks for sequence 1 of a batch that may have fewer; state {kv.sequences}}}
  %n = kv.start %batch[1]
  return %n : index
}
