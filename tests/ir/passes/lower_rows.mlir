// RUN: kvasir-opt %s --lower-rows --split-input-file --verify-diagnostics | FileCheck %s
// Packed bytes are reached by the digits of their layouts.

lm.weight @w family(2) source("w{}")
  layout(<192 bytes, code u4 at 0 [column 32 : 4, row 8 : 128], scale f16 at 1024 [column 32 : 0, row 8 : 16]>)
  offset(4096) stride(192) : !lm.weight<6x32, codes = ui4, group = 32, scale = f16, zero = 8>

// No row beyond the sixth is read. The scale is read once a group; a code is the low or the high half of a byte.
// CHECK-LABEL: func.func @nibbles
// CHECK: arith.constant 4096 : index
// CHECK: %[[LEFT:.*]] = arith.subi %{{.*}}, %arg2 : index
// CHECK: %[[END:.*]] = arith.minsi %{{.*}}, %[[LEFT]] : index
// CHECK: scf.for %{{.*}} = %{{.*}} to %[[END]]
// CHECK:   scf.for
// CHECK:     llvm.load %{{.*}} {alignment = 1 : i64} : !llvm.ptr -> f16
// CHECK:     %[[SCALE:.*]] = arith.extf
// CHECK:     scf.for
// CHECK:       llvm.load %{{.*}} : !llvm.ptr -> i8
// CHECK:       arith.shrui
// CHECK:       %[[MASK:.*]] = arith.constant 15 : i32
// CHECK:       arith.andi %{{.*}}, %[[MASK]] : i32
// CHECK:       %[[CENTRED:.*]] = arith.subf
// CHECK:       arith.mulf %[[SCALE]], %[[CENTRED]] : f32
// CHECK:       memref.store
// CHECK-NOT: lm.select
func.func @nibbles(%call: !llvm.ptr, %layer: index, %begin: index, %tile: memref<4x32xf32>) {
  %w = lm.select @w[%layer] : !lm.weight<6x32, codes = ui4, group = 32, scale = f16, zero = 8>
  lm.dequantize %w rows(%begin) outs(%tile : memref<4x32xf32>) : !lm.weight<6x32, codes = ui4, group = 32, scale = f16, zero = 8>
  return
}

// -----

lm.weight @w source("w") layout(<20 bytes, code u5 at 0 [column 32 : 5], scale f32 at 0 [column 32 : 0]>) offset(0) stride(0)
  : !lm.weight<32, codes = ui5, group = 32, scale = f32>

// Five bits may begin in one byte and end in the next.
// CHECK-LABEL: func.func @five_bits
// CHECK: llvm.load %{{.*}} : !llvm.ptr -> i8
// CHECK: llvm.load %{{.*}} : !llvm.ptr -> i8
// CHECK: arith.shli
// CHECK: arith.ori
// CHECK: arith.constant 31 : i32
func.func @five_bits(%call: !llvm.ptr, %begin: index, %tile: memref<1x32xf32>) {
  %w = lm.select @w : !lm.weight<32, codes = ui5, group = 32, scale = f32>
  lm.dequantize %w rows(%begin) outs(%tile : memref<1x32xf32>) : !lm.weight<32, codes = ui5, group = 32, scale = f32>
  return
}

// -----

lm.weight @w source("w") layout(<20 bytes, code u4 at 0 [column 32 : 4], scale f32 at 128 [column 32 : 0]>) offset(0) stride(0)
  : !lm.weight<32, codes = si8, group = 32, scale = f32, values = [-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12, 12]>

// Four bits say which of the values a code is.
// CHECK-LABEL: func.func @values
// CHECK: arith.constant 15 : i32
// CHECK: %[[TABLE:.*]] = llvm.mlir.constant(dense<[-1.200000e+01, {{.*}}, 1.200000e+01]> : vector<16xf32>)
// CHECK: %[[CODE:.*]] = llvm.extractelement %[[TABLE]][%{{.*}} : i32]
// CHECK: arith.mulf %{{.*}}, %[[CODE]] : f32
func.func @values(%call: !llvm.ptr, %begin: index, %tile: memref<1x32xf32>) {
  %w = lm.select @w : !lm.weight<32, codes = si8, group = 32, scale = f32, values = [-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12, 12]>
  lm.dequantize %w rows(%begin) outs(%tile : memref<1x32xf32>) : !lm.weight<32, codes = si8, group = 32, scale = f32, values = [-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12, 12]>
  return
}

