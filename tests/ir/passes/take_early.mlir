// RUN: kvasir-opt %s --take-early --verify-state | FileCheck %s
// The last layer, as far as nothing but its rows that are taken needs it, is computed for these.

kv.schema @m entries [@forward] {
  kv.cache @k layers(3) heads(1) row(8)
}
lm.weight @w family(3) source("w") : !lm.weight<8x8, codes = f32>
lm.weight @n source("n") : !lm.weight<8, codes = f32>

// Before the append all rows are needed; of what comes after, only the residual stream and what was attended is taken.
// CHECK-LABEL: func.func @forward(
// CHECK: %[[Y:.*]], %{{.*}} = kv.loop %{{.*}} = 0 to 2 carry
// CHECK: %[[LAST:.*]] = arith.constant 2 : index
// CHECK: %[[ROWS:.*]] = lm.linear %[[Y]]
// CHECK: kv.append %{{.*}}[%[[LAST]]]
// CHECK: %[[ATTENDED:.*]] = tensor.collapse_shape
// CHECK: %[[WANTED:.*]] = kv.wanted
// CHECK-DAG: %[[HERE:.*]] = lm.take %[[Y]], %[[WANTED]]
// CHECK-DAG: %[[THERE:.*]] = lm.take %[[ATTENDED]], %[[WANTED]]
// CHECK-NOT: lm.take
// CHECK: %[[X:.*]] = lm.linear %[[THERE]]
// CHECK: %[[SUM:.*]] = arith.addf %[[HERE]], %[[X]]
// CHECK: %[[NORM:.*]] = lm.rms_norm %[[SUM]]
// CHECK: %[[OUT:.*]] = arith.addf %[[SUM]], %[[NORM]]
// CHECK: return %[[OUT]]
func.func @forward(%x: tensor<?x8xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> (tensor<?x8xf32>, !kv.slot<@k>) {
  %tokens = kv.tokens %batch
  %n = lm.select @n : !lm.weight<8, codes = f32>
  %y, %k1 = kv.loop %layer = 0 to 3 carry(%h = %x, %ki = %k) : tensor<?x8xf32>, !kv.slot<@k> {
    %w = lm.select @w[%layer] : !lm.weight<8x8, codes = f32>
    %rows = lm.linear %h, %w : tensor<?x8xf32>, !lm.weight<8x8, codes = f32> -> tensor<?x8xf32>
    %heads = tensor.expand_shape %rows [[0], [1, 2]] output_shape [%tokens, 1, 8] : tensor<?x8xf32> into tensor<?x1x8xf32>
    %k2 = kv.append %ki[%layer], %heads, %batch : !kv.slot<@k>, tensor<?x1x8xf32>
    %a = kv.attend %heads, %k2[%layer], %k2[%layer], %batch {scale = 1.0 : f32} : tensor<?x1x8xf32>, !kv.slot<@k>, !kv.slot<@k> -> tensor<?x1x8xf32>
    %c = tensor.collapse_shape %a [[0], [1, 2]] : tensor<?x1x8xf32> into tensor<?x8xf32>
    %o = lm.linear %c, %w : tensor<?x8xf32>, !lm.weight<8x8, codes = f32> -> tensor<?x8xf32>
    %s = arith.addf %h, %o : tensor<?x8xf32>
    %m = lm.rms_norm %s, %n {epsilon = 1.0e-05 : f32} : tensor<?x8xf32>, !lm.weight<8, codes = f32>
    %z = arith.addf %s, %m : tensor<?x8xf32>
    kv.yield %z, %k2 : tensor<?x8xf32>, !kv.slot<@k>
  }
  %wanted = kv.wanted %batch : tensor<?xi32>
  %t = lm.take %y, %wanted : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  return %t, %k1 : tensor<?x8xf32>, !kv.slot<@k>
}

// A loop of one layer goes.
// CHECK-LABEL: func.func @one(
// CHECK-NOT: kv.loop
// CHECK: lm.take
// CHECK: lm.rms_norm
// CHECK: return
func.func @one(%x: tensor<?x8xf32>, %batch: !kv.batch) -> tensor<?x8xf32> {
  %n = lm.select @n : !lm.weight<8, codes = f32>
  %y = kv.loop %layer = 0 to 1 carry(%h = %x) : tensor<?x8xf32> {
    %m = lm.rms_norm %h, %n {epsilon = 1.0e-05 : f32} : tensor<?x8xf32>, !lm.weight<8, codes = f32>
    kv.yield %m : tensor<?x8xf32>
  }
  %wanted = kv.wanted %batch : tensor<?xi32>
  %t = lm.take %y, %wanted : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  return %t : tensor<?x8xf32>
}

// What somebody else needs whole stays whole, and a loop whose last op moves nothing stays a loop.
// CHECK-LABEL: func.func @whole(
// CHECK: kv.loop %{{.*}} = 0 to 2
// CHECK: %[[WHOLE:.*]] = lm.rms_norm
// CHECK: %[[ROWS:.*]] = kv.wanted
// CHECK: lm.take %[[WHOLE]], %[[ROWS]]
// CHECK: return
func.func @whole(%x: tensor<?x8xf32>, %batch: !kv.batch) -> (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) {
  %n = lm.select @n : !lm.weight<8, codes = f32>
  %y = kv.loop %layer = 0 to 2 carry(%h = %x) : tensor<?x8xf32> {
    kv.yield %h : tensor<?x8xf32>
  }
  %m = lm.rms_norm %x, %n {epsilon = 1.0e-05 : f32} : tensor<?x8xf32>, !lm.weight<8, codes = f32>
  %wanted = kv.wanted %batch : tensor<?xi32>
  %t = lm.take %m, %wanted : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %u = lm.take %y, %wanted : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  return %t, %u, %m : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>
}

// Of a mixture all goes behind the takes of what the router takes and of the residual stream.
// CHECK-LABEL: func.func @mixture(
// CHECK: %[[ROWS:.*]] = kv.wanted
// CHECK: %[[X:.*]] = lm.take %arg0, %[[ROWS]] : tensor<?x8xf32>
// CHECK-NOT: lm.take
// CHECK: %[[LOGITS:.*]] = lm.linear %[[X]]
// CHECK: %[[EXPERTS:.*]], %[[SHARES:.*]] = lm.route %[[LOGITS]]
// CHECK: %[[GATE:.*]] = lm.expert_linear %[[X]], %{{.*}} of %[[EXPERTS]]
// CHECK: %[[DOWN:.*]] = lm.expert_linear %[[GATE]], %{{.*}} of %[[EXPERTS]]
// CHECK: %[[MIX:.*]] = lm.mix %[[DOWN]], %[[SHARES]]
// CHECK: %[[OUT:.*]] = arith.addf %[[X]], %[[MIX]]
// CHECK: return %[[OUT]]
func.func @mixture(%x: tensor<?x8xf32>, %router: !lm.weight<4x8, codes = f32>, %up: !lm.weight<32x8, codes = f32>,
                   %batch: !kv.batch) -> tensor<?x8xf32> {
  %logits = lm.linear %x, %router : tensor<?x8xf32>, !lm.weight<4x8, codes = f32> -> tensor<?x4xf32>
  %experts, %shares = lm.route %logits of(all) : tensor<?x4xf32> -> tensor<?x2xi32>, tensor<?x2xf32>
  %gate = lm.expert_linear %x, %up of %experts : tensor<?x8xf32>, !lm.weight<32x8, codes = f32>, tensor<?x2xi32> -> tensor<?x16xf32>
  %down = lm.expert_linear %gate, %up of %experts : tensor<?x16xf32>, !lm.weight<32x8, codes = f32>, tensor<?x2xi32> -> tensor<?x16xf32>
  %mix = lm.mix %down, %shares : tensor<?x16xf32>, tensor<?x2xf32> -> tensor<?x8xf32>
  %y = arith.addf %x, %mix : tensor<?x8xf32>
  %wanted = kv.wanted %batch : tensor<?xi32>
  %t = lm.take %y, %wanted : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  return %t : tensor<?x8xf32>
}

// A route of which somebody needs one result whole stays; the rows of both are taken.
// CHECK-LABEL: func.func @whole_route(
// CHECK: %[[EXPERTS:.*]], %[[SHARES:.*]] = lm.route %arg0
// CHECK-DAG: %[[TAKEN:.*]] = lm.take %[[EXPERTS]], %{{.*}} : tensor<?x2xi32>
// CHECK-DAG: %[[PARTS:.*]] = lm.take %[[SHARES]], %{{.*}} : tensor<?x2xf32>
// CHECK: lm.expert_linear %[[PARTS]], %{{.*}} of %[[TAKEN]]
// CHECK: return %{{.*}}, %[[EXPERTS]]
func.func @whole_route(%logits: tensor<?x4xf32>, %w: !lm.weight<8x2, codes = f32>, %batch: !kv.batch)
    -> (tensor<?x4xf32>, tensor<?x2xi32>) {
  %experts, %shares = lm.route %logits of(all) : tensor<?x4xf32> -> tensor<?x2xi32>, tensor<?x2xf32>
  %y = lm.expert_linear %shares, %w of %experts : tensor<?x2xf32>, !lm.weight<8x2, codes = f32>, tensor<?x2xi32> -> tensor<?x4xf32>
  %wanted = kv.wanted %batch : tensor<?xi32>
  %t = lm.take %y, %wanted : tensor<?x4xf32>, tensor<?xi32> -> tensor<?x4xf32>
  return %t, %experts : tensor<?x4xf32>, tensor<?x2xi32>
}
