// RUN: kvasir-opt %s --yield-in-place --split-input-file --verify-diagnostics | FileCheck %s
// Both branches of an scf.if write to one tensor made before it.

kv.schema @m entries [@forward] { kv.register @r layers(1) tensor<8xf32> }

// CHECK-LABEL: func.func @forward
// CHECK: %[[T:.*]] = kv.tokens
// CHECK: %[[E:.*]] = tensor.empty(%[[T]]) : tensor<?x8xf32>
// CHECK: %[[B:.*]] = kv.sequences
// CHECK: %[[F:.*]] = tensor.empty(%[[B]]) : tensor<?x8xf32>
// CHECK: scf.if %{{.*}} -> (tensor<?x8xf32>, tensor<?x8xf32>, index) {
// CHECK:   %[[N:.*]] = tensor.dim %arg0
// CHECK:   kv.require %[[N]] = %[[T]], "a branch yields %d rows, expected %d"
// CHECK:   %[[X:.*]] = bufferization.materialize_in_destination %arg0 in %[[E]]
// CHECK:   %[[P:.*]] = bufferization.materialize_in_destination %{{.*}} in %[[F]]
// CHECK:   scf.yield %[[X]], %[[P]]
// CHECK: } else {
// CHECK:   %[[Y:.*]] = bufferization.materialize_in_destination %arg1 in %[[E]]
// CHECK:   scf.yield %[[Y]], %{{.*}}
func.func @forward(%x: tensor<?x8xf32>, %y: tensor<?x8xf32>, %r: !kv.slot<@r>, %which: i1, %batch: !kv.batch) {
  %c0 = arith.constant 0 : index
  %past = kv.get %r[%c0], %batch : !kv.slot<@r> -> tensor<?x8xf32>
  %z:3 = scf.if %which -> (tensor<?x8xf32>, tensor<?x8xf32>, index) {
    scf.yield %x, %past, %c0 : tensor<?x8xf32>, tensor<?x8xf32>, index
  } else {
    scf.yield %y, %past, %c0 : tensor<?x8xf32>, tensor<?x8xf32>, index
  }
  return
}

// -----

func.func @inner(%x: tensor<?x?xf32>, %which: i1, %batch: !kv.batch) {
  // expected-error @+1 {{yields 'tensor<?x?xf32>': only the first extent may be the run's}}
  %z = scf.if %which -> (tensor<?x?xf32>) {
    scf.yield %x : tensor<?x?xf32>
  } else {
    scf.yield %x : tensor<?x?xf32>
  }
  return
}

// -----

// What both branches' kernels make of a tensor in its place stays there: also behind a branch within, and not if the
// tensor is needed afterwards, or is the caller's.
// CHECK-LABEL: func.func @updated
// CHECK-NOT: tensor.empty
// CHECK-NOT: materialize
// CHECK: scf.for
// CHECK-NOT: materialize
// CHECK: %[[KEPT:.*]] = tensor.empty
// CHECK: scf.if
// CHECK: materialize_in_destination %{{.*}} in %[[KEPT]]
// CHECK: %[[CALLERS:.*]] = tensor.empty
// CHECK: scf.if
// CHECK: materialize_in_destination %{{.*}} in %[[CALLERS]]
// CHECK: return
func.func private @k()
func.func @updated(%in: tensor<8xf32>, %which: i1, %other: i1, %batch: !kv.batch) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c9 = arith.constant 9 : index
  %y = scf.for %i = %c0 to %c9 step %c1 iter_args(%x = %in) -> tensor<8xf32> {
    %z = scf.if %which -> (tensor<8xf32>) {
      %a = lm.invoke @k(%x : tensor<8xf32>) outs(%x : tensor<8xf32>) {scratch = array<i64: 0, 0, 0>} -> tensor<8xf32>
      scf.yield %a : tensor<8xf32>
    } else {
      %b = scf.if %other -> (tensor<8xf32>) {
        %c = lm.invoke @k(%x : tensor<8xf32>) outs(%x : tensor<8xf32>) {scratch = array<i64: 0, 0, 0>} -> tensor<8xf32>
        scf.yield %c : tensor<8xf32>
      } else {
        %d = lm.invoke @k(%x : tensor<8xf32>) outs(%x : tensor<8xf32>) {scratch = array<i64: 0, 0, 0>} -> tensor<8xf32>
        scf.yield %d : tensor<8xf32>
      }
      scf.yield %b : tensor<8xf32>
    }
    scf.yield %z : tensor<8xf32>
  }
  %kept = scf.if %which -> (tensor<8xf32>) {
    %a = lm.invoke @k(%y : tensor<8xf32>) outs(%y : tensor<8xf32>) {scratch = array<i64: 0, 0, 0>} -> tensor<8xf32>
    scf.yield %a : tensor<8xf32>
  } else {
    %b = lm.invoke @k(%y : tensor<8xf32>) outs(%y : tensor<8xf32>) {scratch = array<i64: 0, 0, 0>} -> tensor<8xf32>
    scf.yield %b : tensor<8xf32>
  }
  %callers = scf.if %which -> (tensor<8xf32>) {
    %a = lm.invoke @k(%in : tensor<8xf32>) outs(%in : tensor<8xf32>) {scratch = array<i64: 0, 0, 0>} -> tensor<8xf32>
    scf.yield %a : tensor<8xf32>
  } else {
    %b = lm.invoke @k(%in : tensor<8xf32>) outs(%in : tensor<8xf32>) {scratch = array<i64: 0, 0, 0>} -> tensor<8xf32>
    scf.yield %b : tensor<8xf32>
  }
  return %kept, %y, %callers : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
}
