// RUN: kvasir-opt %s --verify-state=report --verify-diagnostics
// What was proved, and what the proof rests on.

// expected-remark @+4 {{proved: 2 entries write 2 slots, 5 writes of a layer}}
// expected-remark @+3 {{waived: @forward leaves @k, layer 2: unused in this checkpoint}}
// expected-remark @+2 {{waived: @score leaves @k, layers 0-2: this function only scores}}
// expected-remark @+1 {{waived: @score leaves @conv, layer 1: one layer}}
module {
  kv.schema @m entries [@forward, @score] {
    kv.cache @k layers(3) heads(2) row(16)
    kv.register @conv layers(2) tensor<3x8xf32>
  }
  func.func @forward(%r: tensor<?x2x16xf32>, %c: tensor<?x3x8xf32>, %k: !kv.slot<@k>, %s: !kv.slot<@conv>, %batch: !kv.batch)
      -> (!kv.slot<@k>, !kv.slot<@conv>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    %k2 = kv.append %k1[%c1], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    %k3 = kv.waive %k2[%c2], "unused in this checkpoint" : !kv.slot<@k>
    %s1 = kv.set %s[%c0], %c, %batch : !kv.slot<@conv>, tensor<?x3x8xf32>
    %s2 = kv.set %s1[%c1], %c, %batch : !kv.slot<@conv>, tensor<?x3x8xf32>
    return %k3, %s2 : !kv.slot<@k>, !kv.slot<@conv>
  }
  func.func @score(%c: tensor<?x3x8xf32>, %k: !kv.slot<@k>, %s: !kv.slot<@conv>, %batch: !kv.batch)
      -> (!kv.slot<@k>, !kv.slot<@conv>) {
    %k1 = kv.waive %k, "this function only scores" : !kv.slot<@k>
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %s1 = kv.set %s[%c0], %c, %batch : !kv.slot<@conv>, tensor<?x3x8xf32>
    %s2 = kv.waive %s1[%c1], "one layer" : !kv.slot<@conv>
    return %k1, %s2 : !kv.slot<@k>, !kv.slot<@conv>
  }
}
