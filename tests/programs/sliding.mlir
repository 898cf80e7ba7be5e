// Gemma-like: layers that slide over 40 rows and layers that see all, and the last layers have no rows of their own.
//
//     layer         0      1      2      3      4           5
//     attends       near   near   full   near   near        full
//     rows          near 0 near 1 full 0 near 2 of layer 3  of layer 2
!matrix = !lm.weight<64x64, codes = f16>
!narrow = !lm.weight<32x64, codes = f16>
!wide = !lm.weight<96x64, codes = f16>
!down = !lm.weight<64x96, codes = f16>
!vector = !lm.weight<64, codes = f32>

module attributes {lm.model = {name = "sliding", architecture = "sliding", context = 1024 : i64, vocabulary = 96 : i64}} {
kv.schema @sliding entries [@forward] {
  kv.cache @k_near layers(3) heads(2) row(16) window(40) serves([0], [1], [3, 4]) rotated(halves) by([@attn_k])
  kv.cache @v_near layers(3) heads(2) row(16) window(40) values(@k_near) by([@attn_v])
  kv.cache @k_full layers(1) heads(2) row(16) serves([2, 5]) rotated(halves) by([@attn_k])
  kv.cache @v_full layers(1) heads(2) row(16) values(@k_full) by([@attn_v])
}

lm.weight @embed source("embed.weight") : !wide
lm.weight @attn_norm family(6) source("blk.{}.attn_norm.weight") : !vector
lm.weight @attn_q family(6) source("blk.{}.attn_q.weight") : !matrix
lm.weight @attn_k family(4) source("blk.{}.attn_k.weight") : !narrow
lm.weight @attn_v family(4) source("blk.{}.attn_v.weight") : !narrow
lm.weight @attn_output family(6) source("blk.{}.attn_output.weight") : !matrix
lm.weight @ffn_norm family(6) source("blk.{}.ffn_norm.weight") : !vector
lm.weight @ffn_gate family(6) source("blk.{}.ffn_gate.weight") : !wide
lm.weight @ffn_up family(6) source("blk.{}.ffn_up.weight") : !wide
lm.weight @ffn_down family(6) source("blk.{}.ffn_down.weight") : !down
lm.weight @output_norm source("output_norm.weight") : !vector

func.func private @norm(%layer: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = lm.select @attn_norm[%layer] : !vector
  %n = lm.rms_norm %x, %w {epsilon = 1.0e-05 : f32} : tensor<?x64xf32>, !vector
  return %n : tensor<?x64xf32>
}

func.func private @queries(%layer: index, %n: tensor<?x64xf32>, %angles: tensor<?x8x2xf32>, %batch: !kv.batch)
    -> tensor<?x4x16xf32> {
  %t = kv.tokens %batch
  %w = lm.select @attn_q[%layer] : !matrix
  %f = lm.linear %n, %w : tensor<?x64xf32>, !matrix -> tensor<?x64xf32>
  %q = tensor.expand_shape %f [[0], [1, 2]] output_shape [%t, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %r = lm.rope %q, %angles lanes(halves) : tensor<?x4x16xf32>, tensor<?x8x2xf32>
  return %r : tensor<?x4x16xf32>
}

func.func private @keys(%layer: index, %n: tensor<?x64xf32>, %angles: tensor<?x8x2xf32>, %batch: !kv.batch)
    -> tensor<?x2x16xf32> {
  %t = kv.tokens %batch
  %w = lm.select @attn_k[%layer] : !narrow
  %f = lm.linear %n, %w : tensor<?x64xf32>, !narrow -> tensor<?x32xf32>
  %k = tensor.expand_shape %f [[0], [1, 2]] output_shape [%t, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
  %r = lm.rope %k, %angles lanes(halves) : tensor<?x2x16xf32>, tensor<?x8x2xf32>
  return %r : tensor<?x2x16xf32>
}

func.func private @values(%layer: index, %n: tensor<?x64xf32>, %batch: !kv.batch) -> tensor<?x2x16xf32> {
  %t = kv.tokens %batch
  %w = lm.select @attn_v[%layer] : !narrow
  %f = lm.linear %n, %w : tensor<?x64xf32>, !narrow -> tensor<?x32xf32>
  %v = tensor.expand_shape %f [[0], [1, 2]] output_shape [%t, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
  return %v : tensor<?x2x16xf32>
}

// What follows attention: its projection, and the feed-forward network.
func.func private @rest(%layer: index, %x: tensor<?x64xf32>, %a: tensor<?x4x16xf32>) -> tensor<?x64xf32> {
  %wo = lm.select @attn_output[%layer] : !matrix
  %norm = lm.select @ffn_norm[%layer] : !vector
  %wg = lm.select @ffn_gate[%layer] : !wide
  %wu = lm.select @ffn_up[%layer] : !wide
  %wd = lm.select @ffn_down[%layer] : !down
  %af = tensor.collapse_shape %a [[0], [1, 2]] : tensor<?x4x16xf32> into tensor<?x64xf32>
  %o = lm.linear %af, %wo : tensor<?x64xf32>, !matrix -> tensor<?x64xf32>
  %h = arith.addf %x, %o : tensor<?x64xf32>
  %n = lm.rms_norm %h, %norm {epsilon = 1.0e-05 : f32} : tensor<?x64xf32>, !vector
  %g = lm.linear %n, %wg : tensor<?x64xf32>, !wide -> tensor<?x96xf32>
  %u = lm.linear %n, %wu : tensor<?x64xf32>, !wide -> tensor<?x96xf32>
  %s = lm.swiglu %g, %u : tensor<?x96xf32>
  %d = lm.linear %s, %wd : tensor<?x96xf32>, !down -> tensor<?x64xf32>
  %y = arith.addf %h, %d : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// A layer that slides, whose rows are layer %stored of the near caches.
func.func private @near(%layer: index, %stored: index, %x: tensor<?x64xf32>, %angles: tensor<?x8x2xf32>,
                        %k: !kv.slot<@k_near>, %v: !kv.slot<@v_near>, %batch: !kv.batch)
    -> (tensor<?x64xf32>, !kv.slot<@k_near>, !kv.slot<@v_near>) {
  %n = func.call @norm(%layer, %x) : (index, tensor<?x64xf32>) -> tensor<?x64xf32>
  %q = func.call @queries(%layer, %n, %angles, %batch)
    : (index, tensor<?x64xf32>, tensor<?x8x2xf32>, !kv.batch) -> tensor<?x4x16xf32>
  %kr = func.call @keys(%layer, %n, %angles, %batch)
    : (index, tensor<?x64xf32>, tensor<?x8x2xf32>, !kv.batch) -> tensor<?x2x16xf32>
  %vr = func.call @values(%layer, %n, %batch) : (index, tensor<?x64xf32>, !kv.batch) -> tensor<?x2x16xf32>
  %k1 = kv.append %k[%stored], %kr, %batch : !kv.slot<@k_near>, tensor<?x2x16xf32>
  %v1 = kv.append %v[%stored], %vr, %batch : !kv.slot<@v_near>, tensor<?x2x16xf32>
  %a = kv.attend %q, %k1[%stored], %v1[%stored], %batch {scale = 0.25 : f32, window = 40}
    : tensor<?x4x16xf32>, !kv.slot<@k_near>, !kv.slot<@v_near> -> tensor<?x4x16xf32>
  %y = func.call @rest(%layer, %x, %a) : (index, tensor<?x64xf32>, tensor<?x4x16xf32>) -> tensor<?x64xf32>
  return %y, %k1, %v1 : tensor<?x64xf32>, !kv.slot<@k_near>, !kv.slot<@v_near>
}

func.func @forward(%ids: tensor<?xi32> {kv.name = "ids", kv.role = "ids"}, %kn: !kv.slot<@k_near>,
                   %vn: !kv.slot<@v_near>, %kf: !kv.slot<@k_full>, %vf: !kv.slot<@v_full>, %batch: !kv.batch)
    -> (tensor<?x96xf32> {kv.name = "logits", kv.role = "logits"}, !kv.slot<@k_near>, !kv.slot<@v_near>,
        !kv.slot<@k_full>, !kv.slot<@v_full>) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %c4 = arith.constant 4 : index
  %c5 = arith.constant 5 : index
  %positions = kv.positions %batch : tensor<?xi64>
  %angles = lm.rope_angles %positions
    {frequencies = dense<[1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003]> : tensor<8xf64>}
    : tensor<?xi64> -> tensor<?x8x2xf32>
  %embed = lm.select @embed : !wide
  %x = lm.embedding %ids, %embed : tensor<?xi32>, !wide -> tensor<?x64xf32>

  %x2, %kn2, %vn2 = kv.loop %layer = 0 to 2 carry(%h = %x, %ki = %kn, %vi = %vn)
      : tensor<?x64xf32>, !kv.slot<@k_near>, !kv.slot<@v_near> {
    %h1, %k1, %v1 = func.call @near(%layer, %layer, %h, %angles, %ki, %vi, %batch)
      : (index, index, tensor<?x64xf32>, tensor<?x8x2xf32>, !kv.slot<@k_near>, !kv.slot<@v_near>, !kv.batch)
      -> (tensor<?x64xf32>, !kv.slot<@k_near>, !kv.slot<@v_near>)
    kv.yield %h1, %k1, %v1 : tensor<?x64xf32>, !kv.slot<@k_near>, !kv.slot<@v_near>
  }

  %n2 = func.call @norm(%c2, %x2) : (index, tensor<?x64xf32>) -> tensor<?x64xf32>
  %q2 = func.call @queries(%c2, %n2, %angles, %batch)
    : (index, tensor<?x64xf32>, tensor<?x8x2xf32>, !kv.batch) -> tensor<?x4x16xf32>
  %kr2 = func.call @keys(%c2, %n2, %angles, %batch)
    : (index, tensor<?x64xf32>, tensor<?x8x2xf32>, !kv.batch) -> tensor<?x2x16xf32>
  %vr2 = func.call @values(%c2, %n2, %batch) : (index, tensor<?x64xf32>, !kv.batch) -> tensor<?x2x16xf32>
  %kf1 = kv.append %kf[%c0], %kr2, %batch : !kv.slot<@k_full>, tensor<?x2x16xf32>
  %vf1 = kv.append %vf[%c0], %vr2, %batch : !kv.slot<@v_full>, tensor<?x2x16xf32>
  %a2 = kv.attend %q2, %kf1[%c0], %vf1[%c0], %batch {scale = 0.25 : f32}
    : tensor<?x4x16xf32>, !kv.slot<@k_full>, !kv.slot<@v_full> -> tensor<?x4x16xf32>
  %x3 = func.call @rest(%c2, %x2, %a2) : (index, tensor<?x64xf32>, tensor<?x4x16xf32>) -> tensor<?x64xf32>

  %x4, %kn3, %vn3 = func.call @near(%c3, %c2, %x3, %angles, %kn2, %vn2, %batch)
    : (index, index, tensor<?x64xf32>, tensor<?x8x2xf32>, !kv.slot<@k_near>, !kv.slot<@v_near>, !kv.batch)
    -> (tensor<?x64xf32>, !kv.slot<@k_near>, !kv.slot<@v_near>)

  %n4 = func.call @norm(%c4, %x4) : (index, tensor<?x64xf32>) -> tensor<?x64xf32>
  %q4 = func.call @queries(%c4, %n4, %angles, %batch)
    : (index, tensor<?x64xf32>, tensor<?x8x2xf32>, !kv.batch) -> tensor<?x4x16xf32>
  %near_keys = kv.borrow %kn3[%c2] : !kv.slot<@k_near> -> !kv.view<@k_near>
  %near_values = kv.borrow %vn3[%c2] : !kv.slot<@v_near> -> !kv.view<@v_near>
  %a4 = kv.attend %q4, %near_keys, %near_values, %batch {scale = 0.25 : f32, window = 40}
    : tensor<?x4x16xf32>, !kv.view<@k_near>, !kv.view<@v_near> -> tensor<?x4x16xf32>
  %x5 = func.call @rest(%c4, %x4, %a4) : (index, tensor<?x64xf32>, tensor<?x4x16xf32>) -> tensor<?x64xf32>

  %n5 = func.call @norm(%c5, %x5) : (index, tensor<?x64xf32>) -> tensor<?x64xf32>
  %q5 = func.call @queries(%c5, %n5, %angles, %batch)
    : (index, tensor<?x64xf32>, tensor<?x8x2xf32>, !kv.batch) -> tensor<?x4x16xf32>
  %full_keys = kv.borrow %kf1[%c0] : !kv.slot<@k_full> -> !kv.view<@k_full>
  %full_values = kv.borrow %vf1[%c0] : !kv.slot<@v_full> -> !kv.view<@v_full>
  %a5 = kv.attend %q5, %full_keys, %full_values, %batch {scale = 0.25 : f32}
    : tensor<?x4x16xf32>, !kv.view<@k_full>, !kv.view<@v_full> -> tensor<?x4x16xf32>
  %x6 = func.call @rest(%c5, %x5, %a5) : (index, tensor<?x64xf32>, tensor<?x4x16xf32>) -> tensor<?x64xf32>

  %wanted = kv.wanted %batch : tensor<?xi32>
  %yw = lm.take %x6, %wanted : tensor<?x64xf32>, tensor<?xi32> -> tensor<?x64xf32>
  %onorm = lm.select @output_norm : !vector
  %yn = lm.rms_norm %yw, %onorm {epsilon = 1.0e-05 : f32} : tensor<?x64xf32>, !vector
  %logits = lm.linear %yn, %embed : tensor<?x64xf32>, !wide -> tensor<?x96xf32>
  return %logits, %kn3, %vn3, %kf1, %vf1
    : tensor<?x96xf32>, !kv.slot<@k_near>, !kv.slot<@v_near>, !kv.slot<@k_full>, !kv.slot<@v_full>
}
}
