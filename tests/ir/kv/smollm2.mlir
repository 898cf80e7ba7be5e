// RUN: kvasir-opt %s --verify-state | FileCheck %s
// RUN: kvasir-opt %s %upstream --verify-state | FileCheck %s
// RUN: kvasir-opt %s --unroll-layers --verify-state | FileCheck %s --check-prefix=UNROLLED
// SmolLM2 as the frontend builds it, and its clone for one token. break_state.py takes it apart.

kv.schema @llama entries [@forward, @forward_1] {
  kv.cache @k layers(30) heads(3) row(64) rotated(adjacent)
  kv.cache @v layers(30) heads(3) row(64) values(@k)
}

lm.weight @embed source("embed.weight") : !lm.weight<49152x576, codes = si8, group = 32, scale = f16>
lm.weight @attn_norm family(30) source("blk.{}.attn_norm.weight") : !lm.weight<576, codes = f32>
lm.weight @attn_q family(30) source("blk.{}.attn_q.weight") : !lm.weight<576x576, codes = ui4, group = 32, scale = f16, min = f16>
lm.weight @attn_k family(30) source("blk.{}.attn_k.weight") : !lm.weight<192x576, codes = ui4, group = 32, scale = f16, min = f16>
lm.weight @attn_v family(30) source("blk.{}.attn_v.weight") : !lm.weight<192x576, codes = ui4, group = 32, scale = f16, min = f16>
lm.weight @attn_output family(30) source("blk.{}.attn_output.weight") : !lm.weight<576x576, codes = ui4, group = 32, scale = f16, min = f16>
lm.weight @ffn_norm family(30) source("blk.{}.ffn_norm.weight") : !lm.weight<576, codes = f32>
lm.weight @ffn_gate family(30) source("blk.{}.ffn_gate.weight") : !lm.weight<1536x576, codes = ui4, group = 32, scale = f16, min = f16>
lm.weight @ffn_up family(30) source("blk.{}.ffn_up.weight") : !lm.weight<1536x576, codes = ui4, group = 32, scale = f16, min = f16>
lm.weight @ffn_down family(30) source("blk.{}.ffn_down.weight") : !lm.weight<576x1536, codes = ui4, group = 32, scale = f16, min = f16>
lm.weight @output_norm source("output_norm.weight") : !lm.weight<576, codes = f32>

