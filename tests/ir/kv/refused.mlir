// RUN: kvasir-opt %s --split-input-file --verify-state --verify-diagnostics
// One program per rule, the smallest that breaks it.

// Two loops that leave a hole, and a constant layer that closes only half of it.
kv.schema @m entries [@hole] { kv.cache @k layers(8) heads(2) row(16) }
func.func @hole(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c3 = arith.constant 3 : index
  %k3 = kv.loop %i = 0 to 3 carry(%ki = %k) : !kv.slot<@k> {
    // expected-note @+1 {{@hole writes other layers of @k here}}
    %k1 = kv.append %ki[%i], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    kv.yield %k1 : !kv.slot<@k>
  }
  // expected-note @+1 {{first written here}}
  %k4 = kv.append %k3[%c3], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  %k8 = kv.loop %i = 5 to 8 carry(%ki = %k4) : !kv.slot<@k> {
    %k1 = kv.append %ki[%i], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    kv.yield %k1 : !kv.slot<@k>
  }
  // expected-error @+1 {{coverage: @hole writes rows [start, start + count) of slot @k, layer 3, a second time; write each layer once a call}}
  %k9 = kv.append %k8[%c3], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{coverage: @hole returns without writing rows [start, start + count) of slot @k, layer 4}}
  return %k9 : !kv.slot<@k>
}

// -----

kv.schema @m entries [@early] {
  kv.cache @k layers(2) heads(2) row(16)
  kv.cache @v layers(2) heads(2) row(16) values(@k)
}
func.func @early(%q: tensor<?x4x16xf32>, %r: tensor<?x2x16xf32>, %w: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch)
    -> (tensor<?x4x16xf32>, !kv.slot<@k>, !kv.slot<@v>) {
  %a, %k9, %v9 = kv.loop %i = 0 to 2 carry(%qi = %q, %ki = %k, %vi = %v) : tensor<?x4x16xf32>, !kv.slot<@k>, !kv.slot<@v> {
    %k1 = kv.append %ki[%i], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    // expected-error @+1 {{order: @early attends slot @v, layers 0-1, before this call's rows [start, start + count) are appended; append first}}
    %b = kv.attend %qi, %k1[%i], %vi[%i], %batch {scale = 0.25 : f32} : tensor<?x4x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x4x16xf32>
    // expected-note @+1 {{they are appended here}}
    %v1 = kv.append %vi[%i], %w, %batch : !kv.slot<@v>, tensor<?x2x16xf32>
    kv.yield %b, %k1, %v1 : tensor<?x4x16xf32>, !kv.slot<@k>, !kv.slot<@v>
  }
  return %a, %k9, %v9 : tensor<?x4x16xf32>, !kv.slot<@k>, !kv.slot<@v>
}

// -----

kv.schema @m entries [@stale] { kv.cache @k layers(1) heads(2) row(16) }
func.func @stale(%q: tensor<?x4x16xf32>, %r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> (tensor<?x4x16xf32>, !kv.slot<@k>) {
  %c0 = arith.constant 0 : index
  // expected-note @+1 {{the value was consumed here}}
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{linear: @stale uses slot @k as it was before rows [start, start + count) of layer 0 were written; use the newest value of the slot}}
  %a = kv.attend %q, %k[%c0], %k[%c0], %batch {scale = 0.25 : f32} : tensor<?x4x16xf32>, !kv.slot<@k>, !kv.slot<@k> -> tensor<?x4x16xf32>
  // expected-error @+1 {{linear: @stale returns slot @k as it was before rows [start, start + count) of layer 0 were written; use the newest value of the slot}}
  return %a, %k : tensor<?x4x16xf32>, !kv.slot<@k>
}

// -----

kv.schema @m entries [@one_branch] { kv.cache @k layers(2) heads(2) row(16) }
func.func @one_branch(%c: i1, %r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %k2 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{branches: @one_branch writes rows [start, start + count) of slot @k, layer 1, in one branch only; write them in both, or kv.waive them in the other}}
  %k3 = scf.if %c -> !kv.slot<@k> {
    // expected-note @+1 {{written here}}
    %k1 = kv.append %k2[%c1], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    scf.yield %k1 : !kv.slot<@k>
  } else {
    scf.yield %k2 : !kv.slot<@k>
  }
  return %k3 : !kv.slot<@k>
}

