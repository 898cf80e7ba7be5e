// As a Core ML package has it: the position is an input; each layer updates a slice of its state and attends over all
// rows so far under a mask that the caller makes. Prefill and decode are functions of their own.
!square = !lm.weight<32x32, codes = f16>
!wide = !lm.weight<96x32, codes = f16>
!vector = !lm.weight<32, codes = f32>

module attributes {lm.model = {name = "imported_position", architecture = "imported", context = 1024 : i64, vocabulary = 96 : i64}} {
kv.schema @imported entries [@prefill, @decode] {
  kv.cache @k layers(2) heads(2) row(16) by([@k_proj])
  kv.cache @v layers(2) heads(2) row(16) values(@k) by([@v_proj])
}

lm.weight @embed source("embed.weight") : !wide
lm.weight @norm family(2) source("blk.{}.norm.weight") : !vector
lm.weight @q family(2) source("blk.{}.q.weight") : !square
lm.weight @k_proj family(2) source("blk.{}.k.weight") : !square
lm.weight @v_proj family(2) source("blk.{}.v.weight") : !square
lm.weight @out family(2) source("blk.{}.output.weight") : !square
lm.weight @output_norm source("output_norm.weight") : !vector

// softmax(0.25 q k + mask) v over all rows, as ops on tensors.
func.func private @attention(%q: tensor<?x2x16xf32>, %k: tensor<?x2x16xf32>, %v: tensor<?x2x16xf32>,
                             %mask: tensor<1x1x?x?xf32>, %count: index, %end: index) -> tensor<?x2x16xf32> {
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant 0xFF800000 : f32
  %e0 = tensor.empty(%count, %end) : tensor<2x?x?xf32>
  %z0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<2x?x?xf32>) -> tensor<2x?x?xf32>
  %dots = linalg.generic {indexing_maps = [affine_map<(h, t, s, d) -> (t, h, d)>, affine_map<(h, t, s, d) -> (s, h, d)>,
                                           affine_map<(h, t, s, d) -> (h, t, s)>],
                          iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k : tensor<?x2x16xf32>, tensor<?x2x16xf32>) outs(%z0 : tensor<2x?x?xf32>) {
    ^bb0(%a: f32, %b: f32, %acc: f32):
      %p = arith.mulf %a, %b : f32
      %s = arith.addf %acc, %p : f32
      linalg.yield %s : f32
  } -> tensor<2x?x?xf32>
  %e1 = tensor.empty(%count, %end) : tensor<2x?x?xf32>
  %scores = linalg.generic {indexing_maps = [affine_map<(h, t, s) -> (h, t, s)>, affine_map<(h, t, s) -> (0, 0, t, s)>,
                                             affine_map<(h, t, s) -> (h, t, s)>],
                            iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%dots, %mask : tensor<2x?x?xf32>, tensor<1x1x?x?xf32>) outs(%e1 : tensor<2x?x?xf32>) {
    ^bb0(%dot: f32, %m: f32, %out: f32):
      %scale = arith.constant 0.25 : f32
      %scaled = arith.mulf %dot, %scale : f32
      %s = arith.addf %scaled, %m : f32
      linalg.yield %s : f32
  } -> tensor<2x?x?xf32>
  %e2 = tensor.empty(%count) : tensor<2x?xf32>
  %z2 = linalg.fill ins(%lowest : f32) outs(%e2 : tensor<2x?xf32>) -> tensor<2x?xf32>
  %most = linalg.generic {indexing_maps = [affine_map<(h, t, s) -> (h, t, s)>, affine_map<(h, t, s) -> (h, t)>],
                          iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%scores : tensor<2x?x?xf32>) outs(%z2 : tensor<2x?xf32>) {
    ^bb0(%s: f32, %acc: f32):
      %m = arith.maximumf %acc, %s : f32
      linalg.yield %m : f32
  } -> tensor<2x?xf32>
  %e3 = tensor.empty(%count, %end) : tensor<2x?x?xf32>
  %weights = linalg.generic {indexing_maps = [affine_map<(h, t, s) -> (h, t, s)>, affine_map<(h, t, s) -> (h, t)>,
                                              affine_map<(h, t, s) -> (h, t, s)>],
                             iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%scores, %most : tensor<2x?x?xf32>, tensor<2x?xf32>) outs(%e3 : tensor<2x?x?xf32>) {
    ^bb0(%s: f32, %m: f32, %out: f32):
      %d = arith.subf %s, %m : f32
      %w = math.exp %d : f32
      linalg.yield %w : f32
  } -> tensor<2x?x?xf32>
  %e4 = tensor.empty(%count) : tensor<2x?xf32>
  %z4 = linalg.fill ins(%zero : f32) outs(%e4 : tensor<2x?xf32>) -> tensor<2x?xf32>
  %sum = linalg.generic {indexing_maps = [affine_map<(h, t, s) -> (h, t, s)>, affine_map<(h, t, s) -> (h, t)>],
                         iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%weights : tensor<2x?x?xf32>) outs(%z4 : tensor<2x?xf32>) {
    ^bb0(%w: f32, %acc: f32):
      %s = arith.addf %acc, %w : f32
      linalg.yield %s : f32
  } -> tensor<2x?xf32>
  %e5 = tensor.empty(%count) : tensor<?x2x16xf32>
  %z5 = linalg.fill ins(%zero : f32) outs(%e5 : tensor<?x2x16xf32>) -> tensor<?x2x16xf32>
  %mixed = linalg.generic {indexing_maps = [affine_map<(h, t, d, s) -> (h, t, s)>, affine_map<(h, t, d, s) -> (s, h, d)>,
                                            affine_map<(h, t, d, s) -> (t, h, d)>],
                           iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%weights, %v : tensor<2x?x?xf32>, tensor<?x2x16xf32>) outs(%z5 : tensor<?x2x16xf32>) {
    ^bb0(%w: f32, %value: f32, %acc: f32):
      %p = arith.mulf %w, %value : f32
      %s = arith.addf %acc, %p : f32
      linalg.yield %s : f32
  } -> tensor<?x2x16xf32>
  %e6 = tensor.empty(%count) : tensor<?x2x16xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(t, h, d) -> (t, h, d)>, affine_map<(t, h, d) -> (h, t)>,
                                        affine_map<(t, h, d) -> (t, h, d)>],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%mixed, %sum : tensor<?x2x16xf32>, tensor<2x?xf32>) outs(%e6 : tensor<?x2x16xf32>) {
    ^bb0(%x: f32, %s: f32, %out: f32):
      %r = arith.divf %x, %s : f32
      linalg.yield %r : f32
  } -> tensor<?x2x16xf32>
  return %y : tensor<?x2x16xf32>
}

