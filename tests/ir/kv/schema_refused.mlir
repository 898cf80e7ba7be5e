// RUN: kvasir-opt %s --split-input-file --verify-state --verify-diagnostics
// Programs that write every row, and not as the schema says: other layers, other windows, other weights.

// The wrong layers slide: those where i % 2 is 0 do, in the schema those where it is 1.
kv.schema @m entries [@sliding] {
  // expected-note @+1 {{the schema says so here}}
  kv.cache @k layers(4) heads(2) row(16) window(64) slides([1, 3])
}
func.func @sliding(%q: tensor<?x2x16xf32>, %r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> (tensor<?x2x16xf32>, !kv.slot<@k>) {
  %c2 = arith.constant 2 : index
  %c0 = arith.constant 0 : index
  %y, %k9 = kv.loop %i = 0 to 4 carry(%h = %q, %ki = %k) : tensor<?x2x16xf32>, !kv.slot<@k> {
    %k1 = kv.append %ki[%i], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    %rest = arith.remui %i, %c2 : index
    %near = arith.cmpi eq, %rest, %c0 : index
    %a = scf.if %near -> tensor<?x2x16xf32> {
      // expected-error @+1 {{policy: @sliding attends slot @k, layers 0, 2, with window 64; the schema keeps every row; attend without a window, or list the layers in slides(...)}}
      %b = kv.attend %h, %k1[%i], %k1[%i], %batch {scale = 0.25 : f32, window = 64} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@k> -> tensor<?x2x16xf32>
      scf.yield %b : tensor<?x2x16xf32>
    } else {
      // expected-error @+1 {{policy: @sliding attends slot @k, layers 1, 3, without a window; the schema keeps the last 64 rows; give the attend window = 64, or fewer}}
      %b = kv.attend %h, %k1[%i], %k1[%i], %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@k> -> tensor<?x2x16xf32>
      scf.yield %b : tensor<?x2x16xf32>
    }
    kv.yield %a, %k1 : tensor<?x2x16xf32>, !kv.slot<@k>
  }
  return %y, %k9 : tensor<?x2x16xf32>, !kv.slot<@k>
}

// -----

// One of the two alone: a full layer that is attended with a window.
kv.schema @m entries [@full] {
  // expected-note @+1 {{the schema says so here}}
  kv.cache @k layers(1) heads(2) row(16) window(64) slides([])
}
func.func @full(%q: tensor<?x2x16xf32>, %r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> (tensor<?x2x16xf32>, !kv.slot<@k>) {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{policy: @full attends slot @k, layer 0, with window 32; the schema keeps every row}}
  %a = kv.attend %q, %k1[%c0], %k1[%c0], %batch {scale = 0.25 : f32, window = 32} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@k> -> tensor<?x2x16xf32>
  return %a, %k1 : tensor<?x2x16xf32>, !kv.slot<@k>
}

// -----

// And the other: a sliding layer that is attended whole, through a view.
kv.schema @m entries [@whole] {
  // expected-note @+1 {{the schema says so here}}
  kv.cache @k layers(2) heads(2) row(16) window(64) slides([0])
}
func.func @whole(%q: tensor<?x2x16xf32>, %r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> (tensor<?x2x16xf32>, !kv.slot<@k>) {
  %k9 = kv.loop %i = 0 to 2 carry(%ki = %k) : !kv.slot<@k> {
    %k1 = kv.append %ki[%i], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    kv.yield %k1 : !kv.slot<@k>
  }
  %y = kv.loop %i = 0 to 2 carry(%h = %q) : tensor<?x2x16xf32> {
    %w = kv.borrow %k9[%i] : !kv.slot<@k> -> !kv.view<@k>
    // expected-error @+1 {{policy: @whole attends slot @k, layer 0, without a window; the schema keeps the last 64 rows}}
    %a = kv.attend %h, %w, %w, %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.view<@k>, !kv.view<@k> -> tensor<?x2x16xf32>
    kv.yield %a : tensor<?x2x16xf32>
  }
  return %y, %k9 : tensor<?x2x16xf32>, !kv.slot<@k>
}

// -----

// A window that is narrower than the schema's, where the schema says whom its layers serve.
kv.schema @m entries [@narrow] {
  // expected-note @+1 {{the schema says so here}}
  kv.cache @k layers(1) heads(2) row(16) window(64) serves([0])
}
func.func @narrow(%q: tensor<?x2x16xf32>, %r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> (tensor<?x2x16xf32>, !kv.slot<@k>) {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{policy: @narrow attends slot @k, layer 0, with window 63; the schema keeps the last 64 rows; attend with the window that the schema says}}
  %a = kv.attend %q, %k1[%c0], %k1[%c0], %batch {scale = 0.25 : f32, window = 63} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@k> -> tensor<?x2x16xf32>
  return %a, %k1 : tensor<?x2x16xf32>, !kv.slot<@k>
}

// -----

// Four layers of the model, two of rows. Layer 3 borrows from 0, in the schema from 1.
kv.schema @m entries [@borrows] {
  // expected-note @+1 {{the schema says so here}}
  kv.cache @k layers(2) heads(2) row(16) serves([0, 2], [1, 3])
}
func.func @borrows(%q: tensor<?x2x16xf32>, %r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> (tensor<?x2x16xf32>, !kv.slot<@k>) {
  %c0 = arith.constant 0 : index
  %y, %k9 = kv.loop %i = 0 to 2 carry(%h = %q, %ki = %k) : tensor<?x2x16xf32>, !kv.slot<@k> {
    %k1 = kv.append %ki[%i], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    %a = kv.attend %h, %k1[%i], %k1[%i], %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@k> -> tensor<?x2x16xf32>
    kv.yield %a, %k1 : tensor<?x2x16xf32>, !kv.slot<@k>
  }
  %z = kv.loop %i = 2 to 4 carry(%h = %y) : tensor<?x2x16xf32> {
    %w = kv.borrow %k9[%c0] : !kv.slot<@k> -> !kv.view<@k>
    // expected-error @+1 {{layers: @borrows attends layer 0 of slot @k in layer 3 of the model, which is served by layer 1 of slot @k; attend that one, or correct serves(...)}}
    %a = kv.attend %h, %w, %w, %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.view<@k>, !kv.view<@k> -> tensor<?x2x16xf32>
    kv.yield %a : tensor<?x2x16xf32>
  }
  return %z, %k9 : tensor<?x2x16xf32>, !kv.slot<@k>
}

// -----

// Layers 0 and 2 are near, in the schema 0 and 1: the two caches are exchanged for layers 1 and 2.
kv.schema @m entries [@near] {
  // expected-note @+1 {{the schema says so here}}
  kv.cache @near layers(2) heads(2) row(16) window(64) serves([0], [1])
  kv.cache @full layers(1) heads(2) row(16) serves([2])
}
func.func @near(%q: tensor<?x2x16xf32>, %r: tensor<?x2x16xf32>, %n: !kv.slot<@near>, %f: !kv.slot<@full>, %batch: !kv.batch)
    -> (tensor<?x2x16xf32>, !kv.slot<@near>, !kv.slot<@full>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n1 = kv.append %n[%c0], %r, %batch : !kv.slot<@near>, tensor<?x2x16xf32>
  %a = kv.attend %q, %n1[%c0], %n1[%c0], %batch {scale = 0.25 : f32, window = 64} : tensor<?x2x16xf32>, !kv.slot<@near>, !kv.slot<@near> -> tensor<?x2x16xf32>
  %f1 = kv.append %f[%c0], %r, %batch : !kv.slot<@full>, tensor<?x2x16xf32>
  // expected-error @+1 {{layers: @near attends layer 0 of slot @full in layer 1 of the model, which is served by layer 1 of slot @near}}
  %b = kv.attend %a, %f1[%c0], %f1[%c0], %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.slot<@full>, !kv.slot<@full> -> tensor<?x2x16xf32>
  %n2 = kv.append %n1[%c1], %r, %batch : !kv.slot<@near>, tensor<?x2x16xf32>
  %c = kv.attend %b, %n2[%c1], %n2[%c1], %batch {scale = 0.25 : f32, window = 64} : tensor<?x2x16xf32>, !kv.slot<@near>, !kv.slot<@near> -> tensor<?x2x16xf32>
  return %c, %n2, %f1 : tensor<?x2x16xf32>, !kv.slot<@near>, !kv.slot<@full>
}

// -----

// The owner reads through a view: who owns the rows is no longer said.
kv.schema @m entries [@owner] {
  // expected-note @+1 {{the schema says so here}}
  kv.cache @k layers(1) heads(2) row(16) serves([0])
}
func.func @owner(%q: tensor<?x2x16xf32>, %r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> (tensor<?x2x16xf32>, !kv.slot<@k>) {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  %w = kv.borrow %k1[%c0] : !kv.slot<@k> -> !kv.view<@k>
  // expected-error @+1 {{layers: @owner attends layer 0 of slot @k in layer 0 of the model through a view, and owns it; the first layer that a stored layer serves owns its rows, the others borrow them}}
  %a = kv.attend %q, %w, %w, %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.view<@k>, !kv.view<@k> -> tensor<?x2x16xf32>
  return %a, %k1 : tensor<?x2x16xf32>, !kv.slot<@k>
}

// -----

// The attention of layer 2 was lost.
kv.schema @m entries [@lost] { kv.cache @k layers(2) heads(2) row(16) serves([0, 2], [1]) }
func.func @lost(%q: tensor<?x2x16xf32>, %r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> (tensor<?x2x16xf32>, !kv.slot<@k>) {
  %y, %k9 = kv.loop %i = 0 to 2 carry(%h = %q, %ki = %k) : tensor<?x2x16xf32>, !kv.slot<@k> {
    %k1 = kv.append %ki[%i], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    %a = kv.attend %h, %k1[%i], %k1[%i], %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@k> -> tensor<?x2x16xf32>
    kv.yield %a, %k1 : tensor<?x2x16xf32>, !kv.slot<@k>
  }
  // expected-error @+1 {{layers: @lost attends 2 times, the schema serves 3 layers of the model; attend once in each layer, or correct serves(...)}}
  return %y, %k9 : tensor<?x2x16xf32>, !kv.slot<@k>
}

// -----

// One branch attends, the other does not.
kv.schema @m entries [@apart] { kv.cache @k layers(1) heads(2) row(16) serves([0, 1]) }
func.func @apart(%c: i1, %q: tensor<?x2x16xf32>, %r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> (tensor<?x2x16xf32>, !kv.slot<@k>) {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  %a = kv.attend %q, %k1[%c0], %k1[%c0], %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@k> -> tensor<?x2x16xf32>
  // expected-error @+1 {{branches: @apart attends 1 times in one branch and 0 times in the other; attend after the branch}}
  %b = scf.if %c -> tensor<?x2x16xf32> {
    %w = kv.borrow %k1[%c0] : !kv.slot<@k> -> !kv.view<@k>
    %d = kv.attend %a, %w, %w, %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.view<@k>, !kv.view<@k> -> tensor<?x2x16xf32>
    scf.yield %d : tensor<?x2x16xf32>
  } else {
    scf.yield %a : tensor<?x2x16xf32>
  }
  return %b, %k1 : tensor<?x2x16xf32>, !kv.slot<@k>
}

// -----

// Keys and values exchanged, without rope: the weights tell.
kv.schema @m entries [@exchanged] {
  // expected-note @+1 {{the schema says so here}}
  kv.cache @k layers(2) heads(2) row(16) by([@wk])
  // expected-note @+1 {{the schema says so here}}
  kv.cache @v layers(2) heads(2) row(16) values(@k) by([@wv])
}
func.func private @wk(tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
func.func private @wv(tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
func.func @exchanged(%q: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch) -> (tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>) {
  %y, %k9, %v9 = kv.loop %i = 0 to 2 carry(%h = %q, %ki = %k, %vi = %v) : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v> {
    %kr = func.call @wk(%h, %i) : (tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    %vr = func.call @wv(%h, %i) : (tensor<?x2x16xf32>, index) -> tensor<?x2x16xf32>
    // expected-error @+1 {{origin: @exchanged stores rows in slot @k, layers 0-1, that are made by @wv, the schema says by @wk; are keys and values exchanged?}}
    %k1 = kv.append %ki[%i], %vr, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    // expected-error @+1 {{origin: @exchanged stores rows in slot @v, layers 0-1, that are made by @wk, the schema says by @wv; are keys and values exchanged?}}
    %v1 = kv.append %vi[%i], %kr, %batch : !kv.slot<@v>, tensor<?x2x16xf32>
    %a = kv.attend %h, %k1[%i], %v1[%i], %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x2x16xf32>
    %x = arith.addf %h, %a : tensor<?x2x16xf32>
    kv.yield %x, %k1, %v1 : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>
  }
  return %y, %k9, %v9 : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>
}

// -----

// A weight for each layer: the rows of layer 1 are made by the weight of layer 0. And rows that no weight made.
kv.schema @m entries [@each] {
  // expected-note @+1 {{the schema says so here}}
  kv.cache @k layers(3) heads(2) row(16) by([@wk0, @wk1, @wk2])
}
func.func private @wk0(tensor<?x2x16xf32>) -> tensor<?x2x16xf32>
func.func private @wk1(tensor<?x2x16xf32>) -> tensor<?x2x16xf32>
func.func private @wk2(tensor<?x2x16xf32>) -> tensor<?x2x16xf32>
func.func @each(%x: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %r = func.call @wk0(%x) : (tensor<?x2x16xf32>) -> tensor<?x2x16xf32>
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{origin: @each stores rows in slot @k, layer 1, that are made by @wk0, the schema says by @wk1}}
  %k2 = kv.append %k1[%c1], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{origin: @each stores rows in slot @k, layer 2, that are made by no weight that it names, the schema says by @wk2}}
  %k3 = kv.append %k2[%c2], %x, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k3 : !kv.slot<@k>
}

// -----

// Entries that share state and read it with different eyes.
kv.schema @m entries [@prefill, @decode] { kv.cache @k layers(1) heads(2) row(16) }
func.func @prefill(%q: tensor<?x2x16xf32>, %r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> (tensor<?x2x16xf32>, !kv.slot<@k>) {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-note @+1 {{@prefill attends here}}
  %a = kv.attend %q, %k1[%c0], %k1[%c0], %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@k> -> tensor<?x2x16xf32>
  return %a, %k1 : tensor<?x2x16xf32>, !kv.slot<@k>
}
func.func @decode(%q: tensor<?x2x16xf32>, %r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> (tensor<?x2x16xf32>, !kv.slot<@k>) {
  %c0 = arith.constant 0 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{agreement: @decode attends slot @k, layer 0, with scale 0.25, softcap 50, window 64, @prefill with scale 0.25; entries that share state read it alike}}
  %a = kv.attend %q, %k1[%c0], %k1[%c0], %batch {scale = 0.25 : f32, softcap = 50.0 : f32, window = 64} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@k> -> tensor<?x2x16xf32>
  return %a, %k1 : tensor<?x2x16xf32>, !kv.slot<@k>
}

// -----

// The attention was lost: layer 1 is written, and nothing in this call reads it.
kv.schema @m entries [@unread] {
  kv.cache @k layers(2) heads(2) row(16)
  kv.register @conv layers(1) tensor<3x8xf32>
}
func.func @unread(%q: tensor<?x2x16xf32>, %r: tensor<?x2x16xf32>, %c: tensor<?x3x8xf32>, %k: !kv.slot<@k>, %s: !kv.slot<@conv>, %batch: !kv.batch)
    -> (tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@conv>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-note @+1 {{other layers are read here}}
  %a = kv.attend %q, %k1[%c0], %k1[%c0], %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@k> -> tensor<?x2x16xf32>
  // expected-error @+1 {{coverage: @unread writes rows [start, start + count) of slot @k, layer 1, and never reads that layer; attend or get it, or kv.waive it with a reason}}
  %k2 = kv.append %k1[%c1], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{coverage: @unread writes register @conv, layer 0, and never reads that layer}}
  %s1 = kv.set %s[%c0], %c, %batch : !kv.slot<@conv>, tensor<?x3x8xf32>
  return %a, %k2, %s1 : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@conv>
}

// -----

// Branches that lend different layers.
kv.schema @m entries [@lends] { kv.cache @k layers(2) heads(2) row(16) }
func.func @lends(%c: i1, %q: tensor<?x2x16xf32>, %r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> (tensor<?x2x16xf32>, !kv.slot<@k>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %y, %k9 = kv.loop %i = 0 to 2 carry(%h = %q, %ki = %k) : tensor<?x2x16xf32>, !kv.slot<@k> {
    %k1 = kv.append %ki[%i], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    %a = kv.attend %h, %k1[%i], %k1[%i], %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@k> -> tensor<?x2x16xf32>
    kv.yield %a, %k1 : tensor<?x2x16xf32>, !kv.slot<@k>
  }
  // expected-error @+1 {{branches: @lends lends a different layer of slot @k in each branch; borrow after the branch}}
  %w = scf.if %c -> !kv.view<@k> {
    %v = kv.borrow %k9[%c0] : !kv.slot<@k> -> !kv.view<@k>
    scf.yield %v : !kv.view<@k>
  } else {
    %v = kv.borrow %k9[%c1] : !kv.slot<@k> -> !kv.view<@k>
    scf.yield %v : !kv.view<@k>
  }
  %z = kv.attend %y, %w, %w, %batch {scale = 0.25 : f32} : tensor<?x2x16xf32>, !kv.view<@k>, !kv.view<@k> -> tensor<?x2x16xf32>
  return %z, %k9 : tensor<?x2x16xf32>, !kv.slot<@k>
}

// -----

// One layer excused twice; one reason is read, the other rots.
kv.schema @m entries [@excused] { kv.cache @k layers(2) heads(2) row(16) }
func.func @excused(%k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  // expected-note @+1 {{first waived here}}
  %k1 = kv.waive %k[%c0], "layer 0 is unused" : !kv.slot<@k>
  // expected-error @+1 {{waiver: @excused waives slot @k, layer 0, a second time; keep one reason}}
  %k2 = kv.waive %k1[%c0], "layer 0 is borrowed" : !kv.slot<@k>
  %k3 = kv.waive %k2, "this function only scores" : !kv.slot<@k>
  return %k3 : !kv.slot<@k>
}
