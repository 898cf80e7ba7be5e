// RUN: kvasir-opt %s --split-input-file --raise-writes --verify-state --verify-diagnostics
// Core ML idioms that are wrong: the write stays and is refused with the reason.

// int(pos) while tracing: the offset is frozen.
kv.schema @m entries [@frozen] { kv.cache @k layers(1) heads(2) row(16) }
func.func @frozen(%rows: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch {kv.sequences = 1}) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  // expected-note @+1 {{their first row comes from this 'arith.constant'}}
  %c3 = arith.constant 3 : index
  // expected-error @+1 {{rows: @frozen writes rows of slot @k, layer 0, that are not proven to be this call's: they begin at row 3 in every call; write rows [start, start + count), or follow it with kv.waive and a reason}}
  %k1 = kv.write %k[%c0], %rows at(%c3) : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}

// -----

// K is written, V is not.
kv.schema @m entries [@half] {
  kv.cache @k layers(1) heads(2) row(16)
  kv.cache @v layers(1) heads(2) row(16) values(@k)
}
func.func private @wk(tensor<1x?xi32>) -> tensor<?x2x16xf32>
func.func @half(%x: tensor<1x?xi32>, %pos: index, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch {kv.sequences = 1})
    -> (tensor<?x2x16xf32>, tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %p = kv.bind %pos = start %batch[0] : index
  %ids = kv.bind %x dim 1 = count %batch[0] : tensor<1x?xi32>
  %q = tensor.dim %ids, %c1 : tensor<1x?xi32>
  %all = func.call @wk(%ids) : (tensor<1x?xi32>) -> tensor<?x2x16xf32>
  %rows = tensor.extract_slice %all[0, 0, 0] [%q, 2, 16] [1, 1, 1] : tensor<?x2x16xf32> to tensor<?x2x16xf32>
  // expected-note @+1 {{@half writes @k here}}
  %k1 = kv.write %k[%c0], %rows at(%p) : !kv.slot<@k>, tensor<?x2x16xf32>
  %keys = kv.read %k1[%c0] rows(%c0, %p) : !kv.slot<@k> -> tensor<?x2x16xf32>
  %old = kv.read %v[%c0] rows(%c0, %p) : !kv.slot<@v> -> tensor<?x2x16xf32>
  // expected-error @+1 {{coverage: @half returns without writing rows [start, start + count) of slot @v, layer 0}}
  return %keys, %old, %k1, %v : tensor<?x2x16xf32>, tensor<?x2x16xf32>, !kv.slot<@k>, !kv.slot<@v>
}

// -----

// Only the last token is written.
kv.schema @m entries [@last_token] { kv.cache @k layers(1) heads(2) row(16) }
func.func private @wk(tensor<1x?xi32>) -> tensor<?x2x16xf32>
func.func @last_token(%x: tensor<1x?xi32>, %pos: index, %k: !kv.slot<@k>, %batch: !kv.batch {kv.sequences = 1}) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %p = kv.bind %pos = start %batch[0] : index
  %ids = kv.bind %x dim 1 = count %batch[0] : tensor<1x?xi32>
  %q = tensor.dim %ids, %c1 : tensor<1x?xi32>
  %last = arith.subi %q, %c1 : index
  %all = func.call @wk(%ids) : (tensor<1x?xi32>) -> tensor<?x2x16xf32>
  // expected-note @+1 {{the rows come from this 'tensor.extract_slice'}}
  %rows = tensor.extract_slice %all[%last, 0, 0] [1, 2, 16] [1, 1, 1] : tensor<?x2x16xf32> to tensor<1x2x16xf32>
  // expected-error @+1 {{they are 1 of the call's count}}
  %k1 = kv.write %k[%c0], %rows at(%p) : !kv.slot<@k>, tensor<1x2x16xf32>
  return %k1 : !kv.slot<@k>
}

// -----

// All but one, and one row too late: swift-transformers' hole at row 0.
kv.schema @m entries [@off_by_one] { kv.cache @k layers(2) heads(2) row(16) }
func.func private @wk(tensor<1x?xi32>) -> tensor<?x2x16xf32>
func.func @off_by_one(%x: tensor<1x?xi32>, %pos: index, %k: !kv.slot<@k>, %batch: !kv.batch {kv.sequences = 1}) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %p = kv.bind %pos = start %batch[0] : index
  // expected-note @+1 {{their first row comes from this 'arith.addi'}}
  %p1 = arith.addi %p, %c1 : index
  %ids = kv.bind %x dim 1 = count %batch[0] : tensor<1x?xi32>
  %q = tensor.dim %ids, %c1 : tensor<1x?xi32>
  %less = arith.subi %q, %c1 : index
  %all = func.call @wk(%ids) : (tensor<1x?xi32>) -> tensor<?x2x16xf32>
  %rows = tensor.extract_slice %all[0, 0, 0] [%q, 2, 16] [1, 1, 1] : tensor<?x2x16xf32> to tensor<?x2x16xf32>
  // expected-note @+1 {{the rows come from this 'tensor.extract_slice'}}
  %few = tensor.extract_slice %all[0, 0, 0] [%less, 2, 16] [1, 1, 1] : tensor<?x2x16xf32> to tensor<?x2x16xf32>
  // expected-error @+1 {{they begin at start + 1}}
  %k1 = kv.write %k[%c0], %rows at(%p1) : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{they are count - 1}}
  %k2 = kv.write %k1[%c1], %few at(%p) : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k2 : !kv.slot<@k>
}

