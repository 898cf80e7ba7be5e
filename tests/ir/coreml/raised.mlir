// Second forms of Core ML functions: rows of tokens are appended and attended where the package replaces rows of a state.

// The position is an input; each function has its own number of tokens.
// RUN: kvasir-compile --emit kv %S/../../coreml/packages/toy_kv_prefill_decode.mlpackage | FileCheck %s --check-prefix=POSITION
// POSITION:      kv.schema @program entries [@prefill, @decode, @prefill.raised, @decode.raised]
// POSITION-NEXT:   kv.register @k_cache layers(1) tensor<1x32x16xf16>
// POSITION-NEXT:   kv.register @v_cache layers(1) tensor<1x32x16xf16>
// POSITION-NEXT:   kv.cache @k_cache.rows layers(1) heads(1) row(16) rounds(f16) from("k_cache", ["0", "row", "element"], 32)
// POSITION-NEXT:   kv.cache @v_cache.rows layers(1) heads(1) row(16) values(@k_cache.rows) rounds(f16) from("v_cache", ["0", "row", "element"], 32)
// POSITION:      func.func @prefill(
// POSITION-SAME: attributes {kv.binds = [{input = "pos", is = "start"}, {dim = 1 : i64, input = "input_ids", is = "count"}, {hidden = -10000 : i64, input = "causal_mask", is = "causal"}], kv.raised = @prefill.raised}
// POSITION:      func.func @prefill.raised(%{{.*}}: tensor<1x8xi32> {kv.name = "input_ids"}
// POSITION-SAME: !kv.batch {kv.sequences = 1 : i64, kv.tokens = 8 : i64}
// POSITION:        %[[K:.*]] = kv.append %{{.*}}, tensor<?x1x16xf32>
// POSITION:        %[[V:.*]] = kv.append %{{.*}}, tensor<?x1x16xf32>
// POSITION:        kv.attend %{{.*}}, %[[K]][%{{.*}}], %[[V]][%{{.*}}], %{{.*}} {scale = 2.500000e-01 : f32}
// POSITION:      func.func @decode.raised(

// The place is the mask's width less the tokens; layers, grouped heads, rope and gates.
// RUN: kvasir-compile --emit kv %S/../../coreml/packages/llama2L_hf_dynamic.mlpackage | FileCheck %s --check-prefix=MASK
// MASK:      kv.cache @keyCache.rows layers(2) heads(2) row(16) rounds(f16) from("keyCache", ["layer", "0", "head", "row", "element"], 64)
// MASK:      kv.binds = [{dim = 3 : i64, input = "causalMask", is = "length"}, {dim = 1 : i64, input = "inputIds", is = "count"}, {hidden = -10000 : i64, input = "causalMask", is = "causal"}]
// MASK:      func.func @main.raised(%{{.*}}: tensor<1x?xi32> {kv.extents = "T", kv.name = "inputIds"}, %{{.*}}: tensor<1x1x?x?xf16> {kv.extents = "TS", kv.name = "causalMask"}
// MASK-SAME: -> (tensor<1x?x128xf16> {kv.extents = "T", kv.name = "logits"}
// MASK:        lm.embedding
// MASK:        lm.linear
// MASK:        lm.rope %{{.*}}, %{{.*}} lanes(halves) : tensor<?x4x16xf32>, tensor<?x8x2xf32>
// MASK:        kv.append %{{.*}} : !kv.slot<@keyCache.rows>, tensor<?x2x16xf32>
// MASK:        kv.attend %{{.*}} : tensor<?x4x16xf32>, !kv.slot<@keyCache.rows>, !kv.slot<@valueCache.rows> -> tensor<?x4x16xf32>
// MASK:        lm.swiglu

// RUN: kvasir-compile --report %S/../../coreml/packages/llama2L_hf_dynamic.mlpackage | FileCheck %s --check-prefix=REPORT
// REPORT:      keyCache fp16[2, 1, 2, 64, 16]: read at op
// REPORT-NEXT:   kept as a row a token: appended and attended, proved to be written

// What is not the common way stays whole, and the report says which op is why.
// RUN: kvasir-compile --report %S/../../coreml/packages/tk_two_piece_ok.mlpackage | FileCheck %s --check-prefix=PIECES
// PIECES: kept whole, nothing is proved of its rows: slice_update 'slice_update_0' (op {{.*}}) replaces another number of rows than any input has
// RUN: kvasir-compile --report %S/../../coreml/packages/ring_ok.mlpackage | FileCheck %s --check-prefix=RING
// RING: kept whole, nothing is proved of its rows: {{.*}} (op
