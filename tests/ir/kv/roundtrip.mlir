// RUN: kvasir-opt %s --split-input-file | kvasir-opt --split-input-file | FileCheck %s
// Every op and type parses, prints and parses again.

// CHECK:      kv.schema @all entries [@forward, @imported] {
// CHECK-NEXT:   kv.cache @k layers(30) heads(3) row(64) rotated(adjacent)
// CHECK-NEXT:   kv.cache @v layers(30) heads(3) row(64) values(@k)
// CHECK-NEXT:   kv.cache @near layers(2) heads(3) row(64) window(512) rotated(halves) rounds(f16) from("k_cache", ["layer", "head", "row", "element"], 2048)
// CHECK-NEXT:   kv.register @conv layers(8) tensor<4x64xf32>
kv.schema @all entries [@forward, @imported] {
  kv.cache @k layers(30) heads(3) row(64) rotated(adjacent)
  kv.cache @v layers(30) heads(3) row(64) values(@k)
  kv.cache @near layers(2) heads(3) row(64) window(512) rotated(halves) rounds(f16)
    from("k_cache", ["layer", "head", "row", "element"], 2048)
  kv.register @conv layers(8) tensor<4x64xf32>
}

// CHECK-LABEL: func.func @forward
func.func @forward(%q: tensor<?x9x64xf32>, %r: tensor<?x3x64xf32>, %n: index, %k: !kv.slot<@k>, %v: !kv.slot<@v>,
                   %sinks: !lm.weight<9, codes = f32>, %conv: !kv.slot<@conv>,
                   %batch: !kv.batch {kv.sequences = 1 : i64}) {
  // CHECK: kv.positions %{{.*}} : tensor<?xi32>
  %positions = kv.positions %batch : tensor<?xi32>
  // CHECK: kv.wanted %{{.*}} : tensor<?xi32>
  %wanted = kv.wanted %batch : tensor<?xi32>
  // CHECK: kv.tokens %{{.*}}
  %t = kv.tokens %batch
  // CHECK: kv.sequences %{{.*}}
  %b = kv.sequences %batch
  // CHECK: %first, %count, %start = kv.sequence %{{.*}}[%{{.*}}]
  %first, %count, %start = kv.sequence %batch[%n]
  // CHECK: kv.start %{{.*}}[0]
  // CHECK: kv.count %{{.*}}[0]
  // CHECK: kv.length %{{.*}}[0]
  %s0 = kv.start %batch[0]
  %n0 = kv.count %batch[0]
  %l0 = kv.length %batch[0]
  // CHECK: %{{.*}}, %k, %v = kv.loop %layer = 0 to 30 carry(%{{.*}} = %{{.*}}, %k_0 = %{{.*}}, %v_1 = %{{.*}}) : tensor<?x9x64xf32>, !kv.slot<@k>, !kv.slot<@v> {
  %y, %k9, %v9 = kv.loop %layer = 0 to 30 carry(%h = %q, %ki = %k, %vi = %v)
      : tensor<?x9x64xf32>, !kv.slot<@k>, !kv.slot<@v> {
    // CHECK: kv.group {kernel = "cpu.qkv"} -> !kv.slot<@k>, !kv.slot<@v> {
    %k1, %v1 = kv.group {kernel = "cpu.qkv"} -> !kv.slot<@k>, !kv.slot<@v> {
      // CHECK: %k_{{[0-9]+}} = kv.append %{{.*}}[%{{.*}}], %{{.*}}, %{{.*}} : !kv.slot<@k>, tensor<?x3x64xf32>
      %k2 = kv.append %ki[%layer], %r, %batch : !kv.slot<@k>, tensor<?x3x64xf32>
      %v2 = kv.append %vi[%layer], %r, %batch : !kv.slot<@v>, tensor<?x3x64xf32>
      // CHECK: kv.yield %{{.*}}, %{{.*}} : !kv.slot<@k>, !kv.slot<@v>
      kv.yield %k2, %v2 : !kv.slot<@k>, !kv.slot<@v>
    }
    // CHECK: kv.attend %{{.*}}, %{{.*}}[%{{.*}}], %{{.*}}[%{{.*}}], %{{.*}} {scale = 1.250000e-01 : f32, softcap = 5.000000e+01 : f32} : tensor<?x9x64xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x9x64xf32>
    %o = kv.attend %h, %k1[%layer], %v1[%layer], %batch {scale = 0.125 : f32, softcap = 50.0 : f32}
      : tensor<?x9x64xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x9x64xf32>
    // CHECK: kv.attend %{{.*}}, %{{.*}}[%{{.*}}], %{{.*}}[%{{.*}}], %{{.*}} sinks %{{.*}} {scale = 1.250000e-01 : f32} : tensor<?x9x64xf32>, !kv.slot<@k>, !kv.slot<@v>, !lm.weight<9, codes = f32> -> tensor<?x9x64xf32>
    %o1 = kv.attend %h, %k1[%layer], %v1[%layer], %batch sinks %sinks {scale = 0.125 : f32}
      : tensor<?x9x64xf32>, !kv.slot<@k>, !kv.slot<@v>, !lm.weight<9, codes = f32> -> tensor<?x9x64xf32>
    // CHECK: kv.borrow %{{.*}}[%{{.*}}] : !kv.slot<@k> -> !kv.view<@k>
    %w = kv.borrow %k1[%layer] : !kv.slot<@k> -> !kv.view<@k>
    kv.yield %o, %k1, %v1 : tensor<?x9x64xf32>, !kv.slot<@k>, !kv.slot<@v>
  }
  // CHECK: kv.get %{{.*}}[%{{.*}}], %{{.*}} : !kv.slot<@conv> -> tensor<?x4x64xf32>
  %past = kv.get %conv[%n], %batch : !kv.slot<@conv> -> tensor<?x4x64xf32>
  // CHECK: kv.set %{{.*}}[%{{.*}}], %{{.*}}, %{{.*}} : !kv.slot<@conv>, tensor<?x4x64xf32>
  %conv1 = kv.set %conv[%n], %past, %batch : !kv.slot<@conv>, tensor<?x4x64xf32>
  // CHECK: kv.loop %layer = 0 to 2 {
  // CHECK-NEXT: }
  kv.loop %i = 0 to 2 {
  }
  // CHECK: kv.group {kernel = "nothing"} {
  // CHECK-NEXT: }
  kv.group {kernel = "nothing"} {
  }
  return
}