// Rows begin .. begin + count - 1 are written, rows 0 .. end - 1 read.
func.func private @model(%ids: tensor<1x?xi32>, %mask: tensor<1x1x?x?xf32>, %begin: index, %count: index, %end: index,
                         %k: !kv.slot<@k>, %v: !kv.slot<@v>) -> (tensor<1x?x96xf32>, !kv.slot<@k>, !kv.slot<@v>) {
  %c0 = arith.constant 0 : index
  %embed = lm.select @embed : !wide
  %flat = tensor.collapse_shape %ids [[0, 1]] : tensor<1x?xi32> into tensor<?xi32>
  %x = lm.embedding %flat, %embed : tensor<?xi32>, !wide -> tensor<?x32xf32>
  %places = tensor.empty(%count) : tensor<?xi64>
  %positions = linalg.generic {indexing_maps = [affine_map<(t) -> (t)>], iterator_types = ["parallel"]}
      outs(%places : tensor<?xi64>) {
    ^bb0(%out: i64):
      %t = linalg.index 0 : index
      %p = arith.addi %begin, %t : index
      %position = arith.index_cast %p : index to i64
      linalg.yield %position : i64
  } -> tensor<?xi64>
  %angles = lm.rope_angles %positions
    {frequencies = dense<[1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003]> : tensor<8xf64>}
    : tensor<?xi64> -> tensor<?x8x2xf32>
  %y, %kn, %vn = kv.loop %layer = 0 to 2 carry(%h = %x, %ki = %k, %vi = %v)
      : tensor<?x32xf32>, !kv.slot<@k>, !kv.slot<@v> {
    %norm = lm.select @norm[%layer] : !vector
    %wq = lm.select @q[%layer] : !square
    %wk = lm.select @k_proj[%layer] : !square
    %wv = lm.select @v_proj[%layer] : !square
    %wo = lm.select @out[%layer] : !square
    %n = lm.rms_norm %h, %norm {epsilon = 1.0e-05 : f32} : tensor<?x32xf32>, !vector
    %qf = lm.linear %n, %wq : tensor<?x32xf32>, !square -> tensor<?x32xf32>
    %kf = lm.linear %n, %wk : tensor<?x32xf32>, !square -> tensor<?x32xf32>
    %vf = lm.linear %n, %wv : tensor<?x32xf32>, !square -> tensor<?x32xf32>
    %q0 = tensor.expand_shape %qf [[0], [1, 2]] output_shape [%count, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
    %k0 = tensor.expand_shape %kf [[0], [1, 2]] output_shape [%count, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
    %v0 = tensor.expand_shape %vf [[0], [1, 2]] output_shape [%count, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
    %qr = lm.rope %q0, %angles lanes(halves) : tensor<?x2x16xf32>, tensor<?x8x2xf32>
    %kr = lm.rope %k0, %angles lanes(halves) : tensor<?x2x16xf32>, tensor<?x8x2xf32>
    %krows = tensor.extract_slice %kr[0, 0, 0] [%count, 2, 16] [1, 1, 1] : tensor<?x2x16xf32> to tensor<?x2x16xf32>
    %vrows = tensor.extract_slice %v0[0, 0, 0] [%count, 2, 16] [1, 1, 1] : tensor<?x2x16xf32> to tensor<?x2x16xf32>
    %k1 = kv.write %ki[%layer], %krows at(%begin) : !kv.slot<@k>, tensor<?x2x16xf32>
    %v1 = kv.write %vi[%layer], %vrows at(%begin) : !kv.slot<@v>, tensor<?x2x16xf32>
    %keys = kv.read %k1[%layer] rows(%c0, %end) : !kv.slot<@k> -> tensor<?x2x16xf32>
    %values = kv.read %v1[%layer] rows(%c0, %end) : !kv.slot<@v> -> tensor<?x2x16xf32>
    %a = func.call @attention(%qr, %keys, %values, %mask, %count, %end)
      : (tensor<?x2x16xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>, tensor<1x1x?x?xf32>, index, index)
      -> tensor<?x2x16xf32>
    %af = tensor.collapse_shape %a [[0], [1, 2]] : tensor<?x2x16xf32> into tensor<?x32xf32>
    %o = lm.linear %af, %wo : tensor<?x32xf32>, !square -> tensor<?x32xf32>
    %h1 = arith.addf %h, %o : tensor<?x32xf32>
    kv.yield %h1, %k1, %v1 : tensor<?x32xf32>, !kv.slot<@k>, !kv.slot<@v>
  }
  %onorm = lm.select @output_norm : !vector
  %yn = lm.rms_norm %y, %onorm {epsilon = 1.0e-05 : f32} : tensor<?x32xf32>, !vector
  %rows = lm.linear %yn, %embed : tensor<?x32xf32>, !wide -> tensor<?x96xf32>
  %logits = tensor.expand_shape %rows [[0, 1], [2]] output_shape [1, %count, 96] : tensor<?x96xf32> into tensor<1x?x96xf32>
  return %logits, %kn, %vn : tensor<1x?x96xf32>, !kv.slot<@k>, !kv.slot<@v>
}

func.func @prefill(%ids: tensor<1x?xi32> {kv.name = "input_ids", kv.role = "ids"},
                   %position: tensor<1xi32> {kv.name = "position", kv.role = "positions"},
                   %mask: tensor<1x1x?x?xf32> {kv.name = "mask", kv.role = "mask"}, %k: !kv.slot<@k>, %v: !kv.slot<@v>,
                   %batch: !kv.batch {kv.sequences = 1 : i64})
    -> (tensor<1x?x96xf32> {kv.name = "logits", kv.role = "logits"}, !kv.slot<@k>, !kv.slot<@v>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %p32 = tensor.extract %position[%c0] : tensor<1xi32>
  %given = arith.index_cast %p32 : i32 to index
  %begin = kv.bind %given = start %batch[0] : index
  %x = kv.bind %ids dim 1 = count %batch[0] : tensor<1x?xi32>
  %m0 = kv.bind %mask dim 2 = count %batch[0] : tensor<1x1x?x?xf32>
  %m = kv.bind %m0 dim 3 = length %batch[0] : tensor<1x1x?x?xf32>
  %count = tensor.dim %x, %c1 : tensor<1x?xi32>
  %end = arith.addi %begin, %count : index
  %logits, %kn, %vn = func.call @model(%x, %m, %begin, %count, %end, %k, %v)
    : (tensor<1x?xi32>, tensor<1x1x?x?xf32>, index, index, index, !kv.slot<@k>, !kv.slot<@v>)
    -> (tensor<1x?x96xf32>, !kv.slot<@k>, !kv.slot<@v>)
  return %logits, %kn, %vn : tensor<1x?x96xf32>, !kv.slot<@k>, !kv.slot<@v>
}

func.func @decode(%ids: tensor<1x1xi32> {kv.name = "input_ids", kv.role = "ids"},
                  %position: tensor<1xi32> {kv.name = "position", kv.role = "positions"},
                  %mask: tensor<1x1x1x?xf32> {kv.name = "mask", kv.role = "mask"}, %k: !kv.slot<@k>, %v: !kv.slot<@v>,
                  %batch: !kv.batch {kv.sequences = 1 : i64, kv.tokens = 1 : i64})
    -> (tensor<1x1x96xf32> {kv.name = "logits", kv.role = "logits"}, !kv.slot<@k>, !kv.slot<@v>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %p32 = tensor.extract %position[%c0] : tensor<1xi32>
  %given = arith.index_cast %p32 : i32 to index
  %begin = kv.bind %given = start %batch[0] : index
  %x = kv.bind %ids dim 1 = count %batch[0] : tensor<1x1xi32>
  %m = kv.bind %mask dim 3 = length %batch[0] : tensor<1x1x1x?xf32>
  %any = tensor.cast %x : tensor<1x1xi32> to tensor<1x?xi32>
  %wide = tensor.cast %m : tensor<1x1x1x?xf32> to tensor<1x1x?x?xf32>
  %count = tensor.dim %x, %c1 : tensor<1x1xi32>
  %end = arith.addi %begin, %count : index
  %rows, %kn, %vn = func.call @model(%any, %wide, %begin, %count, %end, %k, %v)
    : (tensor<1x?xi32>, tensor<1x1x?x?xf32>, index, index, index, !kv.slot<@k>, !kv.slot<@v>)
    -> (tensor<1x?x96xf32>, !kv.slot<@k>, !kv.slot<@v>)
  %logits = tensor.cast %rows : tensor<1x?x96xf32> to tensor<1x1x96xf32>
  return %logits, %kn, %vn : tensor<1x1x96xf32>, !kv.slot<@k>, !kv.slot<@v>
}
}
