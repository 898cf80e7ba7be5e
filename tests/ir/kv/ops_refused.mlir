// RUN: kvasir-opt %s --split-input-file --verify-diagnostics
// What every op checks alone, after every pass: @op_cN breaks constraint (CN) of kv.op.

// expected-error @+1 {{'kv.schema' op C1: declares no state}}
kv.schema @schema_c1 entries [@f] {
^bb0:
}

// -----

kv.schema @schema_c1_other entries [@f] {
  // expected-error @+1 {{'arith.constant' op C1: stands in a kv.schema, which holds kv.cache and kv.register only}}
  %c = arith.constant 1 : index
}

// -----

kv.schema @cache_c1 entries [@f] {
  // expected-error @+1 {{'kv.cache' op C1: heads is at least 1, not 0}}
  kv.cache @k layers(2) heads(0) row(16)
}

// -----

kv.schema @cache_c2 entries [@f] {
  kv.cache @k layers(3) heads(2) row(16)
  // expected-error @+1 {{'kv.cache' op C2: has 2 layers, its keys @k have 3}}
  kv.cache @v layers(2) heads(2) row(16) values(@k)
}

// -----

kv.schema @cache_c2_none entries [@f] {
  // expected-error @+1 {{'kv.cache' op C2: holds values for @x, which is not another cache of this schema}}
  kv.cache @v layers(2) heads(2) row(16) values(@x)
}

// -----

kv.schema @cache_c2_values entries [@f] {
  kv.cache @k layers(2) heads(2) row(16)
  kv.cache @v layers(2) heads(2) row(16) values(@k)
  // expected-error @+1 {{'kv.cache' op C2: holds values for @v, which holds values itself}}
  kv.cache @w layers(2) heads(2) row(16) values(@v)
}

// -----

kv.schema @cache_c3 entries [@f] {
  // expected-error @+1 {{'kv.cache' op C3: rounds to a float type, not 'i8'}}
  kv.cache @k layers(2) heads(2) row(16) rounds(i8)
}

// -----

kv.schema @cache_c4 entries [@f] {
  // expected-error @+1 {{'kv.cache' op C4: comes from a state whose axes do not name "row" and "element" once each}}
  kv.cache @k layers(2) heads(2) row(16) from("k_cache", ["layer", "row", "row"], 64)
}

// -----

kv.schema @cache_c5 entries [@f] {
  // expected-error @+1 {{'kv.cache' op C5: slides lists layers 0 to 1, rising, of a cache with a window}}
  kv.cache @k layers(2) heads(2) row(16) window(64) slides([0, 2])
}

// -----

kv.schema @cache_c5_whole entries [@f] {
  // expected-error @+1 {{'kv.cache' op C5: slides lists layers 0 to 1, rising, of a cache with a window}}
  kv.cache @k layers(2) heads(2) row(16) slides([0])
}

// -----

kv.schema @cache_c6 entries [@f] {
  // expected-error @+1 {{'kv.cache' op C6: serves is 2 lists of layers of the model, each rising}}
  kv.cache @k layers(2) heads(2) row(16) serves([0, 1])
}

// -----

kv.schema @cache_c6_values entries [@f] {
  kv.cache @k layers(1) heads(2) row(16) serves([0])
  // expected-error @+1 {{'kv.cache' op C6: holds values; which layers it serves is said by its keys @k}}
  kv.cache @v layers(1) heads(2) row(16) serves([0]) values(@k)
}

// -----

kv.schema @cache_c7 entries [@f] {
  // expected-error @+1 {{'kv.cache' op C7: is made by @wk, which nothing declares}}
  kv.cache @k layers(2) heads(2) row(16) by([@wk])
}

// -----

kv.schema @cache_c7_few entries [@f] {
  // expected-error @+1 {{'kv.cache' op C7: is made by one weight or by 3, not by 2}}
  kv.cache @k layers(3) heads(2) row(16) by([@a, @b])
}

