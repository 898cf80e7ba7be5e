// RUN: kvasir-compile %s --explain --target avx2 | FileCheck %s
// Kernels have as many rows as the call has tokens. Ops on a number of rows of their own are decomposed.

// CHECK: lm.linear {{ *}}cpu.linear
// CHECK: lm.linear {{ *}}decomposed
!w = !lm.weight<96x64, codes = si8, group = 32, scale = f32>
module attributes {lm.model = {name = "own rows", architecture = "none", context = 64 : i64, vocabulary = 8 : i64}} {
  kv.schema @s entries [@step] { kv.cache @rows layers(1) heads(1) row(64) }
  lm.weight @w source("w") : !w
  func.func @step(%x: tensor<?x64xf32> {kv.name = "x"}, %image: tensor<300x64xf32> {kv.name = "image"},
                  %slot: !kv.slot<@rows>, %batch: !kv.batch)
      -> (tensor<?x96xf32> {kv.name = "y"}, tensor<300x96xf32> {kv.name = "z"}, !kv.slot<@rows>) {
    %c0 = arith.constant 0 : index
    %n = tensor.dim %x, %c0 : tensor<?x64xf32>
    %heads = tensor.expand_shape %x [[0], [1, 2]] output_shape [%n, 1, 64] : tensor<?x64xf32> into tensor<?x1x64xf32>
    %next = kv.append %slot[%c0], %heads, %batch : !kv.slot<@rows>, tensor<?x1x64xf32>
    %seen = kv.waive %next[%c0], "not attended here" : !kv.slot<@rows>
    %w = lm.select @w : !w
    %y = lm.linear %x, %w : tensor<?x64xf32>, !w -> tensor<?x96xf32>
    %z = lm.linear %image, %w : tensor<300x64xf32>, !w -> tensor<300x96xf32>
    return %y, %z, %seen : tensor<?x96xf32>, tensor<300x96xf32>, !kv.slot<@rows>
  }
}
