// A whole program through kvasir-compile: code that calls nothing, and a plugin, on the backend that takes no op.
// RUN: kvasir-compile %s --backend reference --emit llvm | FileCheck %s
// RUN: kvasir-compile %s --backend reference --random-weights 1 --verify-each-pass -o %t.kvasir 2>&1 | FileCheck %s --check-prefix=SUMMARY
// RUN: kvasir-compile %s --emit kv | kvasir-opt --verify-state | FileCheck %s --check-prefix=KV

// What is wrong is said in one line, and nothing is written.
// RUN: rm -f %t.none && not kvasir-compile %s -o %t.none --backend reference 2>&1 | FileCheck %s --check-prefix=WEIGHTS
// RUN: not ls %t.none
// RUN: not kvasir-compile %s -o %t.none --backend nobody 2>&1 | FileCheck %s --check-prefix=BACKEND
// RUN: not kvasir-compile %s.gguf -o %t.none 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not kvasir-compile %s 2>&1 | FileCheck %s --check-prefix=USAGE
// RUN: cp %s %t.mlir && not kvasir-compile %t.mlir -o %t.mlir 2>&1 | FileCheck %s --check-prefix=SAME
// RUN: not kvasir-compile %s -o /nowhere/x --random-weights 1 2>&1 | FileCheck %s --check-prefix=FOLDER

// CHECK-DAG: define hidden i32 @forward.avx2(ptr
// CHECK-DAG: define hidden i64 @forward.scratch.avx2(ptr
// CHECK-NOT: declare {{.*}} @{{[^l]}}
// SUMMARY: proved that every token's rows reach k and v in each of 3 layers{{.*}}; code {{[0-9]+}} KB
// KV: kv.append
// WEIGHTS: kvasir-compile: {{.*}}compile.mlir: only names its weights; --random-weights makes some up
// BACKEND: kvasir-compile: no backend 'nobody'; there is {{.*}}reference in {{.*}}; --backend-path adds a folder
// MISSING: kvasir-compile: {{.*}}: No such file or directory
// USAGE: kvasir-compile: -o is required
// SAME: kvasir-compile: '{{.*}}' is the model itself; give another -o
// FOLDER: kvasir-compile: cannot write '/nowhere/x': No such file or directory

module attributes {lm.model = {name = "tiny", architecture = "none", context = 256 : i64, vocabulary = 96 : i64}} {
  kv.schema @tiny entries [@forward] {
    kv.cache @k layers(3) heads(2) row(16) rotated(halves)
    kv.cache @v layers(3) heads(2) row(16) values(@k)
  }
  lm.weight @embedding source("embedding") : !lm.weight<96x32, codes = f16>
  lm.weight @norm family(3) source("{}.norm") : !lm.weight<32, codes = f32>
  lm.weight @q family(3) source("{}.q") : !lm.weight<32x32, codes = ui4, group = 32, scale = f16, min = f16>
  lm.weight @kv family(3) source("{}.kv") : !lm.weight<32x32, codes = si8, group = 32, scale = f16>

  func.func @forward(%ids: tensor<?xi32> {kv.name = "ids", kv.role = "ids"}, %k: !kv.slot<@k>, %v: !kv.slot<@v>,
                     %batch: !kv.batch)
      -> (tensor<?x96xf32> {kv.name = "logits", kv.role = "logits"}, !kv.slot<@k>, !kv.slot<@v>) {
    %t = kv.tokens %batch
    %positions = kv.positions %batch : tensor<?xi64>
    %angles = lm.rope_angles %positions {frequencies = dense<[1.0, 0.5, 0.25, 0.125, 0.06, 0.03, 0.015, 0.007]> : tensor<8xf64>, magnitude = 1.0 : f32} : tensor<?xi64> -> tensor<?x8x2xf32>
    %e = lm.select @embedding : !lm.weight<96x32, codes = f16>
    %x0 = lm.embedding %ids, %e : tensor<?xi32>, !lm.weight<96x32, codes = f16> -> tensor<?x32xf32>
    %x, %k1, %v1 = kv.loop %layer = 0 to 3 carry(%y = %x0, %kc = %k, %vc = %v) : tensor<?x32xf32>, !kv.slot<@k>, !kv.slot<@v> {
      %nw = lm.select @norm[%layer] : !lm.weight<32, codes = f32>
      %n = lm.rms_norm %y, %nw {epsilon = 1.0e-5 : f32} : tensor<?x32xf32>, !lm.weight<32, codes = f32>
      %qw = lm.select @q[%layer] : !lm.weight<32x32, codes = ui4, group = 32, scale = f16, min = f16>
      %q2 = lm.linear %n, %qw : tensor<?x32xf32>, !lm.weight<32x32, codes = ui4, group = 32, scale = f16, min = f16> -> tensor<?x32xf32>
      %q = tensor.expand_shape %q2 [[0], [1, 2]] output_shape [%t, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
      %kvw = lm.select @kv[%layer] : !lm.weight<32x32, codes = si8, group = 32, scale = f16>
      %kv2 = lm.linear %n, %kvw : tensor<?x32xf32>, !lm.weight<32x32, codes = si8, group = 32, scale = f16> -> tensor<?x32xf32>
      %rows = tensor.expand_shape %kv2 [[0], [1, 2]] output_shape [%t, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
      %qr = lm.rope %q, %angles lanes(halves) : tensor<?x2x16xf32>, tensor<?x8x2xf32>
      %kr = lm.rope %rows, %angles lanes(halves) : tensor<?x2x16xf32>, tensor<?x8x2xf32>
      %k2 = kv.append %kc[%layer], %kr, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
      %v2 = kv.append %vc[%layer], %rows, %batch : !kv.slot<@v>, tensor<?x2x16xf32>
      %a = kv.attend %qr, %k2[%layer], %v2[%layer], %batch {scale = 2.5e-01 : f32} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x2x16xf32>
      %flat = tensor.collapse_shape %a [[0], [1, 2]] : tensor<?x2x16xf32> into tensor<?x32xf32>
      %sum = arith.addf %y, %flat : tensor<?x32xf32>
      kv.yield %sum, %k2, %v2 : tensor<?x32xf32>, !kv.slot<@k>, !kv.slot<@v>
    }
    %wanted = kv.wanted %batch : tensor<?xi32>
    %taken = lm.take %x, %wanted : tensor<?x32xf32>, tensor<?xi32> -> tensor<?x32xf32>
    %logits = lm.linear %taken, %e : tensor<?x32xf32>, !lm.weight<96x32, codes = f16> -> tensor<?x96xf32>
    return %logits, %k1, %v1 : tensor<?x96xf32>, !kv.slot<@k>, !kv.slot<@v>
  }
}
