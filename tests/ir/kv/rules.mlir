// RUN: kvasir-opt %s --split-input-file --verify-state --verify-diagnostics
// Programs that break one rule and nothing else (check_rules.py takes the rule away); refused.mlir and schema_refused.mlir
// have those of the other rules.

// firewall/cast
kv.schema @m entries [@cast] { kv.cache @k layers(1) heads(2) row(16) }
func.func @cast(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{firewall: @cast lets 'builtin.unrealized_conversion_cast' touch slot @k; a lowering left state half converted}}
  %t = builtin.unrealized_conversion_cast %k1 : !kv.slot<@k> to tensor<4xf32>
  return %k1 : !kv.slot<@k>
}

// -----

// firewall/blocks
kv.schema @m entries [@blocks] { kv.cache @k layers(1) heads(2) row(16) }
// expected-error @+1 {{firewall: @h branches between blocks while it holds state; use scf.if}}
func.func private @h(%k: !kv.slot<@k>) -> !kv.slot<@k> {
  cf.br ^bb1
^bb1:
  return %k : !kv.slot<@k>
}
func.func @blocks(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}

// -----

// firewall/outside
kv.schema @m entries [@outside] { kv.cache @k layers(1) heads(2) row(16) }
func.func private @look(!kv.view<@k>)
func.func @outside(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  %w = kv.borrow %k1[%c0] : !kv.slot<@k> -> !kv.view<@k>
  // expected-error @+1 {{firewall: @outside hands a slot to @look, whose body is not here; only functions of this module may hold state}}
  func.call @look(%w) : (!kv.view<@k>) -> ()
  return %k1 : !kv.slot<@k>
}

// -----

// firewall/recursion
kv.schema @m entries [@recursion] { kv.cache @k layers(1) heads(2) row(16) }
func.func private @look(%w: !kv.view<@k>) {
  // expected-error @+2 {{firewall: @recursion hands a slot to @look, which calls itself; write a loop over layers}}
  // expected-note @+1 {{called from here}}
  func.call @look(%w) : (!kv.view<@k>) -> ()
  return
}
func.func @recursion(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  %w = kv.borrow %k1[%c0] : !kv.slot<@k> -> !kv.view<@k>
  // expected-note @+1 {{called from here}}
  func.call @look(%w) : (!kv.view<@k>) -> ()
  return %k1 : !kv.slot<@k>
}

// -----

// agreement/schemas
// expected-error @+1 {{agreement: the module declares 2 schemas; its entry functions share one kv.schema}}
module {
kv.schema @m entries [@schemas] { kv.cache @k layers(1) heads(2) row(16) }
kv.schema @n entries [@schemas] { kv.cache @v layers(1) heads(2) row(16) }
func.func @schemas(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}
}

// -----

// agreement/hidden
// expected-error @+1 {{agreement: @hidden is an entry of the schema but is private or has no body; a pass removed or hid it}}
kv.schema @m entries [@forward, @hidden] { kv.cache @k layers(1) heads(2) row(16) }
func.func @forward(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}
func.func private @hidden(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}

// -----

// agreement/repeated
// expected-error @+1 {{agreement: @repeated is an entry of the schema twice; a pass merged two entries, or the list is wrong}}
kv.schema @m entries [@repeated, @repeated] { kv.cache @k layers(1) heads(2) row(16) }
func.func @repeated(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}

// -----

// agreement/unlisted
kv.schema @m entries [@listed] { kv.cache @k layers(1) heads(2) row(16) }
func.func @listed(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}
// expected-error @+1 {{agreement: @unlisted is public and takes slots, but is no entry of the schema; list it, or make it private}}
func.func @unlisted(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}

// -----

// linear/view
kv.schema @m entries [@view] { kv.cache @k layers(1) heads(2) row(16) }
func.func @view(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %w = kv.borrow %k[%c0] : !kv.slot<@k> -> !kv.view<@k>
  // expected-note @+1 {{the rows changed here}}
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{linear: @view attends a view of slot @k, layer 0, lent before its rows changed; borrow after the append}}
  %a = kv.attend %r, %w, %w, %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.view<@k>, !kv.view<@k> -> tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}

// -----

// coverage/unset
kv.schema @m entries [@unset] { kv.register @s layers(1) tensor<8xf32> }
func.func @unset(%s: !kv.slot<@s>, %batch: !kv.batch) -> !kv.slot<@s> {
  // expected-error @+1 {{coverage: @unset returns without writing register @s, layer 0; kv.set it, or kv.waive it with a reason}}
  return %s : !kv.slot<@s>
}

// -----

// order/attended
kv.schema @m entries [@attended] { kv.cache @k layers(1) heads(2) row(16) }
func.func @attended(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-note @+1 {{first attended here}}
  %a = kv.attend %r, %k1[%c0], %k1[%c0], %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@k> -> tensor<?x2x16xf32>
  // expected-error @+1 {{order: @attended attends slot @k, layer 0, a second time in one call; a layer that reads another's rows takes them from kv.borrow}}
  %b = kv.attend %a, %k1[%c0], %k1[%c0], %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@k> -> tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}

