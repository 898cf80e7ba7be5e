// As a raised Core ML package: each function over whole tensors, opaque, and again over rows. `prefill` has its position from
// the width of a mask, `decode` from an input, beside a mask over all rows; `peek` has one form only. Rows of keys and
// values lie differently in their registers; `calls` is a register that has no rows, and counts the calls.
!keys = tensor<2x1x2x160x8xf16>
!values = tensor<160x2x16xf16>

module attributes {lm.model = {name = "two_forms", architecture = "two_forms", context = 0 : i64, vocabulary = 0 : i64}} {
kv.schema @two_forms entries [@prefill, @decode, @peek, @prefill.raised, @decode.raised] {
  kv.register @k_cache layers(1) !keys
  kv.register @v_cache layers(1) !values
  kv.register @calls layers(1) tensor<1xi32>
  kv.cache @k_cache.rows layers(2) heads(2) row(8) rounds(f16)
    from("k_cache", ["layer", "0", "head", "row", "element"], 160)
  kv.cache @v_cache.rows layers(2) heads(2) row(8) values(@k_cache.rows) rounds(f16)
    from("v_cache", ["row", "layer", "head element"], 160)
}

// What a token makes of itself, its position and what the layer before says, rounded to f16: `salt` tells queries, keys and
// values of layers apart.
func.func private @rows(%ids: tensor<?xi32>, %x: tensor<?x2x8xf32>, %begin: index, %salt: index) -> tensor<?x2x8xf32> {
  %c0 = arith.constant 0 : index
  %count = tensor.dim %ids, %c0 : tensor<?xi32>
  %empty = tensor.empty(%count) : tensor<?x2x8xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(t, h, e) -> (t)>, affine_map<(t, h, e) -> (t, h, e)>,
                                        affine_map<(t, h, e) -> (t, h, e)>],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%ids, %x : tensor<?xi32>, tensor<?x2x8xf32>) outs(%empty : tensor<?x2x8xf32>) {
    ^bb0(%id: i32, %before: f32, %out: f32):
      %c2 = arith.constant 2 : index
      %c3 = arith.constant 3 : index
      %c5 = arith.constant 5 : index
      %c7 = arith.constant 7 : index
      %c11 = arith.constant 11 : index
      %c17 = arith.constant 17 : index
      %t = linalg.index 0 : index
      %h = linalg.index 1 : index
      %e = linalg.index 2 : index
      %position = arith.addi %begin, %t : index
      %number = arith.index_castui %id : i32 to index
      %a = arith.muli %number, %c7 : index
      %b = arith.muli %salt, %c5 : index
      %c = arith.muli %h, %c3 : index
      %d = arith.muli %e, %c11 : index
      %f = arith.muli %position, %c2 : index
      %ab = arith.addi %a, %b : index
      %abc = arith.addi %ab, %c : index
      %abcd = arith.addi %abc, %d : index
      %sum = arith.addi %abcd, %f : index
      %rest = arith.remui %sum, %c17 : index
      %rest32 = arith.index_cast %rest : index to i32
      %made = arith.sitofp %rest32 : i32 to f32
      %eight = arith.constant 8.0 : f32
      %eighth = arith.constant 0.125 : f32
      %half = arith.constant 0.5 : f32
      %centred = arith.subf %made, %eight : f32
      %own = arith.mulf %centred, %eighth : f32
      %past = arith.mulf %before, %half : f32
      %whole = arith.addf %own, %past : f32
      %rounded = arith.truncf %whole : f32 to f16
      %stored = arith.extf %rounded : f16 to f32
      linalg.yield %stored : f32
  } -> tensor<?x2x8xf32>
  return %y : tensor<?x2x8xf32>
}