// -----

kv.schema @m entries [@register] { kv.register @conv layers(2) tensor<3x8xf32> }
func.func @register(%r: tensor<?x3x8xf32>, %c: !kv.slot<@conv>, %batch: !kv.batch) -> !kv.slot<@conv> {
  %c0 = arith.constant 0 : index
  // expected-note @+1 {{first written here}}
  %c1 = kv.set %c[%c0], %r, %batch : !kv.slot<@conv>, tensor<?x3x8xf32>
  // expected-note @+2 {{@register writes other layers of @conv here}}
  // expected-error @+1 {{coverage: @register writes register @conv, layer 0, a second time; write each layer once a call}}
  %c2 = kv.set %c1[%c0], %r, %batch : !kv.slot<@conv>, tensor<?x3x8xf32>
  // expected-error @+1 {{coverage: @register returns without writing register @conv, layer 1; kv.set it, or kv.waive it with a reason}}
  return %c2 : !kv.slot<@conv>
}

// -----

// expected-note @+1 {{declared here}}
kv.schema @m entries [@short] {
  kv.cache @k layers(1) heads(2) row(16)
  kv.cache @v layers(1) heads(2) row(16) values(@k)
}
// expected-error @+2 {{agreement: @short takes slots (k), schema @m declares (k, v); entry functions share every slot, in the schema's order}}
// expected-error @+1 {{agreement: @short returns slots (k), schema @m declares (k, v)}}
func.func @short(%k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  return %k : !kv.slot<@k>
}

// -----

kv.schema @m entries [@firewall] { kv.cache @k layers(1) heads(2) row(16) }
func.func @firewall(%c: i1, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  // expected-error @+1 {{firewall: @firewall lets 'builtin.unrealized_conversion_cast' touch slot @k; a lowering left state half converted}}
  %t = builtin.unrealized_conversion_cast %k : !kv.slot<@k> to tensor<4xf32>
  // expected-error @+1 {{firewall: @firewall lets 'arith.select' touch slot @k; only kv, func.func/call/return and scf.if/for may}}
  %k2 = arith.select %c, %k, %k : !kv.slot<@k>
  return %k2 : !kv.slot<@k>
}

// -----

kv.schema @m entries [@bounds] {
  // expected-note @+1 {{declared here}}
  kv.cache @k layers(2) heads(2) row(16)
}
func.func @bounds(%n: index, %r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %k3 = kv.loop %i = 0 to 3 carry(%ki = %k) : !kv.slot<@k> {
    // expected-error @+1 {{bounds: @bounds uses layer 2 of slot @k, which has 2}}
    %k1 = kv.append %ki[%i], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    kv.yield %k1 : !kv.slot<@k>
  }
  // expected-error @+1 {{bounds: @bounds uses a layer of slot @k that is not known at compile time; derive it from constants and loop indices}}
  %k4 = kv.waive %k3[%n], "x" : !kv.slot<@k>
  return %k4 : !kv.slot<@k>
}

// -----

// Rows that are not the call's: the last token, and all but one.
kv.schema @m entries [@few] { kv.cache @k layers(2) heads(2) row(16) }
func.func @few(%x: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %t = kv.tokens %batch
  %less = arith.subi %t, %c1 : index
  %last = tensor.extract_slice %x[%less, 0, 0] [1, 2, 16] [1, 1, 1] : tensor<?x2x16xf32> to tensor<1x2x16xf32>
  %rest = tensor.extract_slice %x[0, 0, 0] [%less, 2, 16] [1, 1, 1] : tensor<?x2x16xf32> to tensor<?x2x16xf32>
  // expected-error @+1 {{rows: @few appends 1 rows to slot @k, layer 0, the call brings T = sum of count; append the rows of every token}}
  %k1 = kv.append %k[%c0], %last, %batch : !kv.slot<@k>, tensor<1x2x16xf32>
  // expected-error @+1 {{rows: @few appends T - 1 rows to slot @k, layer 1, the call brings T = sum of count; append the rows of every token}}
  %k2 = kv.append %k1[%c1], %rest, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k2 : !kv.slot<@k>
}