// -----

kv.schema @schema_c2 entries [@f] {
  kv.cache @near layers(1) heads(2) row(16) serves([0])
  // expected-error @+1 {{'kv.cache' op C2: serves layer 0 of the model, which @near serves}}
  kv.cache @full layers(1) heads(2) row(16) serves([0])
}

// -----

kv.schema @schema_c2_silent entries [@f] {
  kv.cache @near layers(1) heads(2) row(16) serves([0])
  // expected-error @+1 {{'kv.cache' op C2: does not say which layers it serves, @near does}}
  kv.cache @full layers(1) heads(2) row(16)
}

// -----

// Two spellings of one slot would be two types.
kv.schema @m entries [@slot_name] { kv.cache @k layers(1) heads(2) row(16) }
// expected-error @+1 {{a slot is named by its cache or register, @k, not by @m::@k}}
func.func @slot_name(%k: !kv.slot<@m::@k>, %batch: !kv.batch) {
  return
}

// -----

kv.schema @register_c1 entries [@f] {
  // expected-error @+1 {{'kv.register' op C1: the content's shape is static, not 'tensor<?xf32>'}}
  kv.register @c layers(1) tensor<?xf32>
}

// -----

kv.schema @m entries [@append_c1] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @append_c1(%i: index, %r: tensor<?x2x16xf32>, %few: tensor<?x3x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %w: !kv.slot<@w>, %c: !kv.slot<@conv>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.append' op C1: @conv is a register; use kv.get and kv.set}}
  %0 = kv.append %c[%i], %r, %batch : !kv.slot<@conv>, tensor<?x2x16xf32>
  return
}

// -----

kv.schema @m entries [@append_c1_unknown] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @append_c1_unknown(%i: index, %r: tensor<?x2x16xf32>, %k: !kv.slot<@nobody>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.append' op C1: @nobody is declared by no kv.schema of this module}}
  %0 = kv.append %k[%i], %r, %batch : !kv.slot<@nobody>, tensor<?x2x16xf32>
  return
}

// -----

kv.schema @m entries [@append_c2] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @append_c2(%i: index, %r: tensor<?x2x16xf32>, %few: tensor<?x3x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %w: !kv.slot<@w>, %c: !kv.slot<@conv>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.append' op C2: rows of @k are [*, 2, 16], not 'tensor<?x3x16xf32>'}}
  %0 = kv.append %k[%i], %few, %batch : !kv.slot<@k>, tensor<?x3x16xf32>
  return
}

// -----

kv.schema @m entries [@attend_c1] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @attend_c1(%q: tensor<?x4x16xf32>, %view: !kv.view<@k>, %i: index, %r: tensor<?x2x16xf32>, %few: tensor<?x3x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %w: !kv.slot<@w>, %c: !kv.slot<@conv>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.attend' op C1: @w does not hold the values for @k}}
  %0 = kv.attend %q, %k[%i], %w[%i], %batch {scale = 1.0 : f32, window = 64} : tensor<?x4x16xf32>, !kv.slot<@k>, !kv.slot<@w> -> tensor<?x4x16xf32>
  return
}

// -----

kv.schema @m entries [@attend_c2] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @attend_c2(%q: tensor<?x4x16xf32>, %view: !kv.view<@k>, %i: index, %r: tensor<?x2x16xf32>, %few: tensor<?x3x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %w: !kv.slot<@w>, %c: !kv.slot<@conv>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.attend' op C2: @k keeps the last 64 rows, attend asks for all}}
  %0 = kv.attend %q, %k[%i], %v[%i], %batch {scale = 1.0 : f32} : tensor<?x4x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x4x16xf32>
  return
}

// -----