// -----

// A position that the loop over layers moves on: only layer 0 would be right.
kv.schema @m entries [@moving] { kv.cache @k layers(2) heads(2) row(16) }
func.func @moving(%rows: tensor<?x2x16xf32>, %pos: index, %k: !kv.slot<@k>, %batch: !kv.batch {kv.sequences = 1}) -> !kv.slot<@k> {
  %c1 = arith.constant 1 : index
  %p = kv.bind %pos = start %batch[0] : index
  %p9, %k9 = kv.loop %i = 0 to 2 carry(%pi = %p, %ki = %k) : index, !kv.slot<@k> {
    // expected-error @+1 {{rows: @moving writes rows of slot @k, layers 0-1, that are not proven to be this call's: their first row is not provably start; bind the input it comes from with kv.bind}}
    %k1 = kv.write %ki[%i], %rows at(%pi) : !kv.slot<@k>, tensor<?x2x16xf32>
    %next = arith.addi %pi, %c1 : index
    kv.yield %next, %k1 : index, !kv.slot<@k>
  }
  return %k9 : !kv.slot<@k>
}

// -----

// The position goes through i16, which wraps at 32768: not provably start. And nothing binds the input.
kv.schema @m entries [@narrow] { kv.cache @k layers(2) heads(2) row(16) }
func.func @narrow(%rows: tensor<?x2x16xf32>, %pos: index, %k: !kv.slot<@k>, %batch: !kv.batch {kv.sequences = 1}) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %p = kv.bind %pos = start %batch[0] : index
  %p16 = arith.index_cast %p : index to i16
  // expected-note @+1 {{their first row comes from this 'arith.index_cast'}}
  %wrapped = arith.index_cast %p16 : i16 to index
  // expected-error @+1 {{their first row is not provably start; bind the input it comes from with kv.bind}}
  %k1 = kv.write %k[%c0], %rows at(%wrapped) : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+1 {{their number is not provably count}}
  %k2 = kv.write %k1[%c1], %rows at(%p) : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k2 : !kv.slot<@k>
}

// -----

// A batch of many sequences has no single start.
kv.schema @m entries [@many] { kv.cache @k layers(1) heads(2) row(16) }
func.func @many(%rows: tensor<?x2x16xf32>, %pos: index, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{the function has no batch of one sequence ({kv.sequences = 1})}}
  %k1 = kv.write %k[%c0], %rows at(%pos) : !kv.slot<@k>, tensor<?x2x16xf32>
  return %k1 : !kv.slot<@k>
}

// -----

// Reads: of rows nobody wrote, of this call's rows before they are written, and not from row 0.
kv.schema @m entries [@reads] { kv.cache @k layers(1) heads(2) row(16) }
func.func @reads(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch {kv.sequences = 1})
    -> (tensor<?x2x16xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>, !kv.slot<@k>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %start = kv.start %batch[0]
  %length = kv.length %batch[0]
  %past = arith.addi %length, %c1 : index
  // expected-note @+2 {{first read here}}
  // expected-error @+1 {{order: @reads reads slot @k, layer 0, before this call's rows [start, start + count) are appended; append first}}
  %a = kv.read %k[%c0] rows(%c0, %length) : !kv.slot<@k> -> tensor<?x2x16xf32>
  // expected-error @+1 {{rows: @reads reads slot @k, layer 0, from a row that is not 0; read every row; masks are attention's}}
  %b = kv.read %k[%c0] rows(%c1, %start) : !kv.slot<@k> -> tensor<?x2x16xf32>
  // expected-note @+1 {{they are appended here}}
  %k1 = kv.append %k[%c0], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
  // expected-error @+2 {{rows: @reads reads rows of slot @k, layer 0, that are not proven to be written; end at start, or at length after the append}}
  // expected-error @+1 {{order: @reads reads slot @k, layer 0, a second time in one call}}
  %c = kv.read %k1[%c0] rows(%c0, %past) : !kv.slot<@k> -> tensor<?x2x16xf32>
  return %a, %b, %c, %k1 : tensor<?x2x16xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>, !kv.slot<@k>
}
