// Core ML packages as programs: a state is a register, a function takes no tokens, offsets and extents are the call's.

// RUN: kvasir-compile --emit kv %S/../../coreml/packages/toy_kv_prefill_decode.mlpackage | FileCheck %s
// CHECK:      kv.schema @program entries [@prefill, @decode, @prefill.raised, @decode.raised]
// CHECK-NEXT: kv.register @k_cache layers(1) tensor<1x32x16xf16>
// CHECK:      func.func @prefill(%{{.*}}: tensor<1x8xi32> {kv.name = "input_ids"}, %{{.*}}: tensor<1xi32> {kv.name = "pos"}
// CHECK-SAME: !kv.batch {kv.sequences = 1 : i64, kv.tokens = 0 : i64}
// CHECK-SAME: -> (tensor<1x8x16xf16> {kv.name = "output"}, !kv.slot<@k_cache>, !kv.slot<@v_cache>)

// RUN: kvasir-compile --emit kv %S/../../coreml/packages/llama2L_hf_dynamic.mlpackage | FileCheck %s --check-prefix=OPEN
// OPEN:      func.func @main(%{{.*}}: tensor<1x?xi32> {kv.extents = "a", kv.name = "inputIds"}
// OPEN-SAME: tensor<1x1x?x?xf16> {kv.extents = "bc", kv.name = "causalMask"}
// OPEN-SAME: -> (tensor<1x?x128xf16> {kv.extents = "a", kv.name = "logits"}
// OPEN-SAME: kv.own_extents = {a = {from = 1 : i64, to = 64 : i64}

// RUN: not kvasir-compile %S/../../coreml/packages/tk_shape_disagree.mlpackage --unverified --backend reference -o %t.kvasir 2>&1 | FileCheck %s --check-prefix=DISAGREE
// DISAGREE: state 'k_cache' is fp16[1, 16, 8] in function 'prefill' and fp16[1, 32, 8] in function 'decode': they cannot share a state; convert both with one shape and type

// RUN: kvasir-compile %S/../../coreml/packages/accumulator.mlpackage --backend reference -o %t.kvasir
// RUN: kvasir-compile %S/../../coreml/packages/e1_raw_source.mlpackage --unverified --backend reference -o %t.kvasir
