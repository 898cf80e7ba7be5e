// RUN: kvasir-opt %s --verify-state --separate-forms --verify-state --split-input-file | FileCheck %s
// Layers of one weight in different types keep their types: a weight for each, a branch around what selects it.

!f32 = !lm.weight<8x8, codes = f32>
!f16 = !lm.weight<8x8, codes = f16>

// The schema says which weight makes which layer's rows, and the proof has taken each layer's own branch.
// CHECK: kv.cache @k layers(4) heads(1) row(8) by([@w.0, @w.1, @w.0, @w.0])
kv.schema @m entries [@forward] {
  kv.cache @k layers(4) heads(1) row(8) by([@w])
}
// CHECK: lm.weight @w.0 family(3) source("blk.{0,2,3}.w") : !lm.weight<8x8, codes = f16>
// CHECK: lm.weight @w.1 source("blk.{1}.w") : !lm.weight<8x8, codes = f32>
// CHECK-NOT: lm.weight @w
lm.weight @w family(4) members([!f16, !f32, !f16, !f16]) source("blk.{}.w") : !f32

// CHECK-LABEL: func.func @forward(
// CHECK: kv.loop %[[LAYER:.*]] = 0 to 3
// CHECK: %[[RANKS:.*]] = arith.constant dense<[0, 0, 1, 2]> : tensor<4xindex>
// CHECK: %[[RANK:.*]] = tensor.extract %[[RANKS]][%[[LAYER]]]
// CHECK: %[[KINDS:.*]] = arith.constant dense<[0, 1, 0, 0]> : tensor<4xindex>
// CHECK: %[[KIND:.*]] = tensor.extract %[[KINDS]][%[[LAYER]]]
// CHECK: %[[FIRST:.*]] = arith.constant 0 : index
// CHECK: %[[IS_FIRST:.*]] = arith.cmpi eq, %[[KIND]], %[[FIRST]]
// CHECK: %{{.*}}:2 = scf.if %[[IS_FIRST]] -> (tensor<?x1x8xf32>, !kv.slot<@k>) {
// CHECK:   kv.group {kernel = "rows"}
// CHECK:     lm.select @w.0[%[[RANK]]] : !lm.weight<8x8, codes = f16>
// CHECK:     kv.append %{{.*}}[%[[LAYER]]]
// CHECK: } else {
// CHECK:   kv.group {kernel = "rows"}
// CHECK:     lm.select @w.1 : !lm.weight<8x8, codes = f32>
// CHECK:     kv.append %{{.*}}[%[[LAYER]]]
// What selects no such weight is there once.
// CHECK: kv.attend
// CHECK-NOT: kv.attend
// CHECK: kv.yield
// A layer that is a number has no branch.
// CHECK: %[[LAST:.*]] = arith.constant 3 : index
// CHECK: %[[PLACE:.*]] = arith.constant 2 : index
// CHECK-NOT: scf.if
// CHECK: lm.select @w.0[%[[PLACE]]]
// CHECK: kv.append %{{.*}}[%[[LAST]]]
func.func @forward(%x: tensor<?x8xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> (tensor<?x8xf32>, !kv.slot<@k>) {
  %tokens = kv.tokens %batch
  %y, %k1 = kv.loop %layer = 0 to 3 carry(%h = %x, %ki = %k) : tensor<?x8xf32>, !kv.slot<@k> {
    %heads, %k2 = kv.group {kernel = "rows"} -> tensor<?x1x8xf32>, !kv.slot<@k> {
      %w = lm.select @w[%layer] : !f32
      %rows = lm.linear %h, %w : tensor<?x8xf32>, !f32 -> tensor<?x8xf32>
      %split = tensor.expand_shape %rows [[0], [1, 2]] output_shape [%tokens, 1, 8] : tensor<?x8xf32> into tensor<?x1x8xf32>
      %k3 = kv.append %ki[%layer], %split, %batch : !kv.slot<@k>, tensor<?x1x8xf32>
      kv.yield %split, %k3 : tensor<?x1x8xf32>, !kv.slot<@k>
    }
    %a = kv.attend %heads, %k2[%layer], %k2[%layer], %batch {scale = 1.0 : f32} : tensor<?x1x8xf32>, !kv.slot<@k>, !kv.slot<@k> -> tensor<?x1x8xf32>
    %c = tensor.collapse_shape %a [[0], [1, 2]] : tensor<?x1x8xf32> into tensor<?x8xf32>
    kv.yield %c, %k2 : tensor<?x8xf32>, !kv.slot<@k>
  }
  %last = arith.constant 3 : index
  %w = lm.select @w[%last] : !f32
  %rows = lm.linear %y, %w : tensor<?x8xf32>, !f32 -> tensor<?x8xf32>
  %split = tensor.expand_shape %rows [[0], [1, 2]] output_shape [%tokens, 1, 8] : tensor<?x8xf32> into tensor<?x1x8xf32>
  %k2 = kv.append %k1[%last], %split, %batch : !kv.slot<@k>, tensor<?x1x8xf32>
  %a = kv.attend %split, %k2[%last], %k2[%last], %batch {scale = 1.0 : f32} : tensor<?x1x8xf32>, !kv.slot<@k>, !kv.slot<@k> -> tensor<?x1x8xf32>
  %c = tensor.collapse_shape %a [[0], [1, 2]] : tensor<?x1x8xf32> into tensor<?x8xf32>
  return %c, %k2 : tensor<?x8xf32>, !kv.slot<@k>
}

// -----

// Two weights of one op: a kind of layer is both their types. Where layers of the loop are of one kind there is no
// branch, and a kind beyond the loop is none.

// CHECK: lm.weight @w.0 family(2) source("{0,2}.w") : !lm.weight<8x8, codes = f32>
// CHECK: lm.weight @w.1 family(2) source("{1,3}.w") : !lm.weight<8x8, codes = f16>
// CHECK: lm.weight @b.0 family(2) source("{0,1}.b") : !lm.weight<8, codes = f32>
// CHECK: lm.weight @b.1 family(2) source("{2,3}.b") : !lm.weight<8, codes = f16>
lm.weight @w family(4) members([!lm.weight<8x8, codes = f32>, !lm.weight<8x8, codes = f16>, !lm.weight<8x8, codes = f32>, !lm.weight<8x8, codes = f16>])
  source("{}.w") : !lm.weight<8x8, codes = f32>
lm.weight @b family(4) members([!lm.weight<8, codes = f32>, !lm.weight<8, codes = f32>, !lm.weight<8, codes = f16>, !lm.weight<8, codes = f16>])
  source("{}.b") : !lm.weight<8, codes = f32>

// CHECK-LABEL: func.func @both(
// CHECK: dense<[0, 1, 2, 0]>
// CHECK: scf.if
// CHECK: lm.select @w.0
// CHECK: lm.select @b.0
// CHECK: } else {
// CHECK:   scf.if
// CHECK:   lm.select @w.1
// CHECK:   lm.select @b.0
// CHECK:   } else {
// CHECK:   lm.select @w.0
// CHECK:   lm.select @b.1
// CHECK-NOT: scf.if
// CHECK: kv.yield
// CHECK: lm.rms_norm
// CHECK: return
func.func @both(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = kv.loop %layer = 0 to 3 carry(%h = %x) : tensor<?x8xf32> {
    %w = lm.select @w[%layer] : !lm.weight<8x8, codes = f32>
    %b = lm.select @b[%layer] : !lm.weight<8, codes = f32>
    %z = lm.linear %h, %w bias %b : tensor<?x8xf32>, !lm.weight<8x8, codes = f32>, !lm.weight<8, codes = f32> -> tensor<?x8xf32>
    kv.yield %z : tensor<?x8xf32>
  }
  %z = kv.loop %layer = 0 to 2 carry(%h = %y) : tensor<?x8xf32> {
    %b = lm.select @b[%layer] : !lm.weight<8, codes = f32>
    %n = lm.rms_norm %h, %b {epsilon = 1.0e-05 : f32} : tensor<?x8xf32>, !lm.weight<8, codes = f32>
    kv.yield %n : tensor<?x8xf32>
  }
  return %z : tensor<?x8xf32>
}

// -----

// Five kinds are too many; a weight of layers that its cache has not stays, too. So does the type that holds all.

// CHECK: kv.cache @k layers(1) heads(1) row(8) by([@v])
kv.schema @m entries [@joined] {
  kv.cache @k layers(1) heads(1) row(8) by([@v])
}
// CHECK: lm.weight @five family(5)
lm.weight @five family(5) members([!lm.weight<8x32, codes = f32>, !lm.weight<8x32, codes = f16>, !lm.weight<8x32, codes = bf16>, !lm.weight<8x32, codes = si8, group = 32, scale = f16>, !lm.weight<8x32, codes = ui4, group = 32, scale = f16>])
  source("{}.five") : !lm.weight<8x32, codes = f32>
// CHECK: lm.weight @v family(2)
lm.weight @v family(2) members([!lm.weight<8x32, codes = f32>, !lm.weight<8x32, codes = f16>]) source("{}.v") : !lm.weight<8x32, codes = f32>

// CHECK-LABEL: func.func @joined(
// CHECK-NOT: scf.if
// CHECK: lm.select @five[%{{.*}}] : !lm.weight<8x32, codes = f32>
// CHECK: lm.select @v[%{{.*}}] : !lm.weight<8x32, codes = f32>
func.func @joined(%x: tensor<?x32xf32>, %layer: index, %k: !kv.slot<@k>, %batch: !kv.batch) -> (tensor<?x8xf32>, tensor<?x8xf32>, !kv.slot<@k>) {
  %k1 = kv.waive %k, "rows are of no interest here" : !kv.slot<@k>
  %five = lm.select @five[%layer] : !lm.weight<8x32, codes = f32>
  %y = lm.linear %x, %five : tensor<?x32xf32>, !lm.weight<8x32, codes = f32> -> tensor<?x8xf32>
  %v = lm.select @v[%layer] : !lm.weight<8x32, codes = f32>
  %z = lm.linear %x, %v : tensor<?x32xf32>, !lm.weight<8x32, codes = f32> -> tensor<?x8xf32>
  return %y, %z, %k1 : tensor<?x8xf32>, tensor<?x8xf32>, !kv.slot<@k>
}