// -----

// Keys and values exchanged: the phase tells.
kv.schema @m entries [@exchanged] {
  kv.cache @k layers(1) heads(2) row(16) rotated(adjacent)
  kv.cache @v layers(1) heads(2) row(16) values(@k)
}
func.func private @rope(tensor<?x2x16xf32>, tensor<?xi32>) -> tensor<?x2x16xf32>
func.func @exchanged(%x: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch) -> (!kv.slot<@k>, !kv.slot<@v>) {
  %c0 = arith.constant 0 : index
  %pos = kv.positions %batch : tensor<?xi32>
  %kr = func.call @rope(%x, %pos) : (tensor<?x2x16xf32>, tensor<?xi32>) -> tensor<?x2x16xf32>
  // expected-error @+1 {{phase: @exchanged stores rows in slot @k, layer 0, that do not depend on kv.positions; the schema says rotated}}
  %k1 = kv.append %k[%c0], %x, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{phase: @exchanged stores rotated rows in slot @v, layer 0, whose schema says they are not; are keys and values exchanged?}}
  %v1 = kv.append %v[%c0], %kr, %batch : !kv.slot<@v>, tensor<?x2x16xf32>
  return %k1, %v1 : !kv.slot<@k>, !kv.slot<@v>
}

// -----

// A shared layer must borrow; a view ends with the next write.
kv.schema @m entries [@shared] { kv.cache @latent layers(2) heads(1) row(16) }
func.func @shared(%q: tensor<?x4x16xf32>, %r: tensor<?x1x16xf32>, %s: !kv.slot<@latent>, %batch: !kv.batch) -> (tensor<?x4x16xf32>, !kv.slot<@latent>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %old = kv.borrow %s[%c1] : !kv.slot<@latent> -> !kv.view<@latent>
  %s1 = kv.append %s[%c0], %r, %batch : !kv.slot<@latent>, tensor<?x1x16xf32>
  %w = kv.borrow %s1[%c0] : !kv.slot<@latent> -> !kv.view<@latent>
  // expected-note @+1 {{the rows changed here}}
  %s2 = kv.append %s1[%c1], %r, %batch : !kv.slot<@latent>, tensor<?x1x16xf32>
  %a = kv.attend %q, %w, %w, %batch {scale = 0.25 : f32} : tensor<?x4x16xf32>, !kv.view<@latent>, !kv.view<@latent> -> tensor<?x4x16xf32>
  // expected-error @+1 {{linear: @shared attends a view of slot @latent, layer 1, lent before its rows changed; borrow after the append}}
  %b = kv.attend %a, %old, %old, %batch {scale = 0.25 : f32} : tensor<?x4x16xf32>, !kv.view<@latent>, !kv.view<@latent> -> tensor<?x4x16xf32>
  // expected-note @+1 {{first attended here}}
  %c = kv.attend %b, %s2[%c0], %s2[%c0], %batch {scale = 0.25 : f32} : tensor<?x4x16xf32>, !kv.slot<@latent>, !kv.slot<@latent> -> tensor<?x4x16xf32>
  // expected-error @+1 {{order: @shared attends slot @latent, layer 0, a second time in one call; a layer that reads another's rows takes them from kv.borrow}}
  %d = kv.attend %c, %s2[%c0], %s2[%c0], %batch {scale = 0.25 : f32} : tensor<?x4x16xf32>, !kv.slot<@latent>, !kv.slot<@latent> -> tensor<?x4x16xf32>
  return %d, %s2 : tensor<?x4x16xf32>, !kv.slot<@latent>
}

// -----