// -----

// order/read
kv.schema @m entries [@read] { kv.cache @k layers(1) heads(2) row(16) }
func.func @read(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch {kv.sequences = 1}) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  %length = kv.length %batch[0]
  // expected-note @+1 {{first read here}}
  %a = kv.read %k1[%c0] rows(%c0, %length) : !kv.slot<@k> -> tensor<?x2x16xf32>
  // expected-error @+1 {{order: @read reads slot @k, layer 0, a second time in one call; use the rows read first}}
  %b = kv.read %k1[%c0] rows(%c0, %length) : !kv.slot<@k> -> tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}

// -----

// order/get
kv.schema @m entries [@get] { kv.register @s layers(1) tensor<8xf32> }
func.func @get(%x: tensor<?x8xf32>, %s: !kv.slot<@s>, %batch: !kv.batch) -> !kv.slot<@s> {
  %c0 = arith.constant 0 : index
  // expected-note @+1 {{set here}}
  %s1 = kv.set %s[%c0], %x, %batch : !kv.slot<@s>, tensor<?x8xf32>
  // expected-error @+1 {{order: @get gets register @s, layer 0, after setting it; use the value that was set}}
  %y = kv.get %s1[%c0], %batch : !kv.slot<@s> -> tensor<?x8xf32>
  return %s1 : !kv.slot<@s>
}

// -----

// rows/wanted
kv.schema @m entries [@wanted_rows] { kv.cache @k layers(1) heads(2) row(16) }
func.func private @take(tensor<?x2x16xf32>, tensor<?xi32>) -> tensor<?x2x16xf32>
func.func @wanted_rows(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %w = kv.wanted %batch : tensor<?xi32>
  %few = func.call @take(%r, %w) : (tensor<?x2x16xf32>, tensor<?xi32>) -> tensor<?x2x16xf32>
  // expected-error @+1 {{rows: @wanted_rows appends rows chosen by kv.wanted to slot @k, layer 0, the call brings T = sum of count; append the rows of every token}}
  %k1 = kv.append %k[%c0], %few, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}

// -----

// rows/queries
kv.schema @m entries [@wanted_queries] { kv.cache @k layers(1) heads(2) row(16) }
func.func private @take(tensor<?x2x16xf32>, tensor<?xi32>) -> tensor<?x2x16xf32>
func.func @wanted_queries(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %w = kv.wanted %batch : tensor<?xi32>
  %few = func.call @take(%r, %w) : (tensor<?x2x16xf32>, tensor<?xi32>) -> tensor<?x2x16xf32>
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{rows: @wanted_queries attends slot @k, layer 0, with queries chosen by kv.wanted, not one a token; choose the wanted tokens after the last attention}}
  %a = kv.attend %few, %k1[%c0], %k1[%c0], %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@k> -> tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}

// -----

// rows/sequences
kv.schema @m entries [@sequences] { kv.register @s layers(1) tensor<8xf32> }
func.func @sequences(%x: tensor<2x8xf32>, %s: !kv.slot<@s>, %batch: !kv.batch) -> !kv.slot<@s> {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{rows: @sequences sets register @s, layer 0, for 2 sequences, the call brings B; set it for every sequence}}
  %s1 = kv.set %s[%c0], %x, %batch : !kv.slot<@s>, tensor<2x8xf32>
  return %s1 : !kv.slot<@s>
}

// -----

// rows/twins
kv.schema @m entries [@twins] {
  kv.cache @k layers(1) heads(2) row(16)
  kv.cache @v layers(1) heads(2) row(16) values(@k)
}
func.func @twins(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch) -> (!kv.slot<@k>, !kv.slot<@v>) {
  %c0 = arith.constant 0 : index
  // expected-note @+1 {{stored here first}}
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{rows: @twins stores rows [start, start + count) of slot @k, layer 0, in slot @v too; keys and values differ, or share one cache}}
  %v1 = kv.append %v[%c0], %r, %batch : !kv.slot<@v>, tensor<?x2x16xf32>
  return %k1, %v1 : !kv.slot<@k>, !kv.slot<@v>
}

// -----

// rows/end
kv.schema @m entries [@end] { kv.cache @k layers(1) heads(2) row(16) }
func.func @end(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch {kv.sequences = 1}) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  %c1 = arith.constant 1 : index
  %length = kv.length %batch[0]
  %past = arith.addi %length, %c1 : index
  // expected-error @+1 {{rows: @end reads rows of slot @k, layer 0, that are not proven to be written; end at start, or at length after the append}}
  %a = kv.read %k1[%c0] rows(%c0, %past) : !kv.slot<@k> -> tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}

