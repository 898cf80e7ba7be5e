// RUN: kvasir-opt %s --decompose-lm --canonicalize | FileCheck %s
// Each op of the arithmetic, in upstream's words. Orders of reductions are what the results' bits depend on.

// The tail of a weight whose rows are no multiple of 32 is a tile of its own: no row beyond the last is read.
// CHECK-LABEL: @linear
// CHECK: scf.for %[[BEGIN:.*]] = %c0 to %c64 step %c32
// CHECK:   lm.dequantize %{{.*}} rows(%[[BEGIN]]) outs(%{{.*}} : tensor<32x16xf32>)
// CHECK:   linalg.transpose
// CHECK:   linalg.generic {{.*}} iterator_types = ["parallel", "reduction", "parallel"]
// CHECK:     %[[PRODUCT:.*]] = arith.mulf
// CHECK:     arith.addf %{{.*}}, %[[PRODUCT]] : f32
// CHECK: lm.dequantize %{{.*}} rows(%c64) outs(%{{.*}} : tensor<6x16xf32>)
// CHECK: lm.dequantize {{.*}} -> tensor<1x70xf32>
// CHECK-NOT: lm.linear
func.func @linear(%x: tensor<?x16xf32>, %w: !lm.weight<70x16, codes = f16>, %b: !lm.weight<70, codes = f32>) -> tensor<?x70xf32> {
  %y = lm.linear %x, %w bias %b : tensor<?x16xf32>, !lm.weight<70x16, codes = f16>, !lm.weight<70, codes = f32> -> tensor<?x70xf32>
  return %y : tensor<?x70xf32>
}

// CHECK-LABEL: @rms_norm
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: math.sqrt
// CHECK: arith.divf
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel"]
func.func @rms_norm(%x: tensor<?x3x8xf32>, %w: !lm.weight<8, codes = f32>) -> tensor<?x3x8xf32> {
  %y = lm.rms_norm %x, %w {epsilon = 1.0e-5 : f32} : tensor<?x3x8xf32>, !lm.weight<8, codes = f32>
  return %y : tensor<?x3x8xf32>
}

// CHECK-LABEL: @rope_angles
// CHECK: linalg.index 2
// CHECK: scf.if
// CHECK: math.cos %{{.*}} : f64
// CHECK: } else {
// CHECK: math.sin %{{.*}} : f64
func.func @rope_angles(%p: tensor<?xi64>) -> tensor<?x2x2xf32> {
  %a = lm.rope_angles %p {frequencies = dense<[1.0, 0.01]> : tensor<2xf64>} : tensor<?xi64> -> tensor<?x2x2xf32>
  return %a : tensor<?x2x2xf32>
}

// Lanes (0, 1), (2, 3); all are turned, so nothing of the input is kept.
// CHECK-LABEL: @rope_adjacent
// CHECK: tensor.extract_slice %arg0[0, 0, 0] [%{{.*}}, 4, 4] [1, 1, 2]
// CHECK: tensor.extract_slice %arg0[0, 0, 1] [%{{.*}}, 4, 4] [1, 1, 2]
// CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[0, 0, 1] [%{{.*}}, 4, 4] [1, 1, 2]
func.func @rope_adjacent(%x: tensor<?x4x8xf32>, %a: tensor<?x4x2xf32>) -> tensor<?x4x8xf32> {
  %y = lm.rope %x, %a lanes(adjacent) : tensor<?x4x8xf32>, tensor<?x4x2xf32>
  return %y : tensor<?x4x8xf32>
}

// Lanes (0, 2), (1, 3); lanes 4 to 7 stay, so the result begins as the input.
// CHECK-LABEL: @rope_halves
// CHECK: tensor.extract_slice %arg0[0, 0, 0] [%{{.*}}, 4, 2] [1, 1, 1]
// CHECK: tensor.extract_slice %arg0[0, 0, 2] [%{{.*}}, 4, 2] [1, 1, 1]
// CHECK: tensor.insert_slice %{{.*}} into %arg0[0, 0, 0]
func.func @rope_halves(%x: tensor<?x4x8xf32>, %a: tensor<?x2x2xf32>) -> tensor<?x4x8xf32> {
  %y = lm.rope %x, %a lanes(halves) : tensor<?x4x8xf32>, tensor<?x2x2xf32>
  return %y : tensor<?x4x8xf32>
}

// CHECK-LABEL: @swiglu
// CHECK: arith.negf
// CHECK: math.exp
// CHECK: arith.divf
// CHECK: arith.mulf
func.func @swiglu(%g: tensor<?x8xf32>, %u: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = lm.swiglu %g, %u : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: @embedding
// CHECK: scf.for %[[T:[^ ]*]] =
// CHECK: %[[ID:.*]] = tensor.extract %arg0[%[[T]]]
// CHECK: %[[ROW:.*]] = arith.index_cast %[[ID]]
// CHECK: lm.dequantize %arg1 rows(%[[ROW]]) outs(%{{.*}} : tensor<1x8xf32>)
func.func @embedding(%ids: tensor<?xi32>, %w: !lm.weight<32x8, codes = f16>) -> tensor<?x8xf32> {
  %x = lm.embedding %ids, %w : tensor<?xi32>, !lm.weight<32x8, codes = f16> -> tensor<?x8xf32>
  return %x : tensor<?x8xf32>
}

// CHECK-LABEL: @take
// CHECK: scf.for
// CHECK: tensor.extract_slice %arg0[%{{.*}}, 0] [1, 8] [1, 1]
func.func @take(%x: tensor<?x8xf32>, %rows: tensor<?xi32>) -> tensor<?x8xf32> {
  %y = lm.take %x, %rows : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: @take_integers
// CHECK: tensor.empty(%{{.*}}) : tensor<?x2xi32>
// CHECK: scf.for
// CHECK: tensor.extract_slice %arg0[%{{.*}}, 0] [1, 2] [1, 1] : tensor<?x2xi32> to tensor<1x2xi32>
func.func @take_integers(%x: tensor<?x2xi32>, %rows: tensor<?xi32>) -> tensor<?x2xi32> {
  %y = lm.take %x, %rows : tensor<?x2xi32>, tensor<?xi32> -> tensor<?x2xi32>
  return %y : tensor<?x2xi32>
}