// The layer function is to blame; the note says who called it.
kv.schema @m entries [@forward] { kv.cache @k layers(2) heads(2) row(16) }
func.func private @layer(%i: index, %r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  // expected-note @+1 {{first written here}}
  %k1 = kv.append %k[%i], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{coverage: @forward writes rows [start, start + count) of slot @k, layers 0-1, a second time}}
  %k2 = kv.append %k1[%i], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k2 : !kv.slot<@k>
}
func.func @forward(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %k9 = kv.loop %i = 0 to 2 carry(%ki = %k) : !kv.slot<@k> {
    // expected-note @+1 {{called from here}}
    %k1 = func.call @layer(%i, %r, %ki, %batch) : (index, tensor<?x2x16xf32>, !kv.slot<@k>, !kv.batch) -> !kv.slot<@k>
    kv.yield %k1 : !kv.slot<@k>
  }
  return %k9 : !kv.slot<@k>
}

// -----

// Entries that a pass hid, removed or merged; and one that nobody listed.
// expected-error @+3 {{agreement: @gone is an entry of the schema but is gone; a pass removed or hid it}}
// expected-error @+2 {{agreement: @hidden is an entry of the schema but is private or has no body}}
// expected-error @+1 {{agreement: @forward is an entry of the schema twice; a pass merged two entries, or the list is wrong}}
kv.schema @m entries [@forward, @gone, @hidden, @forward] { kv.cache @k layers(1) heads(2) row(16) }
func.func private @hidden(%k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  return %k : !kv.slot<@k>
}
// expected-error @+1 {{agreement: @extra is public and takes slots, but is no entry of the schema; list it, or make it private}}
func.func @extra(%k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  return %k : !kv.slot<@k>
}
func.func @forward(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}

// -----

// Keys stored as values; a waiver that waives nothing; a register read after it was set.
kv.schema @m entries [@slips] {
  kv.cache @k layers(1) heads(2) row(16)
  kv.cache @v layers(1) heads(2) row(16) values(@k)
  kv.register @conv layers(1) tensor<3x8xf32>
}
func.func @slips(%r: tensor<?x2x16xf32>, %c: tensor<?x3x8xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %s: !kv.slot<@conv>, %batch: !kv.batch)
    -> (!kv.slot<@k>, !kv.slot<@v>, !kv.slot<@conv>) {
  %c0 = arith.constant 0 : index
  // expected-note @+2 {{stored here first}}
  // expected-note @+1 {{written here}}
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{waiver: @slips waives slot @k, layer 0, which needs no waiver; remove it}}
  %k2 = kv.waive %k1[%c0], "no reason" : !kv.slot<@k>
  // expected-error @+1 {{rows: @slips stores rows [start, start + count) of slot @k, layer 0, in slot @v too; keys and values differ, or share one cache}}
  %v1 = kv.append %v[%c0], %r, %batch : !kv.slot<@v>, tensor<?x2x16xf32>
  // expected-note @+1 {{set here}}
  %s1 = kv.set %s[%c0], %c, %batch : !kv.slot<@conv>, tensor<?x3x8xf32>
  // expected-error @+1 {{order: @slips gets register @conv, layer 0, after setting it; use the value that was set}}
  %g = kv.get %s1[%c0], %batch : !kv.slot<@conv> -> tensor<?x3x8xf32>
  return %k2, %v1, %s1 : !kv.slot<@k>, !kv.slot<@v>, !kv.slot<@conv>
}

// -----

// A loop over state that is none over layers, and one whose length only the run knows.
kv.schema @m entries [@long] { kv.cache @k layers(1) heads(2) row(16) }
func.func @long(%n: index, %r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %many = arith.constant 1000000000 : index
  %k0 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{bounds: @long runs a loop over state whose bounds are not known at compile time, or not those of layers; use kv.loop}}
  %k1 = scf.for %i = %c0 to %many step %c1 iter_args(%ki = %k0) -> !kv.slot<@k> {
    scf.yield %ki : !kv.slot<@k>
  }
  // expected-error @+1 {{bounds: @long runs a loop over state}}
  %k2 = scf.for %i = %c0 to %n step %c1 iter_args(%ki = %k1) -> !kv.slot<@k> {
    scf.yield %ki : !kv.slot<@k>
  }
  // A loop without state is not run.
  %s = scf.for %i = %c0 to %many step %c1 iter_args(%j = %c0) -> index {
    %t = arith.addi %i, %j : index
    scf.yield %t : index
  }
  return %k2 : !kv.slot<@k>
}

