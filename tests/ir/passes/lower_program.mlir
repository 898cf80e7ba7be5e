// RUN: kvasir-opt %s --verify-state --lower-program | FileCheck %s
// RUN: kvasir-opt %s --lower-program --codegen | FileCheck %s --check-prefix=CODE
// A whole program, from what is proved to memrefs: each tensor has its one buffer, nothing is copied but the taken rows.

// CHECK-LABEL: func.func @forward(
// CHECK-NOT: tensor
// CHECK-NOT: linalg.
// CHECK-NOT: memref.copy
// CHECK: return
// CODE-NOT: unrealized_conversion_cast
// CODE: llvm.func @forward(%arg0: !llvm.ptr, %arg1: i64, %arg2: i64) -> i32

module attributes {lm.model = {name = "tiny", architecture = "llama", context = 256 : i64, vocabulary = 32 : i64}} {
  kv.schema @llama entries [@forward] {
    kv.cache @k layers(2) heads(2) row(8) rotated(adjacent) {lm.layout = #lm.layout<16384 bytes, value f32 at 0 [lane 8 : 32, token 128 : 256, head 2 : 32768, layer 2 : 65536]>}
    kv.cache @v layers(2) heads(2) row(8) values(@k) {lm.layout = #lm.layout<16384 bytes, value bf16 at 0 [lane 8 : 16, token 128 : 128, head 2 : 16384, layer 2 : 32768]>}
  }
  lm.weight @embed source("token_embd.weight") layout(<1024 bytes, value f16 at 0 [column 16 : 16, row 32 : 256]>) offset(0) stride(0) : !lm.weight<32x16, codes = f16>
  lm.weight @norm family(2) source("n") layout(<64 bytes, value f32 at 0 [column 16 : 32]>) offset(1024) stride(64) : !lm.weight<16, codes = f32>
  lm.weight @wq family(2) source("q") layout(<2048 bytes, value f32 at 0 [column 16 : 32, row 32 : 512]>) offset(2048) stride(2048) : !lm.weight<32x16, codes = f32>
  lm.weight @wkv family(2) source("kv") layout(<1024 bytes, value f32 at 0 [column 16 : 32, row 16 : 512]>) offset(8192) stride(1024) : !lm.weight<16x16, codes = f32>
  lm.weight @wo family(2) source("o") layout(<2048 bytes, value f32 at 0 [column 32 : 32, row 16 : 1024]>) offset(12288) stride(2048) : !lm.weight<16x32, codes = f32>
  lm.weight @gate family(2) source("g") layout(<512 bytes, code u4 at 0 [column 16 : 4, row 40 : 64], scale f16 at 2560 [column 16 : 0, row 40 : 16], min f16 at 3200 [column 16 : 0, row 40 : 16]>) offset(16384) stride(512) : !lm.weight<40x16, codes = ui4, group = 16, scale = f16, min = f16, zero = 8>
  lm.weight @down family(2) source("d") layout(<4096 bytes, value f32 at 0 [column 40 : 32, row 16 : 1280]>) offset(32768) stride(4096) : !lm.weight<16x40, codes = f32>
  func.func @forward(%ids: tensor<?xi32> {kv.role = "ids", kv.name = "ids"}, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch)
      -> (tensor<?x32xf32> {kv.role = "logits", kv.name = "logits"}, !kv.slot<@k>, !kv.slot<@v>) {
    %we = lm.select @embed : !lm.weight<32x16, codes = f16>
    %x = lm.embedding %ids, %we : tensor<?xi32>, !lm.weight<32x16, codes = f16> -> tensor<?x16xf32>
    %pos = kv.positions %batch : tensor<?xi64>
    %angles = lm.rope_angles %pos {frequencies = dense<[1.0, 0.1, 0.01, 0.001]> : tensor<4xf64>} : tensor<?xi64> -> tensor<?x4x2xf32>
    %t = kv.tokens %batch
    %y, %k9, %v9 = kv.loop %layer = 0 to 2 carry(%h = %x, %k0 = %k, %v0 = %v) : tensor<?x16xf32>, !kv.slot<@k>, !kv.slot<@v> {
      %wn = lm.select @norm[%layer] : !lm.weight<16, codes = f32>
      %n = lm.rms_norm %h, %wn {epsilon = 1.0e-5 : f32} : tensor<?x16xf32>, !lm.weight<16, codes = f32>
      %wq = lm.select @wq[%layer] : !lm.weight<32x16, codes = f32>
      %wkv = lm.select @wkv[%layer] : !lm.weight<16x16, codes = f32>
      %q = lm.linear %n, %wq : tensor<?x16xf32>, !lm.weight<32x16, codes = f32> -> tensor<?x32xf32>
      %kk = lm.linear %n, %wkv : tensor<?x16xf32>, !lm.weight<16x16, codes = f32> -> tensor<?x16xf32>
      %vv = lm.linear %n, %wkv bias %wn : tensor<?x16xf32>, !lm.weight<16x16, codes = f32>, !lm.weight<16, codes = f32> -> tensor<?x16xf32>
      %q3 = tensor.expand_shape %q [[0], [1, 2]] output_shape [%t, 4, 8] : tensor<?x32xf32> into tensor<?x4x8xf32>
      %k3 = tensor.expand_shape %kk [[0], [1, 2]] output_shape [%t, 2, 8] : tensor<?x16xf32> into tensor<?x2x8xf32>
      %v3 = tensor.expand_shape %vv [[0], [1, 2]] output_shape [%t, 2, 8] : tensor<?x16xf32> into tensor<?x2x8xf32>
      %qr = lm.rope %q3, %angles lanes(adjacent) : tensor<?x4x8xf32>, tensor<?x4x2xf32>
      %kr = lm.rope %k3, %angles lanes(adjacent) : tensor<?x2x8xf32>, tensor<?x4x2xf32>
      %k1 = kv.append %k0[%layer], %kr, %batch : !kv.slot<@k>, tensor<?x2x8xf32>
      %v1 = kv.append %v0[%layer], %v3, %batch : !kv.slot<@v>, tensor<?x2x8xf32>
      %a = kv.attend %qr, %k1[%layer], %v1[%layer], %batch {scale = 0.35 : f32} : tensor<?x4x8xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x4x8xf32>
      %a2 = tensor.collapse_shape %a [[0], [1, 2]] : tensor<?x4x8xf32> into tensor<?x32xf32>
      %wo = lm.select @wo[%layer] : !lm.weight<16x32, codes = f32>
      %o = lm.linear %a2, %wo : tensor<?x32xf32>, !lm.weight<16x32, codes = f32> -> tensor<?x16xf32>
      %h1 = arith.addf %h, %o : tensor<?x16xf32>
      %wg = lm.select @gate[%layer] : !lm.weight<40x16, codes = ui4, group = 16, scale = f16, min = f16, zero = 8>
      %n2 = lm.rms_norm %h1, %wn {epsilon = 1.0e-5 : f32} : tensor<?x16xf32>, !lm.weight<16, codes = f32>
      %g = lm.linear %n2, %wg : tensor<?x16xf32>, !lm.weight<40x16, codes = ui4, group = 16, scale = f16, min = f16, zero = 8> -> tensor<?x40xf32>
      %s = lm.swiglu %g, %g : tensor<?x40xf32>
      %wd = lm.select @down[%layer] : !lm.weight<16x40, codes = f32>
      %d = lm.linear %s, %wd : tensor<?x40xf32>, !lm.weight<16x40, codes = f32> -> tensor<?x16xf32>
      %h2 = arith.addf %h1, %d : tensor<?x16xf32>
      kv.yield %h2, %k1, %v1 : tensor<?x16xf32>, !kv.slot<@k>, !kv.slot<@v>
    }
    %r = kv.wanted %batch : tensor<?xi32>
    %l = lm.take %y, %r : tensor<?x16xf32>, tensor<?xi32> -> tensor<?x16xf32>
    %logits = lm.linear %l, %we : tensor<?x16xf32>, !lm.weight<32x16, codes = f16> -> tensor<?x32xf32>
    return %logits, %k9, %v9 : tensor<?x32xf32>, !kv.slot<@k>, !kv.slot<@v>
  }
}