kv.schema @m entries [@attend_c2_more] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @attend_c2_more(%q: tensor<?x4x16xf32>, %view: !kv.view<@k>, %i: index, %r: tensor<?x2x16xf32>, %few: tensor<?x3x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %w: !kv.slot<@w>, %c: !kv.slot<@conv>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.attend' op C2: @k keeps the last 64 rows, attend asks for the last 65}}
  %0 = kv.attend %q, %k[%i], %v[%i], %batch {scale = 1.0 : f32, window = 65} : tensor<?x4x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x4x16xf32>
  return
}

// -----

kv.schema @m entries [@attend_c3] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @attend_c3(%q: tensor<?x4x16xf32>, %view: !kv.view<@k>, %i: index, %r: tensor<?x2x16xf32>, %few: tensor<?x3x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %w: !kv.slot<@w>, %c: !kv.slot<@conv>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.attend' op C3: a slot takes a layer, a view does not}}
  %0 = kv.attend %q, %view[%i], %v[%i], %batch {scale = 1.0 : f32, window = 64} : tensor<?x4x16xf32>, !kv.view<@k>, !kv.slot<@v> -> tensor<?x4x16xf32>
  return
}

// -----

kv.schema @m entries [@attend_c4] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @attend_c4(%q: tensor<?x3x16xf32>, %view: !kv.view<@k>, %i: index, %r: tensor<?x2x16xf32>, %few: tensor<?x3x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %w: !kv.slot<@w>, %c: !kv.slot<@conv>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.attend' op C4: query is [T, H, 16] and result [T, H, 16] with H a multiple of 2, not 'tensor<?x3x16xf32>' and 'tensor<?x4x16xf32>'}}
  %0 = kv.attend %q, %k[%i], %v[%i], %batch {scale = 1.0 : f32, window = 64} : tensor<?x3x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x4x16xf32>
  return
}

// -----

kv.schema @m entries [@attend_c5] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @attend_c5(%q: tensor<?x4x16xf32>, %view: !kv.view<@k>, %i: index, %r: tensor<?x2x16xf32>, %few: tensor<?x3x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %w: !kv.slot<@w>, %c: !kv.slot<@conv>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.attend' op C5: a token sees its own row at least, a window of 0 has none}}
  %0 = kv.attend %q, %k[%i], %v[%i], %batch {scale = 1.0 : f32, window = 0} : tensor<?x4x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x4x16xf32>
  return
}

// -----

kv.schema @m entries [@attend_c5_softcap] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @attend_c5_softcap(%q: tensor<?x4x16xf32>, %view: !kv.view<@k>, %i: index, %r: tensor<?x2x16xf32>, %few: tensor<?x3x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %w: !kv.slot<@w>, %c: !kv.slot<@conv>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.attend' op C5: scores are capped by a number above 0, not by 0.000000e+00}}
  %0 = kv.attend %q, %k[%i], %v[%i], %batch {scale = 1.0 : f32, window = 64, softcap = 0.0 : f32} : tensor<?x4x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x4x16xf32>
  return
}

// -----

kv.schema @m entries [@attend_c6] {
  kv.cache @k layers(2) heads(2) row(16)
  kv.cache @v layers(2) heads(2) row(16) values(@k)
}
func.func @attend_c6(%q: tensor<?x4x16xf32>, %i: index, %sinks: !lm.weight<2, codes = f32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.attend' op C6: sinks are '!lm.weight<2, codes = f32>' for 4 query heads}}
  %0 = kv.attend %q, %k[%i], %v[%i], %batch sinks %sinks {scale = 1.0 : f32} : tensor<?x4x16xf32>, !kv.slot<@k>, !kv.slot<@v>, !lm.weight<2, codes = f32> -> tensor<?x4x16xf32>
  return
}

// -----

kv.schema @m entries [@borrow_c1] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @borrow_c1(%i: index, %r: tensor<?x2x16xf32>, %few: tensor<?x3x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %w: !kv.slot<@w>, %c: !kv.slot<@conv>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.borrow' op C1: @conv is a register; use kv.get and kv.set}}
  %0 = kv.borrow %c[%i] : !kv.slot<@conv> -> !kv.view<@conv>
  return
}

