// A llama of six layers: one function for every call, layers in a loop, each layer in a function of its own.
!matrix = !lm.weight<64x64, codes = f16>
!narrow = !lm.weight<32x64, codes = f16>
!wide = !lm.weight<96x64, codes = f16>
!down = !lm.weight<64x96, codes = f16>
!vector = !lm.weight<64, codes = f32>

module attributes {lm.model = {name = "llama", architecture = "llama", context = 1024 : i64, vocabulary = 96 : i64}} {
kv.schema @llama entries [@forward] {
  kv.cache @k layers(6) heads(2) row(16) serves([0], [1], [2], [3], [4], [5]) rotated(adjacent) by([@attn_k])
  kv.cache @v layers(6) heads(2) row(16) values(@k) by([@attn_v])
}

lm.weight @embed source("embed.weight") : !wide
lm.weight @attn_norm family(6) source("blk.{}.attn_norm.weight") : !vector
lm.weight @attn_q family(6) source("blk.{}.attn_q.weight") : !matrix
lm.weight @attn_k family(6) source("blk.{}.attn_k.weight") : !narrow
lm.weight @attn_v family(6) source("blk.{}.attn_v.weight") : !narrow
lm.weight @attn_output family(6) source("blk.{}.attn_output.weight") : !matrix
lm.weight @ffn_norm family(6) source("blk.{}.ffn_norm.weight") : !vector
lm.weight @ffn_gate family(6) source("blk.{}.ffn_gate.weight") : !wide
lm.weight @ffn_up family(6) source("blk.{}.ffn_up.weight") : !wide
lm.weight @ffn_down family(6) source("blk.{}.ffn_down.weight") : !down
lm.weight @output_norm source("output_norm.weight") : !vector

func.func private @feed_forward(%layer: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %norm = lm.select @ffn_norm[%layer] : !vector
  %wg = lm.select @ffn_gate[%layer] : !wide
  %wu = lm.select @ffn_up[%layer] : !wide
  %wd = lm.select @ffn_down[%layer] : !down
  %n = lm.rms_norm %x, %norm {epsilon = 1.0e-05 : f32} : tensor<?x64xf32>, !vector
  %g = lm.linear %n, %wg : tensor<?x64xf32>, !wide -> tensor<?x96xf32>
  %u = lm.linear %n, %wu : tensor<?x64xf32>, !wide -> tensor<?x96xf32>
  %s = lm.swiglu %g, %u : tensor<?x96xf32>
  %d = lm.linear %s, %wd : tensor<?x96xf32>, !down -> tensor<?x64xf32>
  %y = arith.addf %x, %d : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

func.func private @layer(%layer: index, %x: tensor<?x64xf32>, %angles: tensor<?x8x2xf32>, %k: !kv.slot<@k>,
                         %v: !kv.slot<@v>, %batch: !kv.batch) -> (tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v>) {
  %t = kv.tokens %batch
  %norm = lm.select @attn_norm[%layer] : !vector
  %wq = lm.select @attn_q[%layer] : !matrix
  %wk = lm.select @attn_k[%layer] : !narrow
  %wv = lm.select @attn_v[%layer] : !narrow
  %wo = lm.select @attn_output[%layer] : !matrix
  %n = lm.rms_norm %x, %norm {epsilon = 1.0e-05 : f32} : tensor<?x64xf32>, !vector
  %qf = lm.linear %n, %wq : tensor<?x64xf32>, !matrix -> tensor<?x64xf32>
  %kf = lm.linear %n, %wk : tensor<?x64xf32>, !narrow -> tensor<?x32xf32>
  %vf = lm.linear %n, %wv : tensor<?x64xf32>, !narrow -> tensor<?x32xf32>
  %q0 = tensor.expand_shape %qf [[0], [1, 2]] output_shape [%t, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %k0 = tensor.expand_shape %kf [[0], [1, 2]] output_shape [%t, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
  %v0 = tensor.expand_shape %vf [[0], [1, 2]] output_shape [%t, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
  %q1 = lm.rope %q0, %angles lanes(adjacent) : tensor<?x4x16xf32>, tensor<?x8x2xf32>
  %kr = lm.rope %k0, %angles lanes(adjacent) : tensor<?x2x16xf32>, tensor<?x8x2xf32>
  %k1 = kv.append %k[%layer], %kr, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  %v1 = kv.append %v[%layer], %v0, %batch : !kv.slot<@v>, tensor<?x2x16xf32>
  %a = kv.attend %q1, %k1[%layer], %v1[%layer], %batch {scale = 0.25 : f32}
    : tensor<?x4x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x4x16xf32>
  %af = tensor.collapse_shape %a [[0], [1, 2]] : tensor<?x4x16xf32> into tensor<?x64xf32>
  %o = lm.linear %af, %wo : tensor<?x64xf32>, !matrix -> tensor<?x64xf32>
  %h = arith.addf %x, %o : tensor<?x64xf32>
  %y = func.call @feed_forward(%layer, %h) : (index, tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y, %k1, %v1 : tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v>
}

func.func @forward(%ids: tensor<?xi32> {kv.name = "ids", kv.role = "ids"}, %k: !kv.slot<@k>, %v: !kv.slot<@v>,
                   %batch: !kv.batch)
    -> (tensor<?x96xf32> {kv.name = "logits", kv.role = "logits"}, !kv.slot<@k>, !kv.slot<@v>) {
  %positions = kv.positions %batch : tensor<?xi64>
  %angles = lm.rope_angles %positions
    {frequencies = dense<[1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003]> : tensor<8xf64>}
    : tensor<?xi64> -> tensor<?x8x2xf32>
  %embed = lm.select @embed : !wide
  %x = lm.embedding %ids, %embed : tensor<?xi32>, !wide -> tensor<?x64xf32>
  %y, %kn, %vn = kv.loop %layer = 0 to 6 carry(%h = %x, %ki = %k, %vi = %v)
      : tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v> {
    %h1, %k1, %v1 = func.call @layer(%layer, %h, %angles, %ki, %vi, %batch)
      : (index, tensor<?x64xf32>, tensor<?x8x2xf32>, !kv.slot<@k>, !kv.slot<@v>, !kv.batch)
      -> (tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v>)
    kv.yield %h1, %k1, %v1 : tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v>
  }
  %wanted = kv.wanted %batch : tensor<?xi32>
  %yw = lm.take %y, %wanted : tensor<?x64xf32>, tensor<?xi32> -> tensor<?x64xf32>
  %onorm = lm.select @output_norm : !vector
  %yn = lm.rms_norm %yw, %onorm {epsilon = 1.0e-05 : f32} : tensor<?x64xf32>, !vector
  %logits = lm.linear %yn, %embed : tensor<?x64xf32>, !wide -> tensor<?x96xf32>
  return %logits, %kn, %vn : tensor<?x96xf32>, !kv.slot<@k>, !kv.slot<@v>
}
}