// softmax(0.25 q k + mask) v over the rows that the mask has, as ops on tensors.
func.func private @attention(%q: tensor<?x2x8xf32>, %k: tensor<2x?x8xf32>, %v: tensor<?x2x8xf32>, %mask: tensor<?x?xf32>,
                             %count: index, %end: index) -> tensor<?x2x8xf32> {
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant 0xFF800000 : f32
  %e0 = tensor.empty(%count, %end) : tensor<2x?x?xf32>
  %z0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<2x?x?xf32>) -> tensor<2x?x?xf32>
  %dots = linalg.generic {indexing_maps = [affine_map<(h, t, s, d) -> (t, h, d)>, affine_map<(h, t, s, d) -> (h, s, d)>,
                                           affine_map<(h, t, s, d) -> (h, t, s)>],
                          iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k : tensor<?x2x8xf32>, tensor<2x?x8xf32>) outs(%z0 : tensor<2x?x?xf32>) {
    ^bb0(%a: f32, %b: f32, %acc: f32):
      %p = arith.mulf %a, %b : f32
      %s = arith.addf %acc, %p : f32
      linalg.yield %s : f32
  } -> tensor<2x?x?xf32>
  %e1 = tensor.empty(%count, %end) : tensor<2x?x?xf32>
  %scores = linalg.generic {indexing_maps = [affine_map<(h, t, s) -> (h, t, s)>, affine_map<(h, t, s) -> (t, s)>,
                                             affine_map<(h, t, s) -> (h, t, s)>],
                            iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%dots, %mask : tensor<2x?x?xf32>, tensor<?x?xf32>) outs(%e1 : tensor<2x?x?xf32>) {
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
  %e5 = tensor.empty(%count) : tensor<?x2x8xf32>
  %z5 = linalg.fill ins(%zero : f32) outs(%e5 : tensor<?x2x8xf32>) -> tensor<?x2x8xf32>
  %mixed = linalg.generic {indexing_maps = [affine_map<(h, t, d, s) -> (h, t, s)>, affine_map<(h, t, d, s) -> (s, h, d)>,
                                            affine_map<(h, t, d, s) -> (t, h, d)>],
                           iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%weights, %v : tensor<2x?x?xf32>, tensor<?x2x8xf32>) outs(%z5 : tensor<?x2x8xf32>) {
    ^bb0(%w: f32, %value: f32, %acc: f32):
      %p = arith.mulf %w, %value : f32
      %s = arith.addf %acc, %p : f32
      linalg.yield %s : f32
  } -> tensor<?x2x8xf32>
  %e6 = tensor.empty(%count) : tensor<?x2x8xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(t, h, d) -> (t, h, d)>, affine_map<(t, h, d) -> (h, t)>,
                                        affine_map<(t, h, d) -> (t, h, d)>],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%mixed, %sum : tensor<?x2x8xf32>, tensor<2x?xf32>) outs(%e6 : tensor<?x2x8xf32>) {
    ^bb0(%x: f32, %s: f32, %out: f32):
      %r = arith.divf %x, %s : f32
      linalg.yield %r : f32
  } -> tensor<?x2x8xf32>
  return %y : tensor<?x2x8xf32>
}

