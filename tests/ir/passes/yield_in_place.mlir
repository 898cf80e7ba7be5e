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
