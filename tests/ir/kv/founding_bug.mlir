// RUN: kvasir-opt %s --verify-state --verify-diagnostics
// The failure this exists for: prefill reads V, attends with it, returns it, and never wrote its rows.

kv.schema @llama entries [@prefill, @decode] {
  kv.cache @k layers(4) heads(2) row(16)
  kv.cache @v layers(4) heads(2) row(16) values(@k)
}
func.func private @wq(tensor<?x64xf32>, index) -> tensor<?x4x16xf32>
func.func private @wk(tensor<?x64xf32>, index) -> tensor<?x2x16xf32>
func.func private @wv(tensor<?x64xf32>, index) -> tensor<?x2x16xf32>
func.func private @wo_ffn(tensor<?x64xf32>, tensor<?x4x16xf32>, tensor<?x2x16xf32>, index) -> tensor<?x64xf32>
func.func private @wo_ffn2(tensor<?x64xf32>, tensor<?x4x16xf32>, index) -> tensor<?x64xf32>

func.func @prefill(%x: tensor<?x64xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch)
    -> (tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v>) {
  %y, %k9 = kv.loop %i = 0 to 4 carry(%h = %x, %ki = %k) : tensor<?x64xf32>, !kv.slot<@k> {
    %q = func.call @wq(%h, %i) : (tensor<?x64xf32>, index) -> tensor<?x4x16xf32>
    %kr = func.call @wk(%h, %i) : (tensor<?x64xf32>, index) -> tensor<?x2x16xf32>
    %vr = func.call @wv(%h, %i) : (tensor<?x64xf32>, index) -> tensor<?x2x16xf32>
    // expected-note @+1 {{@prefill writes @k here}}
    %k1 = kv.append %ki[%i], %kr, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    // expected-note @+1 {{@v is read here without them}}
    %a = kv.attend %q, %k1[%i], %v[%i], %batch {scale = 0.25 : f32}
      : tensor<?x4x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x4x16xf32>
    %h1 = func.call @wo_ffn(%h, %a, %vr, %i) : (tensor<?x64xf32>, tensor<?x4x16xf32>, tensor<?x2x16xf32>, index) -> tensor<?x64xf32>
    kv.yield %h1, %k1 : tensor<?x64xf32>, !kv.slot<@k>
  }
  // expected-error @+1 {{coverage: @prefill returns without writing rows [start, start + count) of slot @v, layers 0-3; kv.append them, or kv.waive them with a reason}}
  return %y, %k9, %v : tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v>
}

func.func @decode(%x: tensor<?x64xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch)
    -> (tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v>) {
  %y, %k9, %v9 = kv.loop %i = 0 to 4 carry(%h = %x, %ki = %k, %vi = %v) : tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v> {
    %q = func.call @wq(%h, %i) : (tensor<?x64xf32>, index) -> tensor<?x4x16xf32>
    %kr = func.call @wk(%h, %i) : (tensor<?x64xf32>, index) -> tensor<?x2x16xf32>
    %vr = func.call @wv(%h, %i) : (tensor<?x64xf32>, index) -> tensor<?x2x16xf32>
    %k1 = kv.append %ki[%i], %kr, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    // expected-note @+1 {{@decode writes @v here}}
    %v1 = kv.append %vi[%i], %vr, %batch : !kv.slot<@v>, tensor<?x2x16xf32>
    %a = kv.attend %q, %k1[%i], %v1[%i], %batch {scale = 0.25 : f32}
      : tensor<?x4x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x4x16xf32>
    %h1 = func.call @wo_ffn2(%h, %a, %i) : (tensor<?x64xf32>, tensor<?x4x16xf32>, index) -> tensor<?x64xf32>
    kv.yield %h1, %k1, %v1 : tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v>
  }
  return %y, %k9, %v9 : tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v>
}