// One layer over whole tensors: rows begin .. begin + count - 1 are written, rows 0 .. end - 1 attended.
func.func private @layer(%ids: tensor<?xi32>, %x: tensor<?x2x8xf32>, %k: !keys, %v: !values, %mask: tensor<?x?xf32>,
                         %begin: index, %count: index, %end: index, %layer: index)
    -> (tensor<?x2x8xf32>, !keys, !values) {
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %first = arith.muli %layer, %c3 : index
  %saltk = arith.addi %first, %c1 : index
  %saltv = arith.addi %first, %c2 : index
  %q = func.call @rows(%ids, %x, %begin, %first) : (tensor<?xi32>, tensor<?x2x8xf32>, index, index) -> tensor<?x2x8xf32>
  %kr = func.call @rows(%ids, %x, %begin, %saltk) : (tensor<?xi32>, tensor<?x2x8xf32>, index, index) -> tensor<?x2x8xf32>
  %vr = func.call @rows(%ids, %x, %begin, %saltv) : (tensor<?xi32>, tensor<?x2x8xf32>, index, index) -> tensor<?x2x8xf32>
  %ke = tensor.empty(%count) : tensor<2x?x8xf16>
  %kh = linalg.generic {indexing_maps = [affine_map<(h, t, e) -> (t, h, e)>, affine_map<(h, t, e) -> (h, t, e)>],
                        iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%kr : tensor<?x2x8xf32>) outs(%ke : tensor<2x?x8xf16>) {
    ^bb0(%in: f32, %out: f16):
      %r = arith.truncf %in : f32 to f16
      linalg.yield %r : f16
  } -> tensor<2x?x8xf16>
  %ve = tensor.empty(%count) : tensor<?x2x8xf16>
  %vh = linalg.generic {indexing_maps = [affine_map<(t, h, e) -> (t, h, e)>, affine_map<(t, h, e) -> (t, h, e)>],
                        iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%vr : tensor<?x2x8xf32>) outs(%ve : tensor<?x2x8xf16>) {
    ^bb0(%in: f32, %out: f16):
      %r = arith.truncf %in : f32 to f16
      linalg.yield %r : f16
  } -> tensor<?x2x8xf16>
  %vf = tensor.collapse_shape %vh [[0], [1, 2]] : tensor<?x2x8xf16> into tensor<?x16xf16>
  %k1 = tensor.insert_slice %kh into %k[%layer, 0, 0, %begin, 0] [1, 1, 2, %count, 8] [1, 1, 1, 1, 1]
    : tensor<2x?x8xf16> into !keys
  %v1 = tensor.insert_slice %vf into %v[%begin, %layer, 0] [%count, 1, 16] [1, 1, 1] : tensor<?x16xf16> into !values
  %ks = tensor.extract_slice %k1[%layer, 0, 0, 0, 0] [1, 1, 2, %end, 8] [1, 1, 1, 1, 1] : !keys to tensor<2x?x8xf16>
  %vs = tensor.extract_slice %v1[0, %layer, 0] [%end, 1, 16] [1, 1, 1] : !values to tensor<?x16xf16>
  %vs3 = tensor.expand_shape %vs [[0], [1, 2]] output_shape [%end, 2, 8] : tensor<?x16xf16> into tensor<?x2x8xf16>
  %ks32 = arith.extf %ks : tensor<2x?x8xf16> to tensor<2x?x8xf32>
  %vs32 = arith.extf %vs3 : tensor<?x2x8xf16> to tensor<?x2x8xf32>
  %a = func.call @attention(%q, %ks32, %vs32, %mask, %count, %end)
    : (tensor<?x2x8xf32>, tensor<2x?x8xf32>, tensor<?x2x8xf32>, tensor<?x?xf32>, index, index) -> tensor<?x2x8xf32>
  %y = arith.addf %x, %a : tensor<?x2x8xf32>
  return %y, %k1, %v1 : tensor<?x2x8xf32>, !keys, !values
}

func.func private @counted(%calls: !kv.slot<@calls>, %batch: !kv.batch) -> !kv.slot<@calls> {
  %c0 = arith.constant 0 : index
  %one = arith.constant dense<1> : tensor<1x1xi32>
  %old = kv.get %calls[%c0], %batch : !kv.slot<@calls> -> tensor<1x1xi32>
  %new = arith.addi %old, %one : tensor<1x1xi32>
  %calls1 = kv.set %calls[%c0], %new, %batch : !kv.slot<@calls>, tensor<1x1xi32>
  return %calls1 : !kv.slot<@calls>
}