// CHECK-LABEL: func.func @imported
func.func @imported(%p: index, %mask: tensor<1x1x?x?xf32>, %r: tensor<?x3x64xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) {
  // CHECK: kv.bind %{{.*}} = start %{{.*}}[0] : index
  %begin = kv.bind %p = start %batch[0] : index
  // CHECK: kv.bind %{{.*}} dim 3 = length %{{.*}}[0] : tensor<1x1x?x?xf32>
  %m = kv.bind %mask dim 3 = length %batch[0] : tensor<1x1x?x?xf32>
  // CHECK: kv.bind %{{.*}} = causal %{{.*}}[0] : tensor<1x1x?x?xf32>
  %n = kv.bind %m = causal %batch[0] : tensor<1x1x?x?xf32>
  // CHECK: kv.read %{{.*}}[%{{.*}}] rows(%{{.*}}, %{{.*}}) : !kv.slot<@k> -> tensor<?x3x64xf32>
  %rows = kv.read %k[%p] rows(%p, %begin) : !kv.slot<@k> -> tensor<?x3x64xf32>
  // CHECK: kv.write %{{.*}}[%{{.*}}], %{{.*}} at(%{{.*}}) : !kv.slot<@k>, tensor<?x3x64xf32>
  %k1 = kv.write %k[%p], %r at(%begin) : !kv.slot<@k>, tensor<?x3x64xf32>
  // CHECK: kv.write %{{.*}}[%{{.*}}], %{{.*}} at(%{{.*}}) unraised "why" : !kv.slot<@k>, tensor<?x3x64xf32>
  %k2 = kv.write %k1[%p], %r at(%begin) unraised "why" : !kv.slot<@k>, tensor<?x3x64xf32>
  // CHECK: kv.waive %{{.*}}[%{{.*}}], "unused" : !kv.slot<@k>
  %k3 = kv.waive %k2[%p], "unused" : !kv.slot<@k>
  // CHECK: kv.waive %{{.*}}, "only scores" : !kv.slot<@k>
  %k4 = kv.waive %k3, "only scores" : !kv.slot<@k>
  return
}
