// RUN: kvasir-opt %s --split-input-file --allow-unregistered-dialect --verify-state --verify-diagnostics
// Every way around the dialect that we know of.

kv.schema @m entries [@f] { kv.cache @k layers(1) heads(2) row(16) }
func.func private @h(%k: !kv.slot<@k>) -> !kv.slot<@k> {
  return %k : !kv.slot<@k>
}
func.func @f(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  // expected-error @+1 {{firewall: @f lets 'builtin.unrealized_conversion_cast' touch slot @k}}
  %t = builtin.unrealized_conversion_cast %r : tensor<?x2x16xf32> to tuple<!kv.slot<@k>>
  %p = func.constant @h : (!kv.slot<@k>) -> !kv.slot<@k>
  // expected-error @+1 {{firewall: @f lets 'func.call_indirect' touch slot @k}}
  %k2 = func.call_indirect %p(%k) : (!kv.slot<@k>) -> !kv.slot<@k>
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{firewall: @f lets 'other.region' touch slot @k}}
  "other.region"() ({ %v = kv.borrow %k2[%c0] : !kv.slot<@k> -> !kv.view<@k> }) : () -> ()
  return %k2 : !kv.slot<@k>
}

// -----

kv.schema @m entries [@f] { kv.cache @k layers(1) heads(2) row(16) }
func.func private @g(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  // expected-error @+2 {{firewall: @f hands a slot to @g, which calls itself}}
  // expected-note @+1 {{called from here}}
  %k1 = func.call @g(%r, %k, %batch) : (tensor<?x2x16xf32>, !kv.slot<@k>, !kv.batch) -> !kv.slot<@k>
  return %k1 : !kv.slot<@k>
}
func.func private @ext(!kv.slot<@k>) -> !kv.slot<@k>
func.func @f(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  // expected-note @+1 {{called from here}}
  %k1 = func.call @g(%r, %k, %batch) : (tensor<?x2x16xf32>, !kv.slot<@k>, !kv.batch) -> !kv.slot<@k>
  // expected-error @+1 {{firewall: @f hands a slot to @ext, whose body is not here; only functions of this module may hold state}}
  %k2 = func.call @ext(%k1) : (!kv.slot<@k>) -> !kv.slot<@k>
  // expected-error @+1 {{coverage: @f returns without writing}}
  return %k2 : !kv.slot<@k>
}

// -----

// Blocks instead of scf.
kv.schema @m entries [@f] { kv.cache @k layers(1) heads(2) row(16) }
// expected-error @+1 {{firewall: @f branches between blocks while it holds state; use scf.if}}
func.func @f(%c: i1, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  // expected-error @+1 {{firewall: @f lets 'cf.cond_br' touch slot @k}}
  cf.cond_br %c, ^a(%k : !kv.slot<@k>), ^a(%k : !kv.slot<@k>)
^a(%k1: !kv.slot<@k>):
  return %k1 : !kv.slot<@k>
}

// -----

// Two entries that are the same text: duplicate-function-elimination would delete one (passes are tried in
// upstream_passes.mlir); what is left is refused because the schema names both.
// expected-error @+1 {{agreement: @decode is an entry of the schema but is gone}}
kv.schema @m entries [@prefill, @decode] { kv.cache @k layers(1) heads(2) row(16) }
func.func @prefill(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}

// -----

// Anybody may look at the batch; nobody may make one.
kv.schema @m entries [@f] { kv.cache @k layers(1) heads(2) row(16) }
func.func @f(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %x = "other.look"(%batch) : (!kv.batch) -> index
  // expected-error @+1 {{firewall: @f lets 'other.make' touch a batch; only kv, func.func/call/return and scf.if/for may}}
  %other = "other.make"() : () -> !kv.batch
  %k1 = kv.append %k[%c0], %r, %other : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}

// -----

// A write that the verifier cannot see: it reaches the slot by name, and the append is lost.
kv.schema @m entries [@f] { kv.cache @k layers(1) heads(2) row(16) }
func.func @f(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{firewall: @f lets 'kv.store_rows' touch state behind its slots; only kv, func.func/call/return and scf.if/for may}}
  kv.store_rows %r into @k slot(0) layout(#lm.layout<128 bytes, value f32 at 0 [column 32 : 32]>)[%c0] : tensor<?x2x16xf32>
  return %k : !kv.slot<@k>
}