func.func private @opaque(%ids: tensor<?xi32>, %mask: tensor<?x?xf16>, %begin0: index, %k: !kv.slot<@k_cache>,
                          %v: !kv.slot<@v_cache>, %calls: !kv.slot<@calls>,
                          %batch: !kv.batch {kv.sequences = 1 : i64, kv.tokens = 0 : i64})
    -> (tensor<1x?x16xf32>, !kv.slot<@k_cache>, !kv.slot<@v_cache>, !kv.slot<@calls>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %rows = arith.constant 160 : index
  %count = tensor.dim %ids, %c0 : tensor<?xi32>
  %end = tensor.dim %mask, %c1 : tensor<?x?xf16>
  %last = arith.subi %rows, %count : index
  %least = arith.maxsi %begin0, %c0 : index
  %begin = arith.minsi %least, %last : index
  kv.require %begin0 = %begin, "the rows of the call would begin at %d, the nearest that is possible is %d"
  %mask32 = arith.extf %mask : tensor<?x?xf16> to tensor<?x?xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%count) : tensor<?x2x8xf32>
  %x = linalg.fill ins(%zero : f32) outs(%e : tensor<?x2x8xf32>) -> tensor<?x2x8xf32>
  %kb = kv.get %k[%c0], %batch : !kv.slot<@k_cache> -> tensor<1x2x1x2x160x8xf16>
  %vb = kv.get %v[%c0], %batch : !kv.slot<@v_cache> -> tensor<1x160x2x16xf16>
  %k0 = tensor.collapse_shape %kb [[0, 1], [2], [3], [4], [5]] : tensor<1x2x1x2x160x8xf16> into !keys
  %v0 = tensor.collapse_shape %vb [[0, 1], [2], [3]] : tensor<1x160x2x16xf16> into !values
  %x1, %k1, %v1 = func.call @layer(%ids, %x, %k0, %v0, %mask32, %begin, %count, %end, %c0)
    : (tensor<?xi32>, tensor<?x2x8xf32>, !keys, !values, tensor<?x?xf32>, index, index, index, index)
    -> (tensor<?x2x8xf32>, !keys, !values)
  %x2, %k2, %v2 = func.call @layer(%ids, %x1, %k1, %v1, %mask32, %begin, %count, %end, %c1)
    : (tensor<?xi32>, tensor<?x2x8xf32>, !keys, !values, tensor<?x?xf32>, index, index, index, index)
    -> (tensor<?x2x8xf32>, !keys, !values)
  %ka = tensor.expand_shape %k2 [[0, 1], [2], [3], [4], [5]] output_shape [1, 2, 1, 2, 160, 8]
    : !keys into tensor<1x2x1x2x160x8xf16>
  %va = tensor.expand_shape %v2 [[0, 1], [2], [3]] output_shape [1, 160, 2, 16] : !values into tensor<1x160x2x16xf16>
  %kn = kv.set %k[%c0], %ka, %batch : !kv.slot<@k_cache>, tensor<1x2x1x2x160x8xf16>
  %vn = kv.set %v[%c0], %va, %batch : !kv.slot<@v_cache>, tensor<1x160x2x16xf16>
  %cn = func.call @counted(%calls, %batch) : (!kv.slot<@calls>, !kv.batch) -> !kv.slot<@calls>
  %y = tensor.collapse_shape %x2 [[0], [1, 2]] : tensor<?x2x8xf32> into tensor<?x16xf32>
  %y1 = tensor.expand_shape %y [[0, 1], [2]] output_shape [1, %count, 16] : tensor<?x16xf32> into tensor<1x?x16xf32>
  return %y1, %kn, %vn, %cn : tensor<1x?x16xf32>, !kv.slot<@k_cache>, !kv.slot<@v_cache>, !kv.slot<@calls>
}