// -----

// rows/begin
kv.schema @m entries [@begin] { kv.cache @k layers(1) heads(2) row(16) }
func.func @begin(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch {kv.sequences = 1}) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  %c1 = arith.constant 1 : index
  %length = kv.length %batch[0]
  // expected-error @+1 {{rows: @begin reads slot @k, layer 0, from a row that is not 0; read every row; masks are attention's}}
  %a = kv.read %k1[%c0] rows(%c1, %length) : !kv.slot<@k> -> tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}

// -----

// phase/unrotated
kv.schema @m entries [@unrotated] { kv.cache @k layers(1) heads(2) row(16) rotated(halves) }
func.func @unrotated(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{phase: @unrotated stores rows in slot @k, layer 0, that do not depend on kv.positions; the schema says rotated; rotate them, or drop `rotated`}}
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}

// -----

// phase/rotated
kv.schema @m entries [@rotated] {
  kv.cache @k layers(1) heads(2) row(16) rotated(halves)
  kv.cache @v layers(1) heads(2) row(16) values(@k)
}
func.func private @rope(tensor<?x2x16xf32>, tensor<?xi32>) -> tensor<?x2x16xf32>
func.func private @wv(tensor<?x2x16xf32>) -> tensor<?x2x16xf32>
func.func @rotated(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch) -> (!kv.slot<@k>, !kv.slot<@v>) {
  %c0 = arith.constant 0 : index
  %p = kv.positions %batch : tensor<?xi32>
  %turned = func.call @rope(%r, %p) : (tensor<?x2x16xf32>, tensor<?xi32>) -> tensor<?x2x16xf32>
  %k1 = kv.append %k[%c0], %turned, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  %s = func.call @wv(%turned) : (tensor<?x2x16xf32>) -> tensor<?x2x16xf32>
  // expected-error @+1 {{phase: @rotated stores rotated rows in slot @v, layer 0, whose schema says they are not; are keys and values exchanged?}}
  %v1 = kv.append %v[%c0], %s, %batch : !kv.slot<@v>, tensor<?x2x16xf32>
  return %k1, %v1 : !kv.slot<@k>, !kv.slot<@v>
}

// -----

// bounds/unknown
kv.schema @m entries [@unknown] { kv.cache @k layers(1) heads(2) row(16) }
func.func @unknown(%r: tensor<?x2x16xf32>, %n: index, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{bounds: @unknown uses a layer of slot @k that is not known at compile time; derive it from constants and loop indices}}
  %w = kv.borrow %k1[%n] : !kv.slot<@k> -> !kv.view<@k>
  return %k1 : !kv.slot<@k>
}

// -----

// bounds/outside
kv.schema @m entries [@outside_layer] {
  // expected-note @+1 {{declared here}}
  kv.cache @k layers(1) heads(2) row(16)
}
func.func @outside_layer(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{bounds: @outside_layer uses layer 1 of slot @k, which has 1; use a layer that the schema declares}}
  %w = kv.borrow %k1[%c1] : !kv.slot<@k> -> !kv.view<@k>
  return %k1 : !kv.slot<@k>
}

// -----

// bounds/steps: a nest of loops that would never end
kv.schema @m entries [@steps] { kv.cache @k layers(1) heads(2) row(16) }
// expected-error @+1 {{bounds: @steps executes more than 1048576 ops in one call; give state loops over layers only}}
func.func @steps(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  %k9 = kv.loop %i = 0 to 1000000000 carry(%ki = %k1) : !kv.slot<@k> {
    %k8 = kv.loop %j = 0 to 1000000000 carry(%kj = %ki) : !kv.slot<@k> {
      %t = arith.addi %i, %j : index
      kv.yield %kj : !kv.slot<@k>
    }
    kv.yield %k8 : !kv.slot<@k>
  }
  return %k9 : !kv.slot<@k>
}

// -----

// waiver/needless
kv.schema @m entries [@needless] { kv.cache @k layers(1) heads(2) row(16) }
func.func @needless(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  // expected-note @+1 {{written here}}
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{waiver: @needless waives slot @k, layer 0, which needs no waiver; remove it}}
  %k2 = kv.waive %k1[%c0], "no reason" : !kv.slot<@k>
  return %k2 : !kv.slot<@k>
}

// -----

// agreement/promises
kv.schema @m entries [@promises, @decode] { kv.cache @k layers(1) heads(2) row(16) }
func.func @promises(%r: tensor<?x2x16xf32>, %mask: tensor<?x?xf32> {kv.name = "mask"}, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %m = kv.bind %mask = causal %batch[0] : tensor<?x?xf32>
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}
// expected-error @+1 {{agreement: @decode takes 'mask' as it comes, @promises binds it to be causal; kv.bind it in both}}
func.func @decode(%r: tensor<?x2x16xf32>, %mask: tensor<?x?xf32> {kv.name = "mask"}, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}