// -----

lm.weight @w source("w") layout(<226 bytes, code u4 at 0 [column 256 : 4], scale i8 at 1536 [column 16 : 0, column 16 : 8], code u4 at 1024 [column 2 : 0, column 128 : 4], scale f16 at 1664 [column 256 : 0]>) offset(0) stride(0)
  : !lm.weight<256, codes = ui6, group = 16, scale = si8, zero = 32>

// A code is put together from two planes, two bits from the second; a scale is a multiple of a unit.
// CHECK-LABEL: func.func @two_levels
// CHECK: %[[MULTIPLE:.*]] = arith.sitofp %{{.*}} : i8 to f32
// CHECK: %[[UNIT:.*]] = arith.extf
// CHECK: %[[SCALE:.*]] = arith.mulf %[[UNIT]], %[[MULTIPLE]]
// CHECK: scf.for
// CHECK: arith.constant 15 : i32
// CHECK: %[[LOW:.*]] = arith.sitofp
// CHECK: arith.constant 3 : i32
// CHECK: %[[BITS:.*]] = arith.sitofp
// CHECK: %[[SIXTEEN:.*]] = arith.constant 1.600000e+01 : f32
// CHECK: %[[HIGH:.*]] = arith.mulf %[[BITS]], %[[SIXTEEN]]
// CHECK: %[[CODE:.*]] = arith.addf %[[LOW]], %[[HIGH]]
// CHECK: %[[CENTRED:.*]] = arith.subf %[[CODE]]
// CHECK: arith.mulf %[[SCALE]], %[[CENTRED]]
func.func @two_levels(%call: !llvm.ptr, %begin: index, %tile: memref<1x256xf32>) {
  %w = lm.select @w : !lm.weight<256, codes = ui6, group = 16, scale = si8, zero = 32>
  lm.dequantize %w rows(%begin) outs(%tile : memref<1x256xf32>) : !lm.weight<256, codes = ui6, group = 16, scale = si8, zero = 32>
  return
}

// -----

// bf16 is rounded by hand, to nearest even.
// CHECK-LABEL: func.func @store
// CHECK: arith.divui
// CHECK: arith.remui
// CHECK: arith.bitcast %{{.*}} : f32 to i32
// CHECK: arith.cmpf uno
// CHECK: llvm.store %{{.*}}, %{{.*}} {alignment = 1 : i64} : i16, !llvm.ptr
func.func @store(%call: !llvm.ptr, %layer: index, %rows: memref<?x2x8xf32>) {
  kv.store_rows %rows into @k slot(0) layout(#lm.layout<8192 bytes, value bf16 at 0 [lane 8 : 16, token 128 : 128, head 2 : 16384, layer 2 : 32768]>) [%layer] : memref<?x2x8xf32>
  return
}

// CHECK-LABEL: func.func @load
// CHECK: scf.for %{{.*}} = %{{.*}} to %arg5
// CHECK: llvm.load %{{.*}} {alignment = 1 : i64} : !llvm.ptr -> bf16
// CHECK: arith.extf
func.func @load(%call: !llvm.ptr, %layer: index, %b: index, %g: index, %p: index, %count: index, %tile: memref<128x8xf32>) {
  kv.load_rows @k slot(0) layout(#lm.layout<8192 bytes, value bf16 at 0 [lane 8 : 16, token 128 : 128, head 2 : 16384, layer 2 : 32768]>) [%layer, %b, %g] partition(%p) rows(%count) outs(%tile : memref<128x8xf32>)
  return
}

// -----

func.func @no_call(%layer: index, %rows: memref<?x2x8xf32>) {
  // expected-error @below {{is in a function that takes no call}}
  kv.store_rows %rows into @k slot(0) layout(#lm.layout<8192 bytes, value bf16 at 0 [lane 8 : 16, token 128 : 128, head 2 : 16384, layer 2 : 32768]>) [%layer] : memref<?x2x8xf32>
  return
}

// -----

lm.weight @w source("w") : !lm.weight<32, codes = f32>
func.func @not_packed(%call: !llvm.ptr, %begin: index, %tile: memref<1x32xf32>) {
  %w = lm.select @w : !lm.weight<32, codes = f32>
  // expected-error @below {{reads a weight that has no layout yet; pack it first}}
  lm.dequantize %w rows(%begin) outs(%tile : memref<1x32xf32>) : !lm.weight<32, codes = f32>
  return
}
