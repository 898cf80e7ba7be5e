// RUN: kvasir-opt %s --split-input-file --verify-state --verify-diagnostics
// A group changes nothing but who does the work: its body is verified like the code around it.

kv.schema @m entries [@forward] {
  kv.cache @k layers(2) heads(2) row(16)
  kv.cache @v layers(2) heads(2) row(16) values(@k)
}
func.func @forward(%q: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch)
    -> (tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>) {
  %y, %k9, %v9 = kv.loop %i = 0 to 2 carry(%h = %q, %ki = %k, %vi = %v) : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v> {
    %k2, %v2 = kv.group {kernel = "cpu.kv"} -> !kv.slot<@k>, !kv.slot<@v> {
      %r = math.exp %h : tensor<?x2x16xf32>
      %k1 = kv.append %ki[%i], %h, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
      %v1 = kv.append %vi[%i], %r, %batch : !kv.slot<@v>, tensor<?x2x16xf32>
      kv.yield %k1, %v1 : !kv.slot<@k>, !kv.slot<@v>
    }
    %o = kv.group {kernel = "cpu.attend"} -> tensor<?x2x16xf32> {
      %a = kv.attend %h, %k2[%i], %v2[%i], %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x2x16xf32>
      kv.yield %a : tensor<?x2x16xf32>
    }
    kv.yield %o, %k2, %v2 : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>
  }
  return %y, %k9, %v9 : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>
}

// -----

// A group that yields the slot it was given: the write is inside, and lost.
kv.schema @m entries [@lost] { kv.cache @k layers(2) heads(2) row(16) }
func.func @lost(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %k9 = kv.loop %i = 0 to 2 carry(%ki = %k) : !kv.slot<@k> {
    %k2 = kv.group {kernel = "cpu.kv"} -> !kv.slot<@k> {
      // expected-note @+1 {{the value was consumed here}}
      %k1 = kv.append %ki[%i], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
      // expected-error @+1 {{linear: @lost uses slot @k as it was before rows [start, start + count) of layers 0-1 were written; use the newest value of the slot}}
      kv.yield %ki : !kv.slot<@k>
    }
    kv.yield %k2 : !kv.slot<@k>
  }
  return %k9 : !kv.slot<@k>
}

// -----

// A fusion that forgot the write.
kv.schema @m entries [@forgot] {
  kv.cache @k layers(2) heads(2) row(16)
  kv.cache @v layers(2) heads(2) row(16) values(@k)
}
func.func @forgot(%q: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch)
    -> (tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>) {
  %y, %k9, %v9 = kv.loop %i = 0 to 2 carry(%h = %q, %ki = %k, %vi = %v) : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v> {
    %o, %k2, %v2 = kv.group {kernel = "cpu.layer"} -> tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v> {
      // expected-note @+1 {{@forgot writes @k here}}
      %k1 = kv.append %ki[%i], %h, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
      // expected-note @+1 {{@v is read here without them}}
      %a = kv.attend %h, %k1[%i], %vi[%i], %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x2x16xf32>
      kv.yield %a, %k1, %vi : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>
    }
    kv.yield %o, %k2, %v2 : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>
  }
  // expected-error @+1 {{coverage: @forgot returns without writing rows [start, start + count) of slot @v, layers 0-1; kv.append them, or kv.waive them with a reason}}
  return %y, %k9, %v9 : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>
}
