// RUN: kvasir-opt %s | kvasir-opt | FileCheck %s
// Every op of the dialect, as it is written and as it is printed.

// CHECK: lm.weight @q family(2) source("blk.{}.attn_q.weight") : !lm.weight<96x64, codes = ui4, group = 32, scale = f16, min = f16, zero = 8>
lm.weight @q family(2) source("blk.{}.attn_q.weight") : !lm.weight<96x64, codes = ui4, group = 32, scale = f16, min = f16, zero = 8>
// CHECK: lm.weight @bias source("b") : !lm.weight<96, codes = f32>
lm.weight @bias source("b") : !lm.weight<96, codes = f32>
// CHECK: lm.weight @norm source("n") layout(<256 bytes, value f32 at 0 [column 64 : 32]>) offset(4096) stride(256) : !lm.weight<64, codes = f32>
lm.weight @norm source("n") layout(<256 bytes, value f32 at 0 [column 64 : 32]>) offset(4096) stride(256) : !lm.weight<64, codes = f32>
// CHECK: lm.weight @levels source("l") : !lm.weight<96x512, codes = ui6, group = 16, scale = si8, zero = 32>
lm.weight @levels source("l") : !lm.weight<96x512, codes = ui6, group = 16, scale = si8, zero = 32>
// CHECK: lm.weight @values source("v") : !lm.weight<96x512, codes = si8, group = 32, scale = bf16, values = [-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12, 12]>
lm.weight @values source("v") : !lm.weight<96x512, codes = si8, group = 32, scale = bf16, values = [-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12, 12]>
// CHECK: lm.weight @mixed family(2) members([!lm.weight<8x4, codes = f16>, !lm.weight<8x4, codes = f32>]) source("m.{}") : !lm.weight<8x4, codes = f32>
lm.weight @mixed family(2) members([!lm.weight<8x4, codes = f16>, !lm.weight<8x4, codes = f32>]) source("m.{}") : !lm.weight<8x4, codes = f32>
// CHECK: lm.weight @embed source("e") : !lm.weight<256x64, codes = bf16>
lm.weight @embed source("e") : !lm.weight<256x64, codes = bf16>

// CHECK-LABEL: @arithmetic
func.func @arithmetic(%layer: index, %ids: tensor<?xi32>, %positions: tensor<?xi64>, %wanted: tensor<?xi32>) -> tensor<?x96xf32> {
  // CHECK: %q = lm.select @q[%{{.*}}] : !lm.weight<96x64
  %q = lm.select @q[%layer] : !lm.weight<96x64, codes = ui4, group = 32, scale = f16, min = f16, zero = 8>
  // CHECK: %bias = lm.select @bias : !lm.weight<96, codes = f32>
  %bias = lm.select @bias : !lm.weight<96, codes = f32>
  %norm = lm.select @norm : !lm.weight<64, codes = f32>
  %embed = lm.select @embed : !lm.weight<256x64, codes = bf16>
  // CHECK: lm.embedding %{{.*}}, %embed : tensor<?xi32>, !lm.weight<256x64, codes = bf16> -> tensor<?x64xf32>
  %x = lm.embedding %ids, %embed : tensor<?xi32>, !lm.weight<256x64, codes = bf16> -> tensor<?x64xf32>
  // CHECK: lm.rms_norm %{{.*}}, %norm {epsilon = {{.*}} : f32} : tensor<?x64xf32>, !lm.weight<64, codes = f32>
  %n = lm.rms_norm %x, %norm {epsilon = 1.0e-05 : f32} : tensor<?x64xf32>, !lm.weight<64, codes = f32>
  // CHECK: lm.linear %{{.*}}, %q bias %bias : tensor<?x64xf32>, !lm.weight<96x64, {{.*}}>, !lm.weight<96, codes = f32> -> tensor<?x96xf32>
  %y = lm.linear %n, %q bias %bias
    : tensor<?x64xf32>, !lm.weight<96x64, codes = ui4, group = 32, scale = f16, min = f16, zero = 8>, !lm.weight<96, codes = f32> -> tensor<?x96xf32>
  // CHECK: lm.rope_angles %{{.*}} {frequencies = dense<[1.000000e+00, 1.000000e-02]> : tensor<2xf64>} : tensor<?xi64> -> tensor<?x2x2xf32>
  %a = lm.rope_angles %positions {frequencies = dense<[1.0, 0.01]> : tensor<2xf64>} : tensor<?xi64> -> tensor<?x2x2xf32>
  %t = tensor.dim %y, %layer : tensor<?x96xf32>
  %h = tensor.expand_shape %y [[0], [1, 2]] output_shape [%t, 6, 16] : tensor<?x96xf32> into tensor<?x6x16xf32>
  // CHECK: lm.rope %{{.*}}, %{{.*}} lanes(halves) : tensor<?x6x16xf32>, tensor<?x2x2xf32>
  %r = lm.rope %h, %a lanes(halves) : tensor<?x6x16xf32>, tensor<?x2x2xf32>
  %c = tensor.collapse_shape %r [[0], [1, 2]] : tensor<?x6x16xf32> into tensor<?x96xf32>
  // CHECK: lm.swiglu %{{.*}}, %{{.*}} : tensor<?x96xf32>
  %s = lm.swiglu %c, %y : tensor<?x96xf32>
  // CHECK: lm.take %{{.*}}, %{{.*}} : tensor<?x96xf32>, tensor<?xi32> -> tensor<?x96xf32>
  %w = lm.take %s, %wanted : tensor<?x96xf32>, tensor<?xi32> -> tensor<?x96xf32>
  return %w : tensor<?x96xf32>
}

func.func private @kernel(!llvm.ptr, index, index, index, memref<?x64xf32>, memref<?x96xf32>, memref<?xi8>)

// CHECK-LABEL: @lowered
func.func @lowered(%layer: index, %x: tensor<?x64xf32>, %y: tensor<?x96xf32>, %tile: tensor<32x64xf32>, %buffer: memref<32x64xf32>) {
  %embed = lm.select @embed : !lm.weight<256x64, codes = bf16>
  // CHECK: lm.dequantize %embed rows(%{{.*}}) outs(%{{.*}} : tensor<32x64xf32>) : !lm.weight<256x64, codes = bf16> -> tensor<32x64xf32>
  %d = lm.dequantize %embed rows(%layer) outs(%tile : tensor<32x64xf32>) : !lm.weight<256x64, codes = bf16> -> tensor<32x64xf32>
  // CHECK: lm.dequantize %embed rows(%{{.*}}) outs(%{{.*}} : memref<32x64xf32>) : !lm.weight<256x64, codes = bf16>{{$}}
  lm.dequantize %embed rows(%layer) outs(%buffer : memref<32x64xf32>) : !lm.weight<256x64, codes = bf16>
  // CHECK: lm.invoke @kernel(%{{.*}}, %{{.*}} : index, tensor<?x64xf32>) outs(%{{.*}} : tensor<?x96xf32>) {scratch = array<i64: 0, 64, 128>} -> tensor<?x96xf32>
  %r = lm.invoke @kernel(%layer, %x : index, tensor<?x64xf32>) outs(%y : tensor<?x96xf32>) {scratch = array<i64: 0, 64, 128>} -> tensor<?x96xf32>
  // CHECK: lm.invoke @kernel() {scratch = array<i64: 0, 0, 0>}
  lm.invoke @kernel() {scratch = array<i64: 0, 0, 0>}
  return
}
