// RUN: kvasir-opt %s -split-input-file -verify-diagnostics
// Each numbered constraint, refused.

// expected-error @below {{C1: a weight has one or two dimensions}}
func.func private @weight_c1(!lm.weight<2x3x4, codes = f32>)

// -----
// expected-error @below {{C2: codes are f32, f16, bf16, si8, ui2, ui3, ui4, ui5 or ui6, not 'ui7'}}
func.func private @weight_c2(!lm.weight<2x64, codes = ui7, group = 32, scale = f16>)

// -----
// expected-error @below {{C3: 'ui4' codes in rows of 48 cannot have groups of 32}}
func.func private @weight_c3(!lm.weight<2x48, codes = ui4, group = 32, scale = f16>)

// -----
// expected-error @below {{C4: a scale comes with a group}}
func.func private @weight_c4(!lm.weight<2x64, codes = ui4, group = 32>)

// -----
// expected-error @below {{C5: scale and min are f32, f16 or bf16, or both si8, not 'f64'}}
func.func private @weight_c5(!lm.weight<2x64, codes = ui4, group = 32, scale = f64>)

// -----
// expected-error @below {{C5: scale and min are f32, f16 or bf16, or both si8, not 'f16'}}
func.func private @weight_c5(!lm.weight<2x256, codes = ui4, group = 32, scale = si8, min = f16>)

// -----
// expected-error @below {{C6: groups of 32 in rows of 320 cannot share units of 256 columns}}
func.func private @weight_c6(!lm.weight<2x320, codes = ui4, group = 32, scale = si8>)

// -----
// expected-error @below {{C7: values are sixteen whole numbers of eight bits in ascending order, of codes in si8 without a zero}}
func.func private @weight_c7(!lm.weight<2x64, codes = ui4, group = 32, scale = f16, values = [-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12, 12]>)

// -----
// expected-error @below {{C7: values are sixteen whole numbers of eight bits in ascending order, of codes in si8 without a zero}}
func.func private @weight_c7(!lm.weight<2x64, codes = si8, group = 32, scale = f16, values = [0, 1]>)

// -----
// expected-error @below {{C7: values are sixteen whole numbers of eight bits in ascending order, of codes in si8 without a zero}}
func.func private @weight_c7(!lm.weight<2x64, codes = si8, group = 32, scale = f16, values = [12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12, 12]>)

// -----
// expected-error @below {{C7: values are sixteen whole numbers of eight bits in ascending order, of codes in si8 without a zero}}
func.func private @weight_c7(!lm.weight<2x64, codes = si8, group = 32, scale = f16, zero = 3, values = [-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12, 12]>)

// -----
// expected-error @below {{C7: values are sixteen whole numbers of eight bits in ascending order, of codes in si8 without a zero}}
func.func private @weight_c7(!lm.weight<2x64, codes = si8, group = 32, scale = f16, values = [-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12, 128]>)

// -----
// expected-error @below {{C1: plane of values has an element at bit}}
lm.weight @layout_c1 source("w") layout(<4 bytes, value f32 at 0 [column 2 : 32]>) offset(0) stride(0) : !lm.weight<2, codes = f32>

// -----
// expected-error @below {{C1: a family of 0 has no member}}
lm.weight @family_c1 family(0) source("w") : !lm.weight<2, codes = f32>

// -----
// expected-error @below {{C2: layout, offset and stride are given together}}
lm.weight @family_c2 source("w") offset(0) : !lm.weight<2, codes = f32>

// -----
// expected-error @below {{C3: a family of 2 has members of 1 types}}
lm.weight @family_c3 family(2) members([!lm.weight<2, codes = f16>]) source("w{}") : !lm.weight<2, codes = f32>

// -----
// expected-error @below {{C3: a member is !lm.weight<3, codes = f16>, the weight is '!lm.weight<2, codes = f32>'}}
lm.weight @shape_c3 members([!lm.weight<3, codes = f16>]) source("w") : !lm.weight<2, codes = f32>

// -----
func.func @select_c1() {
  // expected-error @below {{C1: @gone is not an lm.weight}}
  %w = lm.select @gone : !lm.weight<2, codes = f32>
  return
}

// -----
lm.weight @w family(2) source("w{}") : !lm.weight<2, codes = f32>
func.func @select_c2() {
  // expected-error @below {{C2: @w is a family of 2; say which layer}}
  %w = lm.select @w : !lm.weight<2, codes = f32>
  return
}