func.func @prefill(%ids: tensor<1x?xi32> {kv.name = "ids", kv.extents = "a"},
                   %mask: tensor<1x1x?x?xf16> {kv.name = "mask", kv.extents = "ab"},
                   %k: !kv.slot<@k_cache>, %v: !kv.slot<@v_cache>, %calls: !kv.slot<@calls>,
                   %batch: !kv.batch {kv.sequences = 1 : i64, kv.tokens = 0 : i64})
    -> (tensor<1x?x16xf32> {kv.name = "y", kv.extents = "a"}, !kv.slot<@k_cache>, !kv.slot<@v_cache>, !kv.slot<@calls>)
    attributes {kv.own_extents = {a = {from = 1 : i64, to = 160 : i64}, b = {from = 1 : i64, to = 160 : i64}},
                kv.raised = @prefill.raised,
                kv.binds = [{input = "ids", is = "count", dim = 1 : i64}, {input = "mask", is = "length", dim = 3 : i64},
                            {input = "mask", is = "causal", hidden = -10000 : i64}]} {
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %count = tensor.dim %ids, %c1 : tensor<1x?xi32>
  %end = tensor.dim %mask, %c3 : tensor<1x1x?x?xf16>
  %begin = arith.subi %end, %count : index
  %flat = tensor.collapse_shape %ids [[0, 1]] : tensor<1x?xi32> into tensor<?xi32>
  %flatmask = tensor.collapse_shape %mask [[0, 1, 2], [3]] : tensor<1x1x?x?xf16> into tensor<?x?xf16>
  %y, %kn, %vn, %cn = func.call @opaque(%flat, %flatmask, %begin, %k, %v, %calls, %batch)
    : (tensor<?xi32>, tensor<?x?xf16>, index, !kv.slot<@k_cache>, !kv.slot<@v_cache>, !kv.slot<@calls>, !kv.batch)
    -> (tensor<1x?x16xf32>, !kv.slot<@k_cache>, !kv.slot<@v_cache>, !kv.slot<@calls>)
  return %y, %kn, %vn, %cn : tensor<1x?x16xf32>, !kv.slot<@k_cache>, !kv.slot<@v_cache>, !kv.slot<@calls>
}

func.func @decode(%ids: tensor<1x1xi32> {kv.name = "ids"}, %pos: tensor<1xi32> {kv.name = "pos"},
                  %mask: tensor<1x1x1x160xf16> {kv.name = "mask"},
                  %k: !kv.slot<@k_cache>, %v: !kv.slot<@v_cache>, %calls: !kv.slot<@calls>,
                  %batch: !kv.batch {kv.sequences = 1 : i64, kv.tokens = 0 : i64})
    -> (tensor<1x1x16xf32> {kv.name = "y"}, !kv.slot<@k_cache>, !kv.slot<@v_cache>, !kv.slot<@calls>)
    attributes {kv.raised = @decode.raised,
                kv.binds = [{input = "ids", is = "count", dim = 1 : i64}, {input = "pos", is = "start"},
                            {input = "mask", is = "causal", hidden = -10000 : i64}]} {
  %c0 = arith.constant 0 : index
  %p32 = tensor.extract %pos[%c0] : tensor<1xi32>
  %begin = arith.index_cast %p32 : i32 to index
  %flat = tensor.collapse_shape %ids [[0, 1]] : tensor<1x1xi32> into tensor<1xi32>
  %any = tensor.cast %flat : tensor<1xi32> to tensor<?xi32>
  %flatmask = tensor.collapse_shape %mask [[0, 1, 2], [3]] : tensor<1x1x1x160xf16> into tensor<1x160xf16>
  %anymask = tensor.cast %flatmask : tensor<1x160xf16> to tensor<?x?xf16>
  %y, %kn, %vn, %cn = func.call @opaque(%any, %anymask, %begin, %k, %v, %calls, %batch)
    : (tensor<?xi32>, tensor<?x?xf16>, index, !kv.slot<@k_cache>, !kv.slot<@v_cache>, !kv.slot<@calls>, !kv.batch)
    -> (tensor<1x?x16xf32>, !kv.slot<@k_cache>, !kv.slot<@v_cache>, !kv.slot<@calls>)
  %one = tensor.cast %y : tensor<1x?x16xf32> to tensor<1x1x16xf32>
  return %one, %kn, %vn, %cn : tensor<1x1x16xf32>, !kv.slot<@k_cache>, !kv.slot<@v_cache>, !kv.slot<@calls>
}

