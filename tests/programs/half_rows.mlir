// Its proof leaves a question to the run: are these T rows the call's T? They never are, and every call is refused before
// anything is written.
!wide = !lm.weight<96x32, codes = f16>

module attributes {lm.model = {name = "half", architecture = "half", context = 256 : i64, vocabulary = 96 : i64}} {
kv.schema @half entries [@forward] {
  kv.cache @k layers(1) heads(2) row(16)
}
lm.weight @embed source("embed.weight") : !wide

func.func @forward(%ids: tensor<?xi32> {kv.name = "ids", kv.role = "ids"}, %k: !kv.slot<@k>, %batch: !kv.batch)
    -> (tensor<?x96xf32> {kv.name = "logits", kv.role = "logits"}, !kv.slot<@k>) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %t = kv.tokens %batch
  %half = arith.divui %t, %c2 : index
  %embed = lm.select @embed : !wide
  %x = lm.embedding %ids, %embed : tensor<?xi32>, !wide -> tensor<?x32xf32>
  %all = tensor.expand_shape %x [[0], [1, 2]] output_shape [%t, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
  %rows = tensor.extract_slice %all[0, 0, 0] [%half, 2, 16] [1, 1, 1] : tensor<?x2x16xf32> to tensor<?x2x16xf32>
  %k0 = kv.append %k[%c0], %rows, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  %k1 = kv.waive %k0[%c0], "nobody reads the rows of this program" : !kv.slot<@k>
  %wanted = kv.wanted %batch : tensor<?xi32>
  %xw = lm.take %x, %wanted : tensor<?x32xf32>, tensor<?xi32> -> tensor<?x32xf32>
  %logits = lm.linear %xw, %embed : tensor<?x32xf32>, !wide -> tensor<?x96xf32>
  return %logits, %k1 : tensor<?x96xf32>, !kv.slot<@k>
}
}
