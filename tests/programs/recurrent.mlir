// Recurrent layers beside attention. Each of the three layers has a causal convolution, whose register holds the last three
// inputs; layers 0 and 2 go on with linear attention, whose register is a decaying sum of key-value products, layer 1
// with attention over a cache. Batches may be ragged: each sequence of the call is scanned by itself.
!matrix = !lm.weight<64x64, codes = f16>
!narrow = !lm.weight<32x64, codes = f16>
!back = !lm.weight<64x32, codes = f16>
!wide = !lm.weight<96x64, codes = f16>
!taps = !lm.weight<4x64, codes = f32>
!vector = !lm.weight<64, codes = f32>

module attributes {lm.model = {name = "recurrent", architecture = "recurrent", context = 1024 : i64, vocabulary = 96 : i64}} {
kv.schema @recurrent entries [@forward] {
  kv.cache @k layers(1) heads(2) row(16) serves([1]) by([@k_proj])
  kv.cache @v layers(1) heads(2) row(16) values(@k) by([@v_proj])
  kv.register @past layers(3) tensor<3x64xf32>
  kv.register @sum layers(2) tensor<2x16x16xf32>
}

lm.weight @embed source("embed.weight") : !wide
lm.weight @norm family(3) source("blk.{}.norm.weight") : !vector
lm.weight @taps family(3) source("blk.{}.conv.weight") : !taps
lm.weight @q family(3) source("blk.{}.q.weight") : !narrow
lm.weight @k_proj family(3) source("blk.{}.k.weight") : !narrow
lm.weight @v_proj family(3) source("blk.{}.v.weight") : !narrow
lm.weight @out family(3) source("blk.{}.output.weight") : !back
lm.weight @output_norm source("output_norm.weight") : !vector

// y[t] = sum over j < 4 of taps[j] * x[t - 3 + j], the three rows before the call's from the register.
func.func private @convolve(%layer: index, %x: tensor<?x64xf32>, %past: tensor<?x3x64xf32>, %batch: !kv.batch)
    -> (tensor<?x64xf32>, tensor<?x3x64xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %t = kv.tokens %batch
  %b = kv.sequences %batch
  %w = lm.select @taps[%layer] : !taps
  %tile = tensor.empty() : tensor<4x64xf32>
  %taps = lm.dequantize %w rows(%c0) outs(%tile : tensor<4x64xf32>) : !taps -> tensor<4x64xf32>
  %empty = tensor.empty(%t) : tensor<?x64xf32>
  %y, %next = scf.for %i = %c0 to %b step %c1 iter_args(%yi = %empty, %ni = %past)
      -> (tensor<?x64xf32>, tensor<?x3x64xf32>) {
    %first, %count, %start = kv.sequence %batch[%i]
    %end = arith.addi %first, %count : index
    %yo, %no = scf.for %row = %first to %end step %c1 iter_args(%yr = %yi, %nr = %ni)
        -> (tensor<?x64xf32>, tensor<?x3x64xf32>) {
      %window = tensor.empty() : tensor<4x64xf32>
      %old = tensor.extract_slice %nr[%i, 0, 0] [1, 3, 64] [1, 1, 1] : tensor<?x3x64xf32> to tensor<3x64xf32>
      %new = tensor.extract_slice %x[%row, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
      %w0 = tensor.insert_slice %old into %window[0, 0] [3, 64] [1, 1] : tensor<3x64xf32> into tensor<4x64xf32>
      %w1 = tensor.insert_slice %new into %w0[3, 0] [1, 64] [1, 1] : tensor<1x64xf32> into tensor<4x64xf32>
      %zero = arith.constant 0.0 : f32
      %e = tensor.empty() : tensor<64xf32>
      %z = linalg.fill ins(%zero : f32) outs(%e : tensor<64xf32>) -> tensor<64xf32>
      %sum = linalg.generic {indexing_maps = [affine_map<(e, j) -> (j, e)>, affine_map<(e, j) -> (j, e)>,
                                              affine_map<(e, j) -> (e)>],
                             iterator_types = ["parallel", "reduction"]}
          ins(%taps, %w1 : tensor<4x64xf32>, tensor<4x64xf32>) outs(%z : tensor<64xf32>) {
        ^bb0(%tap: f32, %in: f32, %acc: f32):
          %p = arith.mulf %tap, %in : f32
          %s = arith.addf %acc, %p : f32
          linalg.yield %s : f32
      } -> tensor<64xf32>
      %last = tensor.extract_slice %w1[1, 0] [3, 64] [1, 1] : tensor<4x64xf32> to tensor<3x64xf32>
      %y1 = tensor.insert_slice %sum into %yr[%row, 0] [1, 64] [1, 1] : tensor<64xf32> into tensor<?x64xf32>
      %n1 = tensor.insert_slice %last into %nr[%i, 0, 0] [1, 3, 64] [1, 1, 1] : tensor<3x64xf32> into tensor<?x3x64xf32>
      scf.yield %y1, %n1 : tensor<?x64xf32>, tensor<?x3x64xf32>
    }
    scf.yield %yo, %no : tensor<?x64xf32>, tensor<?x3x64xf32>
  }
  return %y, %next : tensor<?x64xf32>, tensor<?x3x64xf32>
}

// s = 0.9 s + k[t]^T v[t], y[t] = q[t] s, for each head of each sequence.
func.func private @scan(%q: tensor<?x2x16xf32>, %k: tensor<?x2x16xf32>, %v: tensor<?x2x16xf32>,
                        %sum: tensor<?x2x16x16xf32>, %batch: !kv.batch)
    -> (tensor<?x2x16xf32>, tensor<?x2x16x16xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %t = kv.tokens %batch
  %b = kv.sequences %batch
  %empty = tensor.empty(%t) : tensor<?x2x16xf32>
  %y, %next = scf.for %i = %c0 to %b step %c1 iter_args(%yi = %empty, %si = %sum)
      -> (tensor<?x2x16xf32>, tensor<?x2x16x16xf32>) {
    %first, %count, %start = kv.sequence %batch[%i]
    %end = arith.addi %first, %count : index
    %yo, %so = scf.for %row = %first to %end step %c1 iter_args(%yr = %yi, %sr = %si)
        -> (tensor<?x2x16xf32>, tensor<?x2x16x16xf32>) {
      %q1 = tensor.extract_slice %q[%row, 0, 0] [1, 2, 16] [1, 1, 1] : tensor<?x2x16xf32> to tensor<2x16xf32>
      %k1 = tensor.extract_slice %k[%row, 0, 0] [1, 2, 16] [1, 1, 1] : tensor<?x2x16xf32> to tensor<2x16xf32>
      %v1 = tensor.extract_slice %v[%row, 0, 0] [1, 2, 16] [1, 1, 1] : tensor<?x2x16xf32> to tensor<2x16xf32>
      %s0 = tensor.extract_slice %sr[%i, 0, 0, 0] [1, 2, 16, 16] [1, 1, 1, 1] : tensor<?x2x16x16xf32> to tensor<2x16x16xf32>
      %s1 = linalg.generic {indexing_maps = [affine_map<(g, d, e) -> (g, d)>, affine_map<(g, d, e) -> (g, e)>,
                                             affine_map<(g, d, e) -> (g, d, e)>],
                            iterator_types = ["parallel", "parallel", "parallel"]}
          ins(%k1, %v1 : tensor<2x16xf32>, tensor<2x16xf32>) outs(%s0 : tensor<2x16x16xf32>) {
        ^bb0(%key: f32, %value: f32, %old: f32):
          %decay = arith.constant 0.9 : f32
          %kept = arith.mulf %decay, %old : f32
          %p = arith.mulf %key, %value : f32
          %new = arith.addf %kept, %p : f32
          linalg.yield %new : f32
      } -> tensor<2x16x16xf32>
      %zero = arith.constant 0.0 : f32
      %e = tensor.empty() : tensor<2x16xf32>
      %z = linalg.fill ins(%zero : f32) outs(%e : tensor<2x16xf32>) -> tensor<2x16xf32>
      %y1 = linalg.generic {indexing_maps = [affine_map<(g, e, d) -> (g, d)>, affine_map<(g, e, d) -> (g, d, e)>,
                                             affine_map<(g, e, d) -> (g, e)>],
                            iterator_types = ["parallel", "parallel", "reduction"]}
          ins(%q1, %s1 : tensor<2x16xf32>, tensor<2x16x16xf32>) outs(%z : tensor<2x16xf32>) {
        ^bb0(%query: f32, %state: f32, %acc: f32):
          %p = arith.mulf %query, %state : f32
          %s = arith.addf %acc, %p : f32
          linalg.yield %s : f32
      } -> tensor<2x16xf32>
      %y2 = tensor.insert_slice %y1 into %yr[%row, 0, 0] [1, 2, 16] [1, 1, 1] : tensor<2x16xf32> into tensor<?x2x16xf32>
      %s2 = tensor.insert_slice %s1 into %sr[%i, 0, 0, 0] [1, 2, 16, 16] [1, 1, 1, 1]
        : tensor<2x16x16xf32> into tensor<?x2x16x16xf32>
      scf.yield %y2, %s2 : tensor<?x2x16xf32>, tensor<?x2x16x16xf32>
    }
    scf.yield %yo, %so : tensor<?x2x16xf32>, tensor<?x2x16x16xf32>
  }
  return %y, %next : tensor<?x2x16xf32>, tensor<?x2x16x16xf32>
}

func.func @forward(%ids: tensor<?xi32> {kv.name = "ids", kv.role = "ids"}, %k: !kv.slot<@k>, %v: !kv.slot<@v>,
                   %past: !kv.slot<@past>, %sum: !kv.slot<@sum>, %batch: !kv.batch)
    -> (tensor<?x96xf32> {kv.name = "logits", kv.role = "logits"}, !kv.slot<@k>, !kv.slot<@v>, !kv.slot<@past>,
        !kv.slot<@sum>) {
  %t = kv.tokens %batch
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %embed = lm.select @embed : !wide
  %x = lm.embedding %ids, %embed : tensor<?xi32>, !wide -> tensor<?x64xf32>
  %y, %kn, %vn, %pn, %sn = kv.loop %layer = 0 to 3 carry(%h = %x, %ki = %k, %vi = %v, %pi = %past, %si = %sum)
      : tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v>, !kv.slot<@past>, !kv.slot<@sum> {
    %norm = lm.select @norm[%layer] : !vector
    %wq = lm.select @q[%layer] : !narrow
    %wk = lm.select @k_proj[%layer] : !narrow
    %wv = lm.select @v_proj[%layer] : !narrow
    %wo = lm.select @out[%layer] : !back
    %n = lm.rms_norm %h, %norm {epsilon = 1.0e-05 : f32} : tensor<?x64xf32>, !vector
    %before = kv.get %pi[%layer], %batch : !kv.slot<@past> -> tensor<?x3x64xf32>
    %c, %after = func.call @convolve(%layer, %n, %before, %batch)
      : (index, tensor<?x64xf32>, tensor<?x3x64xf32>, !kv.batch) -> (tensor<?x64xf32>, tensor<?x3x64xf32>)
    %p1 = kv.set %pi[%layer], %after, %batch : !kv.slot<@past>, tensor<?x3x64xf32>
    %qf = lm.linear %c, %wq : tensor<?x64xf32>, !narrow -> tensor<?x32xf32>
    %kf = lm.linear %c, %wk : tensor<?x64xf32>, !narrow -> tensor<?x32xf32>
    %vf = lm.linear %c, %wv : tensor<?x64xf32>, !narrow -> tensor<?x32xf32>
    %q3 = tensor.expand_shape %qf [[0], [1, 2]] output_shape [%t, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
    %k3 = tensor.expand_shape %kf [[0], [1, 2]] output_shape [%t, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
    %v3 = tensor.expand_shape %vf [[0], [1, 2]] output_shape [%t, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
    %attends = arith.cmpi eq, %layer, %c1 : index
    %a, %k1, %v1, %s1 = scf.if %attends -> (tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>, !kv.slot<@sum>) {
      %k2 = kv.append %ki[%c0], %k3, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
      %v2 = kv.append %vi[%c0], %v3, %batch : !kv.slot<@v>, tensor<?x2x16xf32>
      %o = kv.attend %q3, %k2[%c0], %v2[%c0], %batch {scale = 0.25 : f32}
        : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x2x16xf32>
      scf.yield %o, %k2, %v2, %si : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>, !kv.slot<@sum>
    } else {
      %stored = arith.divui %layer, %c2 : index
      %old = kv.get %si[%stored], %batch : !kv.slot<@sum> -> tensor<?x2x16x16xf32>
      %o, %new = func.call @scan(%q3, %k3, %v3, %old, %batch)
        : (tensor<?x2x16xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>, tensor<?x2x16x16xf32>, !kv.batch)
        -> (tensor<?x2x16xf32>, tensor<?x2x16x16xf32>)
      %s2 = kv.set %si[%stored], %new, %batch : !kv.slot<@sum>, tensor<?x2x16x16xf32>
      scf.yield %o, %ki, %vi, %s2 : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>, !kv.slot<@sum>
    }
    %af = tensor.collapse_shape %a [[0], [1, 2]] : tensor<?x2x16xf32> into tensor<?x32xf32>
    %o = lm.linear %af, %wo : tensor<?x32xf32>, !back -> tensor<?x64xf32>
    %h1 = arith.addf %h, %o : tensor<?x64xf32>
    kv.yield %h1, %k1, %v1, %p1, %s1
      : tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v>, !kv.slot<@past>, !kv.slot<@sum>
  }
  %wanted = kv.wanted %batch : tensor<?xi32>
  %yw = lm.take %y, %wanted : tensor<?x64xf32>, tensor<?xi32> -> tensor<?x64xf32>
  %onorm = lm.select @output_norm : !vector
  %yn = lm.rms_norm %yw, %onorm {epsilon = 1.0e-05 : f32} : tensor<?x64xf32>, !vector
  %logits = lm.linear %yn, %embed : tensor<?x64xf32>, !wide -> tensor<?x96xf32>
  return %logits, %kn, %vn, %pn, %sn
    : tensor<?x96xf32>, !kv.slot<@k>, !kv.slot<@v>, !kv.slot<@past>, !kv.slot<@sum>
}
}
