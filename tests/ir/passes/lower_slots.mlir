// RUN: kvasir-opt %s --lower-slots | FileCheck %s
// After it there is no slot, no batch and no kv.loop; an entry takes the call, and gives its results by arguments.

kv.schema @m entries [@forward] {
  kv.cache @k layers(2) heads(2) row(8) {lm.layout = #lm.layout<32768 bytes, value f32 at 0 [lane 8 : 32, token 128 : 256, head 2 : 32768, layer 2 : 65536]>}
  kv.cache @v layers(2) heads(2) row(8) values(@k) {lm.layout = #lm.layout<32768 bytes, value f32 at 0 [lane 8 : 32, token 128 : 256, head 2 : 32768, layer 2 : 65536]>}
}

// CHECK-LABEL: func.func @forward
// CHECK-SAME: (%[[CALL:.*]]: !llvm.ptr, %{{.*}}: index, %{{.*}}: index, %[[X:.*]]: tensor<?x4x8xf32> {bufferization.writable = false, kv.name = "x"}, %[[Y:.*]]: memref<?x4x8xf32> {kv.name = "y", kv.output})
// CHECK-NOT: !kv.
// CHECK: %[[LOOP:.*]] = scf.for %[[LAYER:.*]] = %{{.*}} to %{{.*}} step %{{.*}} iter_args(%[[H:.*]] = %[[X]]) -> (tensor<?x4x8xf32>) {
// CHECK: kv.require %{{.*}} = %{{.*}}, "%d rows would be appended to slot k, the call brings %d tokens"
// CHECK: kv.store_rows %[[ROWS:.*]] into @k slot(0) layout({{.*}}) [%[[LAYER]]]
// CHECK: kv.store_rows %[[ROWS]] into @v slot(1)
// Sequences, partitions, heads, rows, the query heads of a head.
// CHECK: scf.for %[[SEQUENCE:[^ ]*]] =
// CHECK: scf.for %[[PARTITION:[^ ]*]] =
// CHECK: scf.for %[[HEAD:[^ ]*]] =
// CHECK: kv.load_rows @k slot(0) layout({{.*}}) [%[[LAYER]], %[[SEQUENCE]], %[[HEAD]]] partition(%[[PARTITION]])
// CHECK: kv.load_rows @v slot(1)
// CHECK: scf.for
// CHECK: scf.for
// CHECK: math.exp
// CHECK: bufferization.materialize_in_destination %[[LOOP]] in restrict writable %[[Y]]
// CHECK: return{{$}}
func.func @forward(%x: tensor<?x4x8xf32> {kv.name = "x"}, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch)
    -> (tensor<?x4x8xf32> {kv.name = "y"}, !kv.slot<@k>, !kv.slot<@v>) {
  %y, %k9, %v9 = kv.loop %layer = 0 to 2 carry(%h = %x, %k0 = %k, %v0 = %v) : tensor<?x4x8xf32>, !kv.slot<@k>, !kv.slot<@v> {
    %rows, %k1 = kv.group {kernel = "nobody.takes.it"} -> tensor<?x2x8xf32>, !kv.slot<@k> {
      %t = kv.tokens %batch
      %r = tensor.extract_slice %h[0, 0, 0] [%t, 2, 8] [1, 1, 1] : tensor<?x4x8xf32> to tensor<?x2x8xf32>
      %k2 = kv.append %k0[%layer], %r, %batch : !kv.slot<@k>, tensor<?x2x8xf32>
      kv.yield %r, %k2 : tensor<?x2x8xf32>, !kv.slot<@k>
    }
    %v1 = kv.append %v0[%layer], %rows, %batch : !kv.slot<@v>, tensor<?x2x8xf32>
    %a = kv.attend %h, %k1[%layer], %v1[%layer], %batch {scale = 0.35 : f32} : tensor<?x4x8xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x4x8xf32>
    kv.yield %a, %k1, %v1 : tensor<?x4x8xf32>, !kv.slot<@k>, !kv.slot<@v>
  }
  return %y, %k9, %v9 : tensor<?x4x8xf32>, !kv.slot<@k>, !kv.slot<@v>
}

// A window bounds the partitions that are read, the rows that see a partition, and the keys that a row sees of it.
// CHECK-LABEL: func.func @sliding
// CHECK: %[[START:.*]] = arith.index_castui
// CHECK: arith.constant 99 : index
// CHECK: %[[OLDEST:.*]] = arith.maxsi
// CHECK: %[[FIRST:.*]] = arith.divui %[[OLDEST]], %{{.*}}
// CHECK: scf.for %{{.*}} = %[[FIRST]] to
// CHECK: arith.constant 227 : index
// CHECK: kv.load_rows
// CHECK: arith.constant 99 : index
// CHECK: arith.maxsi
func.func @sliding(%x: tensor<?x4x8xf32>, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch) -> tensor<?x4x8xf32> {
  %layer = arith.constant 0 : index
  %a = kv.attend %x, %k[%layer], %v[%layer], %batch {scale = 0.35 : f32, window = 100 : i64} : tensor<?x4x8xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x4x8xf32>
  return %a : tensor<?x4x8xf32>
}