// -----
func.func @linear_c1(%x: tensor<?x4xf32>, %w: !lm.weight<8x2, codes = f32>) {
  // expected-error @below {{C1: the weight is '!lm.weight<8x2, codes = f32>', but rows of the input have 4 columns}}
  %y = lm.linear %x, %w : tensor<?x4xf32>, !lm.weight<8x2, codes = f32> -> tensor<?x8xf32>
  return
}

// -----
func.func @linear_c2(%x: tensor<?x4xf32>, %w: !lm.weight<8x4, codes = f32>) {
  // expected-error @below {{C2: the result is 'tensor<?x9xf32>'}}
  %y = lm.linear %x, %w : tensor<?x4xf32>, !lm.weight<8x4, codes = f32> -> tensor<?x9xf32>
  return
}

// -----
func.func @linear_c3(%x: tensor<?x4xf32>, %w: !lm.weight<8x4, codes = f32>, %b: !lm.weight<4, codes = f32>) {
  // expected-error @below {{C3: the bias is '!lm.weight<4, codes = f32>', but the weight has 8 rows}}
  %y = lm.linear %x, %w bias %b : tensor<?x4xf32>, !lm.weight<8x4, codes = f32>, !lm.weight<4, codes = f32> -> tensor<?x8xf32>
  return
}

// -----
func.func @rms_norm_c1(%x: tensor<?x4xf32>, %w: !lm.weight<8, codes = f32>) {
  // expected-error @below {{C1: the weight is '!lm.weight<8, codes = f32>', but rows of the input have 4 columns}}
  %y = lm.rms_norm %x, %w {epsilon = 1.0e-5 : f32} : tensor<?x4xf32>, !lm.weight<8, codes = f32>
  return
}

// -----
func.func @rope_angles_c1(%p: tensor<?xi64>) {
  // expected-error @below {{C1: the result is 'tensor<?x3x2xf32>' for 2 frequencies}}
  %a = lm.rope_angles %p {frequencies = dense<1.0> : tensor<2xf64>} : tensor<?xi64> -> tensor<?x3x2xf32>
  return
}

// -----
func.func @rope_c1(%x: tensor<?x2x4xf32>, %a: tensor<?x3x2xf32>) {
  // expected-error @below {{C1: the angles are 'tensor<?x3x2xf32>' for heads of 4 lanes}}
  %y = lm.rope %x, %a lanes(adjacent) : tensor<?x2x4xf32>, tensor<?x3x2xf32>
  return
}

// -----
func.func @embedding_c1(%ids: tensor<?xi32>, %w: !lm.weight<8x4, codes = f32>) {
  // expected-error @below {{C1: the result is 'tensor<?x8xf32>'}}
  %x = lm.embedding %ids, %w : tensor<?xi32>, !lm.weight<8x4, codes = f32> -> tensor<?x8xf32>
  return
}

// -----
func.func @take_c1(%x: tensor<?x4xf32>, %rows: tensor<?xi32>) {
  // expected-error @below {{C1: the result is 'tensor<?x5xf32>'}}
  %y = lm.take %x, %rows : tensor<?x4xf32>, tensor<?xi32> -> tensor<?x5xf32>
  return
}

// -----
func.func @take_c2(%x: tensor<?x4xi32>, %rows: tensor<?xi32>) {
  // expected-error @below {{C2: the result is 'tensor<?x4xf32>' for an input 'tensor<?x4xi32>'}}
  %y = lm.take %x, %rows : tensor<?x4xi32>, tensor<?xi32> -> tensor<?x4xf32>
  return
}

// -----
func.func @clamped_swiglu_c1(%x: tensor<?x4xf32>) {
  // expected-error @below {{C1: the limit is 0.000000e+00 and the slope 1.702000e+00; both are above 0}}
  %y = lm.clamped_swiglu %x, %x {limit = 0.0 : f32, slope = 1.702 : f32} : tensor<?x4xf32>
  return
}

// -----
func.func @softcap_c1(%x: tensor<?x4xf32>) {
  // expected-error @below {{C1: the cap is -3.000000e+01 : f32; it is positive and finite}}
  %y = lm.softcap %x {cap = -30.0 : f32} : tensor<?x4xf32>
  return
}

// -----
func.func @softcap_c1(%x: tensor<?x4xf32>) {
  // expected-error @below {{C1: the cap is 0.000000e+00 : f32; it is positive and finite}}
  %y = lm.softcap %x {cap = 0.0 : f32} : tensor<?x4xf32>
  return
}

// -----
func.func @route_c1(%x: tensor<?x4xf32>) {
  // expected-error @below {{C1: experts are 'tensor<?x5xi32>' and shares 'tensor<?x5xf32>' for logits 'tensor<?x4xf32>'}}
  %e, %s = lm.route %x of(all) : tensor<?x4xf32> -> tensor<?x5xi32>, tensor<?x5xf32>
  return
}

