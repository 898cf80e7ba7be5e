// RUN: kvasir-opt %s --split-input-file --raise-writes --canonicalize --verify-state | FileCheck %s
// Core ML idioms that are right: their writes become appends.

// Position as an input.
// CHECK-LABEL: func.func @position_input
// CHECK-NOT:   kv.write
// CHECK:       kv.append %{{.*}}[%{{.*}}], %{{.*}}, %{{.*}} : !kv.slot<@k>, tensor<?x2x16xf32>
kv.schema @m entries [@position_input] { kv.cache @k layers(1) heads(2) row(16) }
func.func private @wk(tensor<1x?xi32>) -> tensor<?x2x16xf32>
func.func @position_input(%ids: tensor<1x?xi32>, %pos: tensor<1xi32>, %k: !kv.slot<@k>, %batch: !kv.batch {kv.sequences = 1}) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %p32 = tensor.extract %pos[%c0] : tensor<1xi32>
  %p0 = arith.index_cast %p32 : i32 to index
  %p = kv.bind %p0 = start %batch[0] : index
  %x = kv.bind %ids dim 1 = count %batch[0] : tensor<1x?xi32>
  %q = tensor.dim %x, %c1 : tensor<1x?xi32>
  %all = func.call @wk(%x) : (tensor<1x?xi32>) -> tensor<?x2x16xf32>
  %rows = tensor.extract_slice %all[0, 0, 0] [%q, 2, 16] [1, 1, 1] : tensor<?x2x16xf32> to tensor<?x2x16xf32>
  %k1 = kv.write %k[%c0], %rows at(%p) : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}

// -----

// No position input: past = width of the mask - q, read [0, past) before and [0, end) after the write.
// CHECK-LABEL: func.func @mask_width
// CHECK-NOT:   kv.write
// CHECK:       kv.append
kv.schema @m entries [@mask_width] { kv.cache @k layers(2) heads(2) row(16) }
func.func private @wk(tensor<1x?xi32>) -> tensor<?x2x16xf32>
func.func private @sdpa(tensor<?x2x16xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>, tensor<1x1x?x?xf32>) -> tensor<?x2x16xf32>
func.func private @head(tensor<?x2x16xf32>) -> tensor<?x64xf32>
func.func @mask_width(%ids: tensor<1x?xi32>, %mask: tensor<1x1x?x?xf32>, %k: !kv.slot<@k>, %batch: !kv.batch {kv.sequences = 1})
    -> (tensor<?x64xf32>, !kv.slot<@k>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %m = kv.bind %mask dim 3 = length %batch[0] : tensor<1x1x?x?xf32>
  %x = kv.bind %ids dim 1 = count %batch[0] : tensor<1x?xi32>
  %end = tensor.dim %m, %c3 : tensor<1x1x?x?xf32>
  %q = tensor.dim %x, %c1 : tensor<1x?xi32>
  %past = arith.subi %end, %q : index
  %all = func.call @wk(%x) : (tensor<1x?xi32>) -> tensor<?x2x16xf32>
  %rows = tensor.extract_slice %all[0, 0, 0] [%q, 2, 16] [1, 1, 1] : tensor<?x2x16xf32> to tensor<?x2x16xf32>
  %ys, %k9 = kv.loop %i = 0 to 2 carry(%y = %all, %ki = %k) : tensor<?x2x16xf32>, !kv.slot<@k> {
    %old = kv.read %ki[%i] rows(%c0, %past) : !kv.slot<@k> -> tensor<?x2x16xf32>
    %k1 = kv.write %ki[%i], %rows at(%past) : !kv.slot<@k>, tensor<?x2x16xf32>
    %now = kv.read %k1[%i] rows(%c0, %end) : !kv.slot<@k> -> tensor<?x2x16xf32>
    %z = func.call @sdpa(%y, %old, %now, %m) : (tensor<?x2x16xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>, tensor<1x1x?x?xf32>) -> tensor<?x2x16xf32>
    kv.yield %z, %k1 : tensor<?x2x16xf32>, !kv.slot<@k>
  }
  %out = func.call @head(%ys) : (tensor<?x2x16xf32>) -> tensor<?x64xf32>
  return %out, %k9 : tensor<?x64xf32>, !kv.slot<@k>
}

// -----

// The position goes through the loop over layers, which carries it and leaves it as it is.
// CHECK-LABEL: func.func @carried
// CHECK-NOT:   kv.write
// CHECK:       kv.append
kv.schema @m entries [@carried] { kv.cache @k layers(2) heads(2) row(16) }
func.func private @wk(tensor<1x?xi32>) -> tensor<?x2x16xf32>
func.func @carried(%ids: tensor<1x?xi32>, %pos: index, %k: !kv.slot<@k>, %batch: !kv.batch {kv.sequences = 1}) -> !kv.slot<@k> {
  %c1 = arith.constant 1 : index
  %p = kv.bind %pos = start %batch[0] : index
  %x = kv.bind %ids dim 1 = count %batch[0] : tensor<1x?xi32>
  %q = tensor.dim %x, %c1 : tensor<1x?xi32>
  %all = func.call @wk(%x) : (tensor<1x?xi32>) -> tensor<?x2x16xf32>
  %rows = tensor.extract_slice %all[0, 0, 0] [%q, 2, 16] [1, 1, 1] : tensor<?x2x16xf32> to tensor<?x2x16xf32>
  %p9, %k9 = kv.loop %i = 0 to 2 carry(%pi = %p, %ki = %k) : index, !kv.slot<@k> {
    %k1 = kv.write %ki[%i], %rows at(%pi) : !kv.slot<@k>, tensor<?x2x16xf32>
    kv.yield %pi, %k1 : index, !kv.slot<@k>
  }
  return %k9 : !kv.slot<@k>
}

// -----

// What cannot be proven may be stated: the reason stays in the program.
// CHECK-LABEL: func.func @ring_by_hand
// CHECK:       kv.waive %{{.*}}[%{{.*}}], "position is taken modulo the ring's size on the host" : !kv.slot<@k>
kv.schema @m entries [@ring_by_hand] { kv.cache @k layers(1) heads(2) row(16) }
func.func @ring_by_hand(%rows: tensor<?x2x16xf32>, %host: index, %k: !kv.slot<@k>, %batch: !kv.batch {kv.sequences = 1}) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %k1 = kv.write %k[%c0], %rows at(%host) : !kv.slot<@k>, tensor<?x2x16xf32>
  %k2 = kv.waive %k1[%c0], "position is taken modulo the ring's size on the host" : !kv.slot<@k>
  return %k2 : !kv.slot<@k>
}