// CHECK-LABEL: func.func @forward(
// CHECK: kv.loop
// CHECK-COUNT-2: kv.append
// CHECK: kv.attend
// UNROLLED-LABEL: func.func @forward(
// UNROLLED-NOT: kv.loop
// UNROLLED-COUNT-60: kv.append
// UNROLLED-NOT: kv.append
// UNROLLED: return
func.func @forward(%ids: tensor<?xi32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch)
    -> (tensor<?x49152xf32>, !kv.slot<@k>, !kv.slot<@v>) {
  %t = kv.tokens %batch
  %positions = kv.positions %batch : tensor<?xi64>
  %angles = lm.rope_angles %positions {frequencies = dense<1.0> : tensor<32xf64>} : tensor<?xi64> -> tensor<?x32x2xf32>
  %embed = lm.select @embed : !lm.weight<49152x576, codes = si8, group = 32, scale = f16>
  %x = lm.embedding %ids, %embed : tensor<?xi32>, !lm.weight<49152x576, codes = si8, group = 32, scale = f16> -> tensor<?x576xf32>
  %y, %kn, %vn = kv.loop %layer = 0 to 30 carry(%h = %x, %ki = %k, %vi = %v) : tensor<?x576xf32>, !kv.slot<@k>, !kv.slot<@v> {
    %norm = lm.select @attn_norm[%layer] : !lm.weight<576, codes = f32>
    %wq = lm.select @attn_q[%layer] : !lm.weight<576x576, codes = ui4, group = 32, scale = f16, min = f16>
    %wk = lm.select @attn_k[%layer] : !lm.weight<192x576, codes = ui4, group = 32, scale = f16, min = f16>
    %wv = lm.select @attn_v[%layer] : !lm.weight<192x576, codes = ui4, group = 32, scale = f16, min = f16>
    %wo = lm.select @attn_output[%layer] : !lm.weight<576x576, codes = ui4, group = 32, scale = f16, min = f16>
    %n = lm.rms_norm %h, %norm {epsilon = 1.0e-05 : f32} : tensor<?x576xf32>, !lm.weight<576, codes = f32>
    %qf = lm.linear %n, %wq : tensor<?x576xf32>, !lm.weight<576x576, codes = ui4, group = 32, scale = f16, min = f16> -> tensor<?x576xf32>
    %kf = lm.linear %n, %wk : tensor<?x576xf32>, !lm.weight<192x576, codes = ui4, group = 32, scale = f16, min = f16> -> tensor<?x192xf32>
    %vf = lm.linear %n, %wv : tensor<?x576xf32>, !lm.weight<192x576, codes = ui4, group = 32, scale = f16, min = f16> -> tensor<?x192xf32>
    %q0 = tensor.expand_shape %qf [[0], [1, 2]] output_shape [%t, 9, 64] : tensor<?x576xf32> into tensor<?x9x64xf32>
    %k0 = tensor.expand_shape %kf [[0], [1, 2]] output_shape [%t, 3, 64] : tensor<?x192xf32> into tensor<?x3x64xf32>
    %v0 = tensor.expand_shape %vf [[0], [1, 2]] output_shape [%t, 3, 64] : tensor<?x192xf32> into tensor<?x3x64xf32>
    %q1 = lm.rope %q0, %angles lanes(adjacent) : tensor<?x9x64xf32>, tensor<?x32x2xf32>
    %kr = lm.rope %k0, %angles lanes(adjacent) : tensor<?x3x64xf32>, tensor<?x32x2xf32>
    %k1 = kv.append %ki[%layer], %kr, %batch : !kv.slot<@k>, tensor<?x3x64xf32>
    %v1 = kv.append %vi[%layer], %v0, %batch : !kv.slot<@v>, tensor<?x3x64xf32>
    %a = kv.attend %q1, %k1[%layer], %v1[%layer], %batch {scale = 0.125 : f32}
      : tensor<?x9x64xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x9x64xf32>
    %af = tensor.collapse_shape %a [[0], [1, 2]] : tensor<?x9x64xf32> into tensor<?x576xf32>
    %o = lm.linear %af, %wo : tensor<?x576xf32>, !lm.weight<576x576, codes = ui4, group = 32, scale = f16, min = f16> -> tensor<?x576xf32>
    %h1 = arith.addf %h, %o : tensor<?x576xf32>
    %fnorm = lm.select @ffn_norm[%layer] : !lm.weight<576, codes = f32>
    %wg = lm.select @ffn_gate[%layer] : !lm.weight<1536x576, codes = ui4, group = 32, scale = f16, min = f16>
    %wu = lm.select @ffn_up[%layer] : !lm.weight<1536x576, codes = ui4, group = 32, scale = f16, min = f16>
    %wd = lm.select @ffn_down[%layer] : !lm.weight<576x1536, codes = ui4, group = 32, scale = f16, min = f16>
    %m = lm.rms_norm %h1, %fnorm {epsilon = 1.0e-05 : f32} : tensor<?x576xf32>, !lm.weight<576, codes = f32>
    %g = lm.linear %m, %wg : tensor<?x576xf32>, !lm.weight<1536x576, codes = ui4, group = 32, scale = f16, min = f16> -> tensor<?x1536xf32>
    %u = lm.linear %m, %wu : tensor<?x576xf32>, !lm.weight<1536x576, codes = ui4, group = 32, scale = f16, min = f16> -> tensor<?x1536xf32>
    %s = lm.swiglu %g, %u : tensor<?x1536xf32>
    %d = lm.linear %s, %wd : tensor<?x1536xf32>, !lm.weight<576x1536, codes = ui4, group = 32, scale = f16, min = f16> -> tensor<?x576xf32>
    %h2 = arith.addf %h1, %d : tensor<?x576xf32>
    kv.yield %h2, %k1, %v1 : tensor<?x576xf32>, !kv.slot<@k>, !kv.slot<@v>
  }
  %wanted = kv.wanted %batch : tensor<?xi32>
  %yw = lm.take %y, %wanted : tensor<?x576xf32>, tensor<?xi32> -> tensor<?x576xf32>
  %onorm = lm.select @output_norm : !lm.weight<576, codes = f32>
  %yn = lm.rms_norm %yw, %onorm {epsilon = 1.0e-05 : f32} : tensor<?x576xf32>, !lm.weight<576, codes = f32>
  %logits = lm.linear %yn, %embed
    : tensor<?x576xf32>, !lm.weight<49152x576, codes = si8, group = 32, scale = f16> -> tensor<?x49152xf32>
  return %logits, %kn, %vn : tensor<?x49152xf32>, !kv.slot<@k>, !kv.slot<@v>
}

