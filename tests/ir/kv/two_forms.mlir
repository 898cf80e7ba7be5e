// RUN: kvasir-opt %s --split-input-file --verify-state=report --verify-diagnostics
// Functions over registers, and over the caches whose rows come from them: each has its own slots, and is proved on them.

// expected-remark @below {{proved: 2 entries write 3 slots, 4 writes of a layer}}
module {
kv.schema @m entries [@run, @run.raised] {
  kv.register @state layers(1) tensor<2x64x32xf16>
  kv.register @calls layers(1) tensor<1xi32>
  kv.cache @rows layers(1) heads(2) row(16) rounds(f16) from("state", ["0", "row", "head element"], 64)
}
func.func @run(%state: !kv.slot<@state>, %calls: !kv.slot<@calls>,
               %batch: !kv.batch {kv.sequences = 1 : i64, kv.tokens = 0 : i64}) -> (!kv.slot<@state>, !kv.slot<@calls>)
    attributes {kv.raised = @run.raised} {
  %c0 = arith.constant 0 : index
  %s = kv.get %state[%c0], %batch : !kv.slot<@state> -> tensor<1x2x64x32xf16>
  %n = kv.get %calls[%c0], %batch : !kv.slot<@calls> -> tensor<1x1xi32>
  %s1 = kv.set %state[%c0], %s, %batch : !kv.slot<@state>, tensor<1x2x64x32xf16>
  %n1 = kv.set %calls[%c0], %n, %batch : !kv.slot<@calls>, tensor<1x1xi32>
  return %s1, %n1 : !kv.slot<@state>, !kv.slot<@calls>
}
func.func @run.raised(%r: tensor<?x2x16xf32>, %calls: !kv.slot<@calls>, %rows: !kv.slot<@rows>,
                      %batch: !kv.batch {kv.sequences = 1 : i64}) -> (!kv.slot<@calls>, !kv.slot<@rows>) {
  %c0 = arith.constant 0 : index
  %n = kv.get %calls[%c0], %batch : !kv.slot<@calls> -> tensor<1x1xi32>
  %n1 = kv.set %calls[%c0], %n, %batch : !kv.slot<@calls>, tensor<1x1xi32>
  %k1 = kv.append %rows[%c0], %r, %batch : !kv.slot<@rows>, tensor<?x2x16xf32>
  return %n1, %k1 : !kv.slot<@calls>, !kv.slot<@rows>
}
}

// -----

kv.schema @m entries [@run, @run.raised] {
  kv.register @state layers(1) tensor<64x32xf16>
  kv.cache @rows layers(1) heads(2) row(16) rounds(f16) from("state", ["row", "head element"], 64)
}
func.func @run(%state: !kv.slot<@state>, %batch: !kv.batch {kv.sequences = 1 : i64, kv.tokens = 0 : i64}) -> !kv.slot<@state>
    attributes {kv.raised = @run.raised} {
  %c0 = arith.constant 0 : index
  %s = kv.get %state[%c0], %batch : !kv.slot<@state> -> tensor<1x64x32xf16>
  %s1 = kv.set %state[%c0], %s, %batch : !kv.slot<@state>, tensor<1x64x32xf16>
  return %s1 : !kv.slot<@state>
}
func.func @run.raised(%rows: !kv.slot<@rows>, %batch: !kv.batch {kv.sequences = 1 : i64}) -> !kv.slot<@rows> {
  // expected-error @+1 {{coverage: @run.raised returns without writing rows [start, start + count) of slot @rows, layer 0}}
  return %rows : !kv.slot<@rows>
}

// -----

// expected-note @+1 {{declared here}}
kv.schema @m entries [@run, @run.raised] {
  kv.register @state layers(1) tensor<64x32xf16>
  kv.cache @rows layers(1) heads(2) row(16) rounds(f16) from("state", ["row", "head element"], 64)
}
// expected-error @+3 {{@run says kv.tokens of argument 2}}
// expected-error @+2 {{@run takes slots (state, rows), schema @m declares (state)}}
// expected-error @+1 {{@run returns slots (state, rows), schema @m declares (state)}}
func.func @run(%state: !kv.slot<@state>, %rows: !kv.slot<@rows>,
               %batch: !kv.batch {kv.sequences = 1 : i64, kv.tokens = 0 : i64}) -> (!kv.slot<@state>, !kv.slot<@rows>)
    attributes {kv.raised = @run.raised} {
  return %state, %rows : !kv.slot<@state>, !kv.slot<@rows>
}
// expected-error @+2 {{@run.raised takes slots (state, rows), schema @m declares (rows)}}
// expected-error @+1 {{@run.raised returns slots (state, rows), schema @m declares (rows)}}
func.func @run.raised(%state: !kv.slot<@state>, %rows: !kv.slot<@rows>, %batch: !kv.batch {kv.sequences = 1 : i64})
    -> (!kv.slot<@state>, !kv.slot<@rows>) {
  return %state, %rows : !kv.slot<@state>, !kv.slot<@rows>
}
