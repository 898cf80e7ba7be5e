// RUN: kvasir-opt %s --specialise --verify-state | FileCheck %s
// An entry with groups gets a clone for calls of one token, which is an entry too.

// CHECK: kv.schema @m entries [@forward, @plain, @of_one, @of_two, @forward.decode, @of_one.decode]
kv.schema @m entries [@forward, @plain, @of_one, @of_two] {
  kv.cache @k layers(1) heads(2) row(8)
}

// CHECK-LABEL: func.func @forward(
// CHECK-SAME: %{{[^:]*}}: !kv.batch)
// CHECK-LABEL: func.func @forward.decode(
// CHECK-SAME: !kv.batch {kv.sequences = 1 : i64, kv.tokens = 1 : i64})
// CHECK-SAME: kv.specialises = @forward
// CHECK: kv.append
func.func @forward(%rows: tensor<?x2x8xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %layer = arith.constant 0 : index
  %k1 = kv.group {kernel = "append"} -> !kv.slot<@k> {
    %k2 = kv.append %k[%layer], %rows, %batch : !kv.slot<@k>, tensor<?x2x8xf32>
    kv.yield %k2 : !kv.slot<@k>
  }
  return %k1 : !kv.slot<@k>
}

// CHECK-LABEL: func.func @plain(
// CHECK-NOT: @plain.decode
func.func @plain(%rows: tensor<?x2x8xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %layer = arith.constant 0 : index
  %k1 = kv.append %k[%layer], %rows, %batch : !kv.slot<@k>, tensor<?x2x8xf32>
  return %k1 : !kv.slot<@k>
}

// An entry for one sequence is specialised, too; one for several is not.
// CHECK-LABEL: func.func @of_one.decode(
// CHECK-SAME: !kv.batch {kv.sequences = 1 : i64, kv.tokens = 1 : i64})
func.func @of_one(%rows: tensor<?x2x8xf32>, %k: !kv.slot<@k>, %batch: !kv.batch {kv.sequences = 1 : i64}) -> !kv.slot<@k> {
  %layer = arith.constant 0 : index
  %k1 = kv.group {kernel = "append"} -> !kv.slot<@k> {
    %k2 = kv.append %k[%layer], %rows, %batch : !kv.slot<@k>, tensor<?x2x8xf32>
    kv.yield %k2 : !kv.slot<@k>
  }
  return %k1 : !kv.slot<@k>
}

func.func @of_two(%rows: tensor<?x2x8xf32>, %k: !kv.slot<@k>, %batch: !kv.batch {kv.sequences = 2 : i64}) -> !kv.slot<@k> {
  %layer = arith.constant 0 : index
  %k1 = kv.group {kernel = "append"} -> !kv.slot<@k> {
    %k2 = kv.append %k[%layer], %rows, %batch : !kv.slot<@k>, tensor<?x2x8xf32>
    kv.yield %k2 : !kv.slot<@k>
  }
  return %k1 : !kv.slot<@k>
}