// CHECK-LABEL: func.func @forward_1(
// UNROLLED-LABEL: func.func @forward_1(
func.func @forward_1(%ids: tensor<1xi32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch {kv.sequences = 1 : i64, kv.tokens = 1 : i64})
    -> (tensor<?x49152xf32>, !kv.slot<@k>, !kv.slot<@v>) {
  %positions = kv.positions %batch : tensor<1xi64>
  %angles = lm.rope_angles %positions {frequencies = dense<1.0> : tensor<32xf64>} : tensor<1xi64> -> tensor<1x32x2xf32>
  %embed = lm.select @embed : !lm.weight<49152x576, codes = si8, group = 32, scale = f16>
  %x = lm.embedding %ids, %embed : tensor<1xi32>, !lm.weight<49152x576, codes = si8, group = 32, scale = f16> -> tensor<1x576xf32>
  %y, %kn, %vn = kv.loop %layer = 0 to 30 carry(%h = %x, %ki = %k, %vi = %v) : tensor<1x576xf32>, !kv.slot<@k>, !kv.slot<@v> {
    %norm = lm.select @attn_norm[%layer] : !lm.weight<576, codes = f32>
    %wq = lm.select @attn_q[%layer] : !lm.weight<576x576, codes = ui4, group = 32, scale = f16, min = f16>
    %wk = lm.select @attn_k[%layer] : !lm.weight<192x576, codes = ui4, group = 32, scale = f16, min = f16>
    %wv = lm.select @attn_v[%layer] : !lm.weight<192x576, codes = ui4, group = 32, scale = f16, min = f16>
    %wo = lm.select @attn_output[%layer] : !lm.weight<576x576, codes = ui4, group = 32, scale = f16, min = f16>
    %n = lm.rms_norm %h, %norm {epsilon = 1.0e-05 : f32} : tensor<1x576xf32>, !lm.weight<576, codes = f32>
    %qf = lm.linear %n, %wq : tensor<1x576xf32>, !lm.weight<576x576, codes = ui4, group = 32, scale = f16, min = f16> -> tensor<1x576xf32>
    %kf = lm.linear %n, %wk : tensor<1x576xf32>, !lm.weight<192x576, codes = ui4, group = 32, scale = f16, min = f16> -> tensor<1x192xf32>
    %vf = lm.linear %n, %wv : tensor<1x576xf32>, !lm.weight<192x576, codes = ui4, group = 32, scale = f16, min = f16> -> tensor<1x192xf32>
    %q0 = tensor.expand_shape %qf [[0], [1, 2]] output_shape [1, 9, 64] : tensor<1x576xf32> into tensor<1x9x64xf32>
    %k0 = tensor.expand_shape %kf [[0], [1, 2]] output_shape [1, 3, 64] : tensor<1x192xf32> into tensor<1x3x64xf32>
    %v0 = tensor.expand_shape %vf [[0], [1, 2]] output_shape [1, 3, 64] : tensor<1x192xf32> into tensor<1x3x64xf32>
    %q1 = lm.rope %q0, %angles lanes(adjacent) : tensor<1x9x64xf32>, tensor<1x32x2xf32>
    %kr = lm.rope %k0, %angles lanes(adjacent) : tensor<1x3x64xf32>, tensor<1x32x2xf32>
    %k1 = kv.append %ki[%layer], %kr, %batch : !kv.slot<@k>, tensor<1x3x64xf32>
    %v1 = kv.append %vi[%layer], %v0, %batch : !kv.slot<@v>, tensor<1x3x64xf32>
    %a = kv.attend %q1, %k1[%layer], %v1[%layer], %batch {scale = 0.125 : f32}
      : tensor<1x9x64xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<1x9x64xf32>
    %af = tensor.collapse_shape %a [[0], [1, 2]] : tensor<1x9x64xf32> into tensor<1x576xf32>
    %o = lm.linear %af, %wo : tensor<1x576xf32>, !lm.weight<576x576, codes = ui4, group = 32, scale = f16, min = f16> -> tensor<1x576xf32>
    %h1 = arith.addf %h, %o : tensor<1x576xf32>
    %fnorm = lm.select @ffn_norm[%layer] : !lm.weight<576, codes = f32>
    %wg = lm.select @ffn_gate[%layer] : !lm.weight<1536x576, codes = ui4, group = 32, scale = f16, min = f16>
    %wu = lm.select @ffn_up[%layer] : !lm.weight<1536x576, codes = ui4, group = 32, scale = f16, min = f16>
    %wd = lm.select @ffn_down[%layer] : !lm.weight<576x1536, codes = ui4, group = 32, scale = f16, min = f16>
    %m = lm.rms_norm %h1, %fnorm {epsilon = 1.0e-05 : f32} : tensor<1x576xf32>, !lm.weight<576, codes = f32>
    %g = lm.linear %m, %wg : tensor<1x576xf32>, !lm.weight<1536x576, codes = ui4, group = 32, scale = f16, min = f16> -> tensor<1x1536xf32>
    %u = lm.linear %m, %wu : tensor<1x576xf32>, !lm.weight<1536x576, codes = ui4, group = 32, scale = f16, min = f16> -> tensor<1x1536xf32>
    %s = lm.swiglu %g, %u : tensor<1x1536xf32>
    %d = lm.linear %s, %wd : tensor<1x1536xf32>, !lm.weight<576x1536, codes = ui4, group = 32, scale = f16, min = f16> -> tensor<1x576xf32>
    %h2 = arith.addf %h1, %d : tensor<1x576xf32>
    kv.yield %h2, %k1, %v1 : tensor<1x576xf32>, !kv.slot<@k>, !kv.slot<@v>
  }
  %wanted = kv.wanted %batch : tensor<?xi32>
  %yw = lm.take %y, %wanted : tensor<1x576xf32>, tensor<?xi32> -> tensor<?x576xf32>
  %onorm = lm.select @output_norm : !lm.weight<576, codes = f32>
  %yn = lm.rms_norm %yw, %onorm {epsilon = 1.0e-05 : f32} : tensor<?x576xf32>, !lm.weight<576, codes = f32>
  %logits = lm.linear %yn, %embed
    : tensor<?x576xf32>, !lm.weight<49152x576, codes = si8, group = 32, scale = f16> -> tensor<?x49152xf32>
  return %logits, %kn, %vn : tensor<?x49152xf32>, !kv.slot<@k>, !kv.slot<@v>
}