// -----

// A clone for one token that brings two rows; a register set for two sequences of one.
kv.schema @m entries [@forward_1] {
  kv.cache @k layers(1) heads(2) row(16)
  kv.register @conv layers(1) tensor<3x8xf32>
}
func.func @forward_1(%r: tensor<2x2x16xf32>, %c: tensor<2x3x8xf32>, %k: !kv.slot<@k>, %s: !kv.slot<@conv>,
                     %batch: !kv.batch {kv.sequences = 1 : i64, kv.tokens = 1 : i64}) -> (!kv.slot<@k>, !kv.slot<@conv>) {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{rows: @forward_1 appends 2 rows to slot @k, layer 0, the call brings 1; append the rows of every token}}
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<2x2x16xf32>
  // expected-error @+1 {{rows: @forward_1 sets register @conv, layer 0, for 2 sequences, the call brings 1; set it for every sequence}}
  %s1 = kv.set %s[%c0], %c, %batch : !kv.slot<@conv>, tensor<2x3x8xf32>
  return %k1, %s1 : !kv.slot<@k>, !kv.slot<@conv>
}

// -----

// The rows of the wanted tokens only: a head that was computed early, which is how prefill loses its rows.
kv.schema @m entries [@wanted] {
  kv.cache @k layers(2) heads(2) row(16)
  kv.cache @v layers(2) heads(2) row(16) values(@k)
}
func.func private @take(tensor<?x2x16xf32>, tensor<?xi32>) -> tensor<?x2x16xf32>
func.func @wanted(%r: tensor<?x2x16xf32>, %s: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch)
    -> (tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>) {
  %c0 = arith.constant 0 : index
  %w = kv.wanted %batch : tensor<?xi32>
  %few = func.call @take(%r, %w) : (tensor<?x2x16xf32>, tensor<?xi32>) -> tensor<?x2x16xf32>
  %a, %k9, %v9 = kv.loop %i = 0 to 2 carry(%h = %r, %ki = %k, %vi = %v) : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v> {
    // expected-error @+1 {{rows: @wanted appends rows chosen by kv.wanted to slot @k, layers 0-1, the call brings T = sum of count; append the rows of every token}}
    %k1 = kv.append %ki[%i], %few, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    %v1 = kv.append %vi[%i], %s, %batch : !kv.slot<@v>, tensor<?x2x16xf32>
    // expected-error @+1 {{rows: @wanted attends slot @k, layers 0-1, with queries chosen by kv.wanted, not one a token; choose the wanted tokens after the last attention}}
    %b = kv.attend %few, %k1[%i], %v1[%i], %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x2x16xf32>
    kv.yield %b, %k1, %v1 : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>
  }
  return %a, %k9, %v9 : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>
}

// -----

// The rows of one sequence of many.
kv.schema @m entries [@one] { kv.cache @k layers(2) heads(2) row(16) }
func.func @one(%x: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = kv.count %batch[0]
  %first, %count, %start = kv.sequence %batch[%c1]
  %a = tensor.extract_slice %x[0, 0, 0] [%n, 2, 16] [1, 1, 1] : tensor<?x2x16xf32> to tensor<?x2x16xf32>
  %b = tensor.extract_slice %x[%first, 0, 0] [%count, 2, 16] [1, 1, 1] : tensor<?x2x16xf32> to tensor<?x2x16xf32>
  // expected-error @+1 {{rows: @one appends the rows of one sequence to slot @k, layer 0, the call brings T = sum of count}}
  %k1 = kv.append %k[%c0], %a, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{rows: @one appends the rows of one sequence to slot @k, layer 1, the call brings T = sum of count}}
  %k2 = kv.append %k1[%c1], %b, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k2 : !kv.slot<@k>
}

// -----

