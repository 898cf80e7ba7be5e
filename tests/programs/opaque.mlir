// As from a package whose calls have no tokens: functions of tensors over registers, with extents of their own. `add` keeps
// the sum of all rows that it was ever given, and counts its calls; `x` has a rows, `y` one more.
module attributes {lm.model = {name = "opaque", architecture = "opaque", context = 0 : i64, vocabulary = 0 : i64}} {
kv.schema @opaque entries [@add, @peek] {
  kv.register @sum layers(1) tensor<4xf16>
  kv.register @calls layers(1) tensor<1xi8>
}

// y = x and below it the sum before the call, whose element `lane` is 0; a call whose lane is none of 0 to 3 is refused
// before it runs, and a sixth call when it has run.
func.func @add(%x: tensor<?x4xf16> {kv.name = "x", kv.extents = "a"}, %lane: tensor<1xi32> {kv.name = "lane"},
               %sum: !kv.slot<@sum>, %calls: !kv.slot<@calls>, %batch: !kv.batch {kv.sequences = 1 : i64, kv.tokens = 0 : i64})
    -> (tensor<?x4xf16> {kv.name = "y", kv.extents = "b"}, !kv.slot<@sum>, !kv.slot<@calls>)
    attributes {kv.own_extents = {a = {from = 1 : i64, to = 8 : i64}, b = {constant = 1 : i64, terms = {a = 1 : i64}}}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %n32 = tensor.extract %lane[%c0] : tensor<1xi32>
  %n = arith.index_cast %n32 : i32 to index
  %least = arith.maxsi %n, %c0 : index
  %legal = arith.minsi %least, %c3 : index
  kv.require %n = %legal, "lane is %d, the nearest that there is is %d"
  %rows = tensor.dim %x, %c0 : tensor<?x4xf16>
  %more = arith.addi %rows, %c1 : index
  %before1 = kv.get %sum[%c0], %batch : !kv.slot<@sum> -> tensor<1x4xf16>
  %before = tensor.collapse_shape %before1 [[0, 1]] : tensor<1x4xf16> into tensor<4xf16>
  %after = linalg.generic {indexing_maps = [affine_map<(e, t) -> (t, e)>, affine_map<(e, t) -> (e)>],
                           iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<?x4xf16>) outs(%before : tensor<4xf16>) {
    ^bb0(%in: f16, %acc: f16):
      %s = arith.addf %acc, %in : f16
      linalg.yield %s : f16
  } -> tensor<4xf16>
  %zero = arith.constant 0.0 : f16
  %cleared = tensor.insert %zero into %before1[%c0, %legal] : tensor<1x4xf16>
  %empty = tensor.empty(%more) : tensor<?x4xf16>
  %y0 = tensor.insert_slice %x into %empty[0, 0] [%rows, 4] [1, 1] : tensor<?x4xf16> into tensor<?x4xf16>
  %y = tensor.insert_slice %cleared into %y0[%rows, 0] [1, 4] [1, 1] : tensor<1x4xf16> into tensor<?x4xf16>
  %after1 = tensor.expand_shape %after [[0, 1]] output_shape [1, 4] : tensor<4xf16> into tensor<1x4xf16>
  %sum1 = kv.set %sum[%c0], %after1, %batch : !kv.slot<@sum>, tensor<1x4xf16>
  %old = kv.get %calls[%c0], %batch : !kv.slot<@calls> -> tensor<1x1xi8>
  %made = tensor.extract %old[%c0, %c0] : tensor<1x1xi8>
  %five = arith.constant 5 : i8
  %enough = arith.cmpi eq, %made, %five : i8
  %isEnough = arith.index_castui %enough : i1 to index
  kv.require %isEnough = %c0, "five calls are enough" {kv.late}
  %one = arith.constant dense<1> : tensor<1x1xi8>
  %new = arith.addi %old, %one : tensor<1x1xi8>
  %calls1 = kv.set %calls[%c0], %new, %batch : !kv.slot<@calls>, tensor<1x1xi8>
  return %y, %sum1, %calls1 : tensor<?x4xf16>, !kv.slot<@sum>, !kv.slot<@calls>
}

// Sets what it got.
func.func @peek(%sum: !kv.slot<@sum>, %calls: !kv.slot<@calls>,
                %batch: !kv.batch {kv.sequences = 1 : i64, kv.tokens = 0 : i64})
    -> (tensor<4xf16> {kv.name = "sum"}, tensor<1xi8> {kv.name = "calls"}, !kv.slot<@sum>, !kv.slot<@calls>) {
  %c0 = arith.constant 0 : index
  %s = kv.get %sum[%c0], %batch : !kv.slot<@sum> -> tensor<1x4xf16>
  %n = kv.get %calls[%c0], %batch : !kv.slot<@calls> -> tensor<1x1xi8>
  %sum1 = kv.set %sum[%c0], %s, %batch : !kv.slot<@sum>, tensor<1x4xf16>
  %calls1 = kv.set %calls[%c0], %n, %batch : !kv.slot<@calls>, tensor<1x1xi8>
  %s4 = tensor.collapse_shape %s [[0, 1]] : tensor<1x4xf16> into tensor<4xf16>
  %n1 = tensor.collapse_shape %n [[0, 1]] : tensor<1x1xi8> into tensor<1xi8>
  return %s4, %n1, %sum1, %calls1 : tensor<4xf16>, tensor<1xi8>, !kv.slot<@sum>, !kv.slot<@calls>
}
}