// -----
func.func @route_c1(%x: tensor<?x4xf32>) {
  // expected-error @below {{C1: experts are 'tensor<?x2xi32>' and shares 'tensor<?x3xf32>'}}
  %e, %s = lm.route %x of(all) : tensor<?x4xf32> -> tensor<?x2xi32>, tensor<?x3xf32>
  return
}

// -----
func.func @expert_linear_c1(%x: tensor<?x12xf32>, %w: !lm.weight<8x4, codes = f32>, %e: tensor<?x2xi32>) {
  // expected-error @below {{C1: the weight is '!lm.weight<8x4, codes = f32>', but rows of the input have 12 columns}}
  %y = lm.expert_linear %x, %w of %e : tensor<?x12xf32>, !lm.weight<8x4, codes = f32>, tensor<?x2xi32> -> tensor<?x4xf32>
  return
}

// -----
func.func @expert_linear_c2(%x: tensor<?x4xf32>, %w: !lm.weight<8x4, codes = f32>, %e: tensor<?x2xi32>) {
  // expected-error @below {{C2: the result is 'tensor<?x6xf32>' for experts 'tensor<?x2xi32>' of a weight}}
  %y = lm.expert_linear %x, %w of %e : tensor<?x4xf32>, !lm.weight<8x4, codes = f32>, tensor<?x2xi32> -> tensor<?x6xf32>
  return
}

// -----
func.func @expert_linear_c3(%x: tensor<?x4xf32>, %w: !lm.weight<8x4, codes = f32>, %e: tensor<3x2xi32>) {
  // expected-error @below {{C3: experts are 'tensor<3x2xi32>' for an input 'tensor<?x4xf32>'}}
  %y = lm.expert_linear %x, %w of %e : tensor<?x4xf32>, !lm.weight<8x4, codes = f32>, tensor<3x2xi32> -> tensor<?x4xf32>
  return
}

// -----
func.func @expert_linear_c4(%x: tensor<?x4xf32>, %w: !lm.weight<8x4, codes = f32>, %b: !lm.weight<2, codes = f32>, %e: tensor<?x2xi32>) {
  // expected-error @below {{C4: the bias is '!lm.weight<2, codes = f32>', but the weight has 8 rows}}
  %y = lm.expert_linear %x, %w of %e bias %b : tensor<?x4xf32>, !lm.weight<8x4, codes = f32>, tensor<?x2xi32>, !lm.weight<2, codes = f32> -> tensor<?x4xf32>
  return
}

// -----
func.func @mix_c1(%x: tensor<?x8xf32>, %s: tensor<?x2xf32>) {
  // expected-error @below {{C1: the result is 'tensor<?x3xf32>' for parts 'tensor<?x8xf32>' and shares 'tensor<?x2xf32>'}}
  %y = lm.mix %x, %s : tensor<?x8xf32>, tensor<?x2xf32> -> tensor<?x3xf32>
  return
}

// -----
func.func @dequantize_c1(%w: !lm.weight<8x4, codes = f32>, %i: index, %t: tensor<2x5xf32>) {
  // expected-error @below {{C1: outs has shape}}
  %d = lm.dequantize %w rows(%i) outs(%t : tensor<2x5xf32>) : !lm.weight<8x4, codes = f32> -> tensor<2x5xf32>
  return
}

// -----
func.func @dequantize_c2(%w: !lm.weight<8x4, codes = f32>, %i: index, %t: tensor<2x4xf32>) {
  // expected-error @below {{C2: a tensor gives a result of its type, a memref none}}
  lm.dequantize %w rows(%i) outs(%t : tensor<2x4xf32>) : !lm.weight<8x4, codes = f32>
  return
}

// -----
func.func @invoke_c1() {
  // expected-error @below {{C1: @gone is not a function}}
  lm.invoke @gone() {scratch = array<i64: 0, 0, 0>}
  return
}

// -----
func.func private @kernel()
func.func @invoke_c2(%t: tensor<2xf32>) {
  // expected-error @below {{C2: 0 results for 1 tensors of outs}}
  lm.invoke @kernel() outs(%t : tensor<2xf32>) {scratch = array<i64: 0, 0, 0>}
  return
}

// -----
func.func private @kernel()
func.func @invoke_c3() {
  // expected-error @below {{C3: scratch is bytes, bytes a row, bytes a member, not 1 numbers}}
  lm.invoke @kernel() {scratch = array<i64: 0>}
  return
}