// -----

kv.schema @m entries [@borrow_c2] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @borrow_c2(%i: index, %r: tensor<?x2x16xf32>, %few: tensor<?x3x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %w: !kv.slot<@w>, %c: !kv.slot<@conv>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.borrow' op C2: lends @k as @v}}
  %0 = kv.borrow %k[%i] : !kv.slot<@k> -> !kv.view<@v>
  return
}

// -----

kv.schema @m entries [@read_c1] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @read_c1(%i: index, %r: tensor<?x2x16xf32>, %few: tensor<?x3x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %w: !kv.slot<@w>, %c: !kv.slot<@conv>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.read' op C1: @conv is a register; use kv.get and kv.set}}
  %0 = kv.read %c[%i] rows(%i, %i) : !kv.slot<@conv> -> tensor<?x2x16xf32>
  return
}

// -----

kv.schema @m entries [@read_c2] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @read_c2(%i: index, %r: tensor<?x2x16xf32>, %few: tensor<?x3x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %w: !kv.slot<@w>, %c: !kv.slot<@conv>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.read' op C2: rows of @k are [*, 2, 16], not 'tensor<?x3x16xf32>'}}
  %0 = kv.read %k[%i] rows(%i, %i) : !kv.slot<@k> -> tensor<?x3x16xf32>
  return
}

// -----

kv.schema @m entries [@write_c1] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @write_c1(%i: index, %r: tensor<?x2x16xf32>, %few: tensor<?x3x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %w: !kv.slot<@w>, %c: !kv.slot<@conv>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.write' op C1: @conv is a register; use kv.get and kv.set}}
  %0 = kv.write %c[%i], %r at(%i) : !kv.slot<@conv>, tensor<?x2x16xf32>
  return
}

// -----

kv.schema @m entries [@write_c2] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @write_c2(%i: index, %r: tensor<?x2x16xf32>, %few: tensor<?x3x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %w: !kv.slot<@w>, %c: !kv.slot<@conv>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.write' op C2: rows of @k are [*, 2, 16], not 'tensor<?x3x16xf32>'}}
  %0 = kv.write %k[%i], %few at(%i) : !kv.slot<@k>, tensor<?x3x16xf32>
  return
}

// -----

kv.schema @m entries [@waive_c1] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @waive_c1(%k: !kv.slot<@nobody>) {
  // expected-error @+1 {{'kv.waive' op C1: @nobody is declared by no kv.schema of this module}}
  %0 = kv.waive %k, "why" : !kv.slot<@nobody>
  return
}

// -----

kv.schema @m entries [@waive_c2] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @waive_c2(%i: index, %r: tensor<?x2x16xf32>, %few: tensor<?x3x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %w: !kv.slot<@w>, %c: !kv.slot<@conv>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.waive' op C2: needs a reason}}
  %0 = kv.waive %k, "" : !kv.slot<@k>
  return
}

// -----

kv.schema @m entries [@get_c1] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @get_c1(%i: index, %r: tensor<?x2x16xf32>, %few: tensor<?x3x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %w: !kv.slot<@w>, %c: !kv.slot<@conv>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.get' op C1: @k is a cache; use kv.append and kv.attend}}
  %0 = kv.get %k[%i], %batch : !kv.slot<@k> -> tensor<?x3x8xf32>
  return
}

// -----

kv.schema @m entries [@get_c2] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @get_c2(%i: index, %r: tensor<?x2x16xf32>, %few: tensor<?x3x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %w: !kv.slot<@w>, %c: !kv.slot<@conv>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.get' op C2: @conv holds 'tensor<3x8xf32>' for each sequence, not 'tensor<?x4x8xf32>'}}
  %0 = kv.get %c[%i], %batch : !kv.slot<@conv> -> tensor<?x4x8xf32>
  return
}

