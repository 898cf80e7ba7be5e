// RUN: kvasir-opt %s --verify-state --probe-ops --verify-state | FileCheck %s
// Each op of lm is a function too: of its tensors and, where its weight is of a layer, of the layer. Wanted rows stay the
// call's. Ops of kv are left out, and the entry stays as it is.

// CHECK: kv.schema @m entries [@forward] {
kv.schema @m entries [@forward] {
  kv.cache @k layers(2) heads(1) row(8)
}
lm.weight @up family(2) source("blk.{}.up.weight") : !lm.weight<16x8, codes = f32>
lm.weight @gate family(2) source("blk.{}.gate.weight") : !lm.weight<16x8, codes = f32>
lm.weight @norm family(2) source("blk.{}.norm.weight") : !lm.weight<8, codes = f32>
lm.weight @down source("down.weight") : !lm.weight<8x16, codes = f32>
lm.weight @embedding source("embedding.weight") : !lm.weight<32x8, codes = f32>

// CHECK-LABEL: func.func @forward(
// CHECK-NOT: kv.probe

// CHECK-LABEL: func.func @probe.embedding(
// CHECK-SAME: %[[IDS:.*]]: tensor<?xi32> {kv.limit = 32 : i64, kv.name = "ids"}, %{{.*}}: !kv.batch) -> (tensor<?x8xf32> {kv.extents = "T", kv.name = "result"}) attributes {kv.probe} {
// CHECK-NEXT: %[[W:.*]] = lm.select @embedding :
// CHECK-NEXT: %[[Y:.*]] = lm.embedding %[[IDS]], %[[W]]
// CHECK-NEXT: return %[[Y]]

// Of several ops in one place, the first has its name; those that differ in nothing but their layer and inputs share one.
// CHECK-LABEL: func.func @probe.blk.up(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32> {kv.name = "input"}, %[[LAYER:.*]]: tensor<1xi32> {kv.limit = 2 : i64, kv.name = "layer"}, %{{.*}}: !kv.batch)
// CHECK: %[[NUMBER:.*]] = tensor.extract %[[LAYER]][%{{.*}}] : tensor<1xi32>
// CHECK: %[[INDEX:.*]] = arith.index_cast %[[NUMBER]] : i32 to index
// CHECK: lm.select @norm[%[[INDEX]]]
// CHECK: lm.rms_norm %[[X]]
// CHECK-LABEL: func.func @probe.blk.up.linear(
// CHECK: lm.select @up
// CHECK-LABEL: func.func @probe.blk.up.linear.1(
// CHECK: lm.select @gate
// CHECK-NOT: probe.blk.up

// Without a name of its place, an op has its own. Names of inputs are those of the op.
// CHECK-LABEL: func.func @probe.swiglu(
// CHECK-SAME: tensor<?x16xf32> {kv.name = "gate"}, %{{.*}}: tensor<?x16xf32> {kv.name = "up"}, %{{.*}}: !kv.batch)

// CHECK-LABEL: func.func @probe.down(
// CHECK-NOT: "layer"
// CHECK: lm.linear

// CHECK-LABEL: func.func @probe.wanted(
// CHECK-SAME: tensor<?x8xf32> {kv.name = "input"}, %[[BATCH:.*]]: !kv.batch) -> (tensor<?x8xf32> {kv.name = "result"})
// CHECK: kv.wanted %[[BATCH]]
// CHECK: lm.take
// CHECK-NOT: kv.append
func.func @forward(%ids: tensor<?xi32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> (tensor<?x8xf32>, !kv.slot<@k>) {
  %e = lm.select @embedding : !lm.weight<32x8, codes = f32>
  %x = lm.embedding %ids, %e : tensor<?xi32>, !lm.weight<32x8, codes = f32> -> tensor<?x8xf32> loc("embedding")
  %y, %k9 = kv.loop %layer = 0 to 2 carry(%h = %x, %k0 = %k) : tensor<?x8xf32>, !kv.slot<@k> {
    %n = lm.select @norm[%layer] : !lm.weight<8, codes = f32>
    %normed = lm.rms_norm %h, %n {epsilon = 1.0e-05 : f32} : tensor<?x8xf32>, !lm.weight<8, codes = f32> loc("blk.{layer}.up")
    %w = lm.select @up[%layer] : !lm.weight<16x8, codes = f32>
    %gate = lm.linear %normed, %w : tensor<?x8xf32>, !lm.weight<16x8, codes = f32> -> tensor<?x16xf32> loc("blk.{layer}.up")
    %g = lm.select @gate[%layer] : !lm.weight<16x8, codes = f32>
    %up = lm.linear %h, %g : tensor<?x8xf32>, !lm.weight<16x8, codes = f32> -> tensor<?x16xf32> loc("blk.{layer}.up")
    %again = lm.linear %h, %w : tensor<?x8xf32>, !lm.weight<16x8, codes = f32> -> tensor<?x16xf32> loc("blk.{layer}.up")
    %hidden = lm.swiglu %gate, %up : tensor<?x16xf32>
    %d = lm.select @down : !lm.weight<8x16, codes = f32>
    %down = lm.linear %hidden, %d : tensor<?x16xf32>, !lm.weight<8x16, codes = f32> -> tensor<?x8xf32> loc("down")
    %t = kv.tokens %batch
    %rows = tensor.expand_shape %down [[0], [1, 2]] output_shape [%t, 1, 8] : tensor<?x8xf32> into tensor<?x1x8xf32>
    %k1 = kv.append %k0[%layer], %rows, %batch : !kv.slot<@k>, tensor<?x1x8xf32>
    %a = kv.attend %rows, %k1[%layer], %k1[%layer], %batch {scale = 1.0 : f32}
      : tensor<?x1x8xf32>, !kv.slot<@k>, !kv.slot<@k> -> tensor<?x1x8xf32>
    kv.yield %down, %k1 : tensor<?x8xf32>, !kv.slot<@k>
  }
  %r = kv.wanted %batch : tensor<?xi32>
  %last = lm.take %y, %r : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32> loc("wanted")
  return %last, %k9 : tensor<?x8xf32>, !kv.slot<@k>
}
