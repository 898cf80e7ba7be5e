// RUN: kvasir-opt %s --unroll-layers | FileCheck %s
// Layers one after another, each with its number; nests from the inside.

kv.schema @m entries [@f] { kv.cache @k layers(4) heads(2) row(16) }

// CHECK-LABEL: func.func @f
// CHECK-SAME:    %[[R:[^:]*]]: tensor<?x2x16xf32>, %[[K:[^:]*]]: !kv.slot<@k>
// CHECK-NOT:   kv.loop
// CHECK:       %[[L1:.*]] = arith.constant 1 : index
// CHECK:       %[[R1:.*]] = math.exp %[[R]]
// CHECK:       %[[K1:.*]] = kv.append %[[K]][%[[L1]]], %[[R1]]
// CHECK:       %[[L2:.*]] = arith.constant 2 : index
// CHECK:       %[[R2:.*]] = math.exp %[[R1]]
// CHECK:       %[[K2:.*]] = kv.append %[[K1]][%[[L2]]], %[[R2]]
// CHECK-COUNT-4: arith.addi
// CHECK:       return %[[K2]] : !kv.slot<@k>
func.func @f(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %y, %k9 = kv.loop %i = 1 to 3 carry(%h = %r, %ki = %k) : tensor<?x2x16xf32>, !kv.slot<@k> {
    %n = math.exp %h : tensor<?x2x16xf32>
    %k1 = kv.append %ki[%i], %n, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    kv.yield %n, %k1 : tensor<?x2x16xf32>, !kv.slot<@k>
  }
  kv.loop %i = 0 to 2 {
    kv.loop %j = 0 to 2 {
      %t = arith.addi %i, %j : index
    }
  }
  return %k9 : !kv.slot<@k>
}