// -----

kv.schema @m entries [@set_c1] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @set_c1(%i: index, %r: tensor<?x2x16xf32>, %few: tensor<?x3x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %w: !kv.slot<@w>, %c: !kv.slot<@conv>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.set' op C1: @k is a cache; use kv.append and kv.attend}}
  %0 = kv.set %k[%i], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  return
}

// -----

kv.schema @m entries [@set_c2] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @set_c2(%i: index, %r: tensor<?x2x16xf32>, %few: tensor<?x3x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %w: !kv.slot<@w>, %c: !kv.slot<@conv>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.set' op C2: @conv holds 'tensor<3x8xf32>' for each sequence, not 'tensor<?x2x16xf32>'}}
  %0 = kv.set %c[%i], %r, %batch : !kv.slot<@conv>, tensor<?x2x16xf32>
  return
}

// -----

kv.schema @m entries [@bind_c1] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @bind_c1(%x: index, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.bind' op C1: an index takes no dimension, a tensor takes one}}
  %0 = kv.bind %x dim 1 = start %batch[0] : index
  return
}

// -----

kv.schema @m entries [@bind_c1_rank] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @bind_c1_rank(%x: tensor<?xf32>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.bind' op C1: dimension 1 of a tensor of rank 1}}
  %0 = kv.bind %x dim 1 = count %batch[0] : tensor<?xf32>
  return
}

// -----

kv.schema @m entries [@bind_c2] {
  kv.cache @w layers(2) heads(2) row(16)
}
func.func @bind_c2(%x: tensor<1x?x?xf32>, %batch: !kv.batch) {
  // expected-error @+1 {{'kv.bind' op C2: a causal mask is a tensor [.., T, S] of floats and takes no dimension}}
  %0 = kv.bind %x dim 2 = causal %batch[0] : tensor<1x?x?xf32>
  return
}

// -----

kv.schema @m entries [@loop_c1] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @loop_c1(%x: index) {
  // expected-error @+1 {{'kv.loop' op C1: runs no layer from 3 to 3}}
  kv.loop %i = 3 to 3 {
  }
  return
}

// -----

kv.schema @m entries [@loop_c2] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @loop_c2(%x: index) {
  // expected-error @+1 {{'kv.loop' op C2: inits, arguments, yielded values and results differ in type}}
  %0 = kv.loop %i = 0 to 3 carry(%a = %x) : index {
    %t = arith.index_cast %a : index to i32
    kv.yield %t : i32
  }
  return
}

// -----

kv.schema @m entries [@group_c1] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @group_c1(%x: index) {
  // expected-error @+1 {{'kv.group' op C1: needs the name of a kernel}}
  kv.group {kernel = ""} {
  }
  return
}

// -----

kv.schema @m entries [@group_c2] {
  kv.cache @k layers(2) heads(2) row(16) window(64)
  kv.cache @v layers(2) heads(2) row(16) window(64) values(@k)
  kv.cache @w layers(2) heads(2) row(16)
  kv.register @conv layers(2) tensor<3x8xf32>
}
func.func @group_c2(%x: index) {
  // expected-error @+1 {{'kv.group' op C2: yields 'index', its results are 'i32'}}
  %0 = kv.group {kernel = "cpu.qkv"} -> i32 {
    kv.yield %x : index
  }
  return
}

// -----

kv.schema @m entries [@bind_c3] { kv.cache @k layers(1) heads(2) row(16) }
func.func @bind_c3(%x: tensor<1x?xi32>, %k: !kv.slot<@k>, %batch: !kv.batch {kv.sequences = 1}) -> !kv.slot<@k> {
  // expected-error @+1 {{C3: binds to sequence 1 of a batch of 1}}
  %y = kv.bind %x dim 1 = count %batch[1] : tensor<1x?xi32>
  return %k : !kv.slot<@k>
}