// Sets what it got.
func.func @peek(%k: !kv.slot<@k_cache>, %v: !kv.slot<@v_cache>, %calls: !kv.slot<@calls>,
                %batch: !kv.batch {kv.sequences = 1 : i64, kv.tokens = 0 : i64})
    -> (!keys {kv.name = "k"}, !values {kv.name = "v"}, tensor<1xi32> {kv.name = "calls"}, !kv.slot<@k_cache>,
        !kv.slot<@v_cache>, !kv.slot<@calls>) {
  %c0 = arith.constant 0 : index
  %kb = kv.get %k[%c0], %batch : !kv.slot<@k_cache> -> tensor<1x2x1x2x160x8xf16>
  %vb = kv.get %v[%c0], %batch : !kv.slot<@v_cache> -> tensor<1x160x2x16xf16>
  %cb = kv.get %calls[%c0], %batch : !kv.slot<@calls> -> tensor<1x1xi32>
  %kn = kv.set %k[%c0], %kb, %batch : !kv.slot<@k_cache>, tensor<1x2x1x2x160x8xf16>
  %vn = kv.set %v[%c0], %vb, %batch : !kv.slot<@v_cache>, tensor<1x160x2x16xf16>
  %cn = kv.set %calls[%c0], %cb, %batch : !kv.slot<@calls>, tensor<1x1xi32>
  %k0 = tensor.collapse_shape %kb [[0, 1], [2], [3], [4], [5]] : tensor<1x2x1x2x160x8xf16> into !keys
  %v0 = tensor.collapse_shape %vb [[0, 1], [2], [3]] : tensor<1x160x2x16xf16> into !values
  %n = tensor.collapse_shape %cb [[0, 1]] : tensor<1x1xi32> into tensor<1xi32>
  return %k0, %v0, %n, %kn, %vn, %cn : !keys, !values, tensor<1xi32>, !kv.slot<@k_cache>, !kv.slot<@v_cache>,
    !kv.slot<@calls>
}

// The same over rows.
func.func private @raised(%ids: tensor<?xi32>, %calls: !kv.slot<@calls>, %k: !kv.slot<@k_cache.rows>,
                          %v: !kv.slot<@v_cache.rows>, %batch: !kv.batch {kv.sequences = 1 : i64})
    -> (tensor<1x?x16xf32>, !kv.slot<@calls>, !kv.slot<@k_cache.rows>, !kv.slot<@v_cache.rows>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %count = tensor.dim %ids, %c0 : tensor<?xi32>
  %begin = kv.start %batch[0]
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%count) : tensor<?x2x8xf32>
  %x = linalg.fill ins(%zero : f32) outs(%e : tensor<?x2x8xf32>) -> tensor<?x2x8xf32>
  %y, %kn, %vn = kv.loop %layer = 0 to 2 carry(%h = %x, %ki = %k, %vi = %v)
      : tensor<?x2x8xf32>, !kv.slot<@k_cache.rows>, !kv.slot<@v_cache.rows> {
    %first = arith.muli %layer, %c3 : index
    %saltk = arith.addi %first, %c1 : index
    %saltv = arith.addi %first, %c2 : index
    %q = func.call @rows(%ids, %h, %begin, %first) : (tensor<?xi32>, tensor<?x2x8xf32>, index, index) -> tensor<?x2x8xf32>
    %kr = func.call @rows(%ids, %h, %begin, %saltk) : (tensor<?xi32>, tensor<?x2x8xf32>, index, index) -> tensor<?x2x8xf32>
    %vr = func.call @rows(%ids, %h, %begin, %saltv) : (tensor<?xi32>, tensor<?x2x8xf32>, index, index) -> tensor<?x2x8xf32>
    %k1 = kv.append %ki[%layer], %kr, %batch : !kv.slot<@k_cache.rows>, tensor<?x2x8xf32>
    %v1 = kv.append %vi[%layer], %vr, %batch : !kv.slot<@v_cache.rows>, tensor<?x2x8xf32>
    %a = kv.attend %q, %k1[%layer], %v1[%layer], %batch {scale = 0.25 : f32}
      : tensor<?x2x8xf32>, !kv.slot<@k_cache.rows>, !kv.slot<@v_cache.rows> -> tensor<?x2x8xf32>
    %h1 = arith.addf %h, %a : tensor<?x2x8xf32>
    kv.yield %h1, %k1, %v1 : tensor<?x2x8xf32>, !kv.slot<@k_cache.rows>, !kv.slot<@v_cache.rows>
  }
  %cn = func.call @counted(%calls, %batch) : (!kv.slot<@calls>, !kv.batch) -> !kv.slot<@calls>
  %flat = tensor.collapse_shape %y [[0], [1, 2]] : tensor<?x2x8xf32> into tensor<?x16xf32>
  %y1 = tensor.expand_shape %flat [[0, 1], [2]] output_shape [1, %count, 16] : tensor<?x16xf32> into tensor<1x?x16xf32>
  return %y1, %cn, %kn, %vn : tensor<1x?x16xf32>, !kv.slot<@calls>, !kv.slot<@k_cache.rows>, !kv.slot<@v_cache.rows>
}

