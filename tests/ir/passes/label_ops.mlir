// RUN: kvasir-opt %s --label-ops --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s
// Locations say what ops are: places, which rows, weights, slots. A group has its ops' labels, a loop says that it is
// over layers; what only gives a tensor another shape is no work.

kv.schema @m entries [@forward] {
  kv.cache @k layers(3) heads(1) row(8)
}
lm.weight @w family(3) source("blk.{}.w.weight") : !lm.weight<8x8, codes = f32>
lm.weight @e source("e.weight") : !lm.weight<32x8, codes = f32>
lm.weight @n source("n") : !lm.weight<8, codes = f32>

// CHECK-LABEL: func.func @forward(
// CHECK: lm.linear {{.*}}fused<[{at = "blk.{layer}.w", number = 0 : i64, op = "lm.linear", rows = "tokens", weights = ["blk.{}.w.weight"]}]>
// CHECK: tensor.expand_shape
// CHECK-NOT: fused
// CHECK: kv.append {{.*}}fused<[{at = "append", number = 1 : i64, op = "kv.append", rows = "tokens"}]>
// CHECK: kv.attend {{.*}}fused<[{at = "attention", heads = 1 : i64, keys = "k", number = 2 : i64, op = "kv.attend", rows = "tokens", values = "k", window = 0 : i64}]>
// CHECK: kv.yield
// CHECK-NEXT: } loc(fused<[{at = "append", {{.*}}}, {at = "attention", {{.*}}}]>
// CHECK: kv.yield
// CHECK-NEXT: } loc(fused<["layers"]>
// CHECK: lm.take {{.*}}fused<[{at = "take", number = 3 : i64, op = "lm.take", rows = "wanted"}]>
// CHECK: lm.rms_norm {{.*}}fused<[{at = "n", number = 4 : i64, op = "lm.rms_norm", rows = "wanted", weights = ["n"]}]>
func.func @forward(%x: tensor<?x8xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> (tensor<?x8xf32>, !kv.slot<@k>) {
  %tokens = kv.tokens %batch
  %n = lm.select @n : !lm.weight<8, codes = f32>
  %y, %k1 = kv.loop %layer = 0 to 3 carry(%h = %x, %ki = %k) : tensor<?x8xf32>, !kv.slot<@k> {
    %w = lm.select @w[%layer] : !lm.weight<8x8, codes = f32>
    %rows = lm.linear %h, %w : tensor<?x8xf32>, !lm.weight<8x8, codes = f32> -> tensor<?x8xf32>
    %heads = tensor.expand_shape %rows [[0], [1, 2]] output_shape [%tokens, 1, 8] : tensor<?x8xf32> into tensor<?x1x8xf32>
    %a, %k3 = kv.group {kernel = "some.attend"} -> tensor<?x1x8xf32>, !kv.slot<@k> {
      %k2 = kv.append %ki[%layer], %heads, %batch : !kv.slot<@k>, tensor<?x1x8xf32>
      %b = kv.attend %heads, %k2[%layer], %k2[%layer], %batch {scale = 1.0 : f32} : tensor<?x1x8xf32>, !kv.slot<@k>, !kv.slot<@k> -> tensor<?x1x8xf32> loc("attention")
      kv.yield %b, %k2 : tensor<?x1x8xf32>, !kv.slot<@k>
    }
    %c = tensor.collapse_shape %a [[0], [1, 2]] : tensor<?x1x8xf32> into tensor<?x8xf32>
    kv.yield %c, %k3 : tensor<?x8xf32>, !kv.slot<@k>
  }
  %wanted = kv.wanted %batch : tensor<?xi32>
  %t = lm.take %y, %wanted : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %m = lm.rms_norm %t, %n {epsilon = 1.0e-05 : f32} : tensor<?x8xf32>, !lm.weight<8, codes = f32>
  return %m, %k1 : tensor<?x8xf32>, !kv.slot<@k>
}

// Of experts each row reads the chosen.
// CHECK-LABEL: func.func @experts(
// CHECK: lm.expert_linear {{.*}}fused<[{at = "e", chosen = 2 : i64, experts = 4 : i64, number = {{.*}}, op = "lm.expert_linear", rows = "tokens", weights = ["e.weight"]}]>
func.func @experts(%x: tensor<?x8xf32>, %experts: tensor<?x2xi32>) -> tensor<?x16xf32> {
  %e = lm.select @e : !lm.weight<32x8, codes = f32>
  %y = lm.expert_linear %x, %e of %experts : tensor<?x8xf32>, !lm.weight<32x8, codes = f32>, tensor<?x2xi32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}