// Keys of one layer, values of another.
kv.schema @m entries [@crossed] {
  kv.cache @k layers(2) heads(2) row(16)
  kv.cache @v layers(2) heads(2) row(16) values(@k)
}
func.func @crossed(%q: tensor<?x2x16xf32>, %r: tensor<?x2x16xf32>, %s: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch)
    -> (tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %k9, %v9 = kv.loop %i = 0 to 2 carry(%ki = %k, %vi = %v) : !kv.slot<@k>, !kv.slot<@v> {
    %k1 = kv.append %ki[%i], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    %v1 = kv.append %vi[%i], %s, %batch : !kv.slot<@v>, tensor<?x2x16xf32>
    kv.yield %k1, %v1 : !kv.slot<@k>, !kv.slot<@v>
  }
  // expected-error @+1 {{order: @crossed attends keys of layer 0 of slot @k with values of layer 1; use one layer for both}}
  %a = kv.attend %q, %k9[%c0], %v9[%c1], %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x2x16xf32>
  // expected-error @+1 {{order: @crossed attends keys of layer 1 of slot @k with values of layer 0; use one layer for both}}
  %b = kv.attend %a, %k9[%c1], %v9[%c0], %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x2x16xf32>
  return %b, %k9, %v9 : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>
}

// -----

// expected-error @+1 {{agreement: the module declares 2 schemas; its entry functions share one kv.schema}}
module {
  kv.schema @a entries [@f] { kv.cache @k layers(1) heads(2) row(16) }
  kv.schema @b entries [@f] { kv.cache @v layers(1) heads(2) row(16) }
}

// -----

// expected-error @+1 {{agreement: @m has no entries; list the functions that share the state}}
kv.schema @m entries [] { kv.cache @k layers(1) heads(2) row(16) }

// -----

kv.schema @m entries [@no_batch] { kv.cache @k layers(1) heads(2) row(16) }
// expected-error @+1 {{agreement: @no_batch takes 0 batches; one !kv.batch describes a call}}
func.func @no_batch(%k: !kv.slot<@k>) -> !kv.slot<@k> {
  return %k : !kv.slot<@k>
}

// -----

// Facts of a batch that make no sense would make wrong rows right.
kv.schema @m entries [@none, @fewer, @elsewhere] { kv.cache @k layers(1) heads(2) row(16) }
// expected-error @+1 {{agreement: @none says kv.tokens of argument 1, which is no batch with at least 1; state integers, of the !kv.batch, with tokens >= sequences}}
func.func @none(%k: !kv.slot<@k>, %batch: !kv.batch {kv.tokens = 0 : i64}) -> !kv.slot<@k> {
  %k1 = kv.waive %k, "a test" : !kv.slot<@k>
  return %k1 : !kv.slot<@k>
}
// expected-error @+1 {{agreement: @fewer says kv.tokens of argument 1, which is no batch with at least 2}}
func.func @fewer(%k: !kv.slot<@k>, %batch: !kv.batch {kv.sequences = 2 : i64, kv.tokens = 1 : i64}) -> !kv.slot<@k> {
  %k1 = kv.waive %k, "a test" : !kv.slot<@k>
  return %k1 : !kv.slot<@k>
}
// expected-error @+1 {{agreement: @elsewhere says kv.sequences of argument 0, which is no batch}}
func.func @elsewhere(%n: index {kv.sequences = 1 : i64}, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %k1 = kv.waive %k, "a test" : !kv.slot<@k>
  return %k1 : !kv.slot<@k>
}

// -----

// A dynamic type hides that they are one.
kv.schema @m entries [@hidden] { kv.cache @k layers(1) heads(2) row(16) }
func.func @hidden(%x: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %one = arith.constant 1 : index
  %last = tensor.extract_slice %x[0, 0, 0] [%one, 2, 16] [1, 1, 1] : tensor<?x2x16xf32> to tensor<?x2x16xf32>
  // expected-error @+1 {{rows: @hidden appends 1 rows to slot @k, layer 0, the call brings T = sum of count}}
  %k1 = kv.append %k[%c0], %last, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}