func.func @prefill.raised(%ids: tensor<1x?xi32> {kv.name = "ids"},
                          %mask: tensor<1x1x?x?xf16> {kv.name = "mask", kv.extents = "TS"},
                          %calls: !kv.slot<@calls>, %k: !kv.slot<@k_cache.rows>, %v: !kv.slot<@v_cache.rows>,
                          %batch: !kv.batch {kv.sequences = 1 : i64})
    -> (tensor<1x?x16xf32> {kv.name = "y"}, !kv.slot<@calls>, !kv.slot<@k_cache.rows>, !kv.slot<@v_cache.rows>) {
  %flat = tensor.collapse_shape %ids [[0, 1]] : tensor<1x?xi32> into tensor<?xi32>
  %y, %cn, %kn, %vn = func.call @raised(%flat, %calls, %k, %v, %batch)
    : (tensor<?xi32>, !kv.slot<@calls>, !kv.slot<@k_cache.rows>, !kv.slot<@v_cache.rows>, !kv.batch)
    -> (tensor<1x?x16xf32>, !kv.slot<@calls>, !kv.slot<@k_cache.rows>, !kv.slot<@v_cache.rows>)
  return %y, %cn, %kn, %vn : tensor<1x?x16xf32>, !kv.slot<@calls>, !kv.slot<@k_cache.rows>, !kv.slot<@v_cache.rows>
}

func.func @decode.raised(%ids: tensor<1x1xi32> {kv.name = "ids"}, %pos: tensor<1xi32> {kv.name = "pos"},
                         %mask: tensor<1x1x1x160xf16> {kv.name = "mask"},
                         %calls: !kv.slot<@calls>, %k: !kv.slot<@k_cache.rows>, %v: !kv.slot<@v_cache.rows>,
                         %batch: !kv.batch {kv.sequences = 1 : i64, kv.tokens = 1 : i64})
    -> (tensor<1x1x16xf32> {kv.name = "y"}, !kv.slot<@calls>, !kv.slot<@k_cache.rows>, !kv.slot<@v_cache.rows>) {
  %flat = tensor.collapse_shape %ids [[0, 1]] : tensor<1x1xi32> into tensor<1xi32>
  %any = tensor.cast %flat : tensor<1xi32> to tensor<?xi32>
  %y, %cn, %kn, %vn = func.call @raised(%any, %calls, %k, %v, %batch)
    : (tensor<?xi32>, !kv.slot<@calls>, !kv.slot<@k_cache.rows>, !kv.slot<@v_cache.rows>, !kv.batch)
    -> (tensor<1x?x16xf32>, !kv.slot<@calls>, !kv.slot<@k_cache.rows>, !kv.slot<@v_cache.rows>)
  %one = tensor.cast %y : tensor<1x?x16xf32> to tensor<1x1x16xf32>
  return %one, %cn, %kn, %vn : tensor<1x1x16xf32>, !kv.slot<@calls>, !kv.slot<@k_cache.rows>, !kv.slot<@v_cache.rows>
}
}
