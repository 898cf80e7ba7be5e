// RUN: not kvasir-opt %s --symbol-privatize --verify-state 2>&1 | FileCheck %s --check-prefix=PRIVATE
// RUN: not kvasir-opt %s --duplicate-function-elimination --verify-state 2>&1 | FileCheck %s --check-prefix=MERGED
// RUN: not kvasir-opt %s --convert-scf-to-cf --verify-state 2>&1 | FileCheck %s --check-prefix=BLOCKS
// RUN: not kvasir-opt %s --scf-for-to-while --verify-state 2>&1 | FileCheck %s --check-prefix=WHILE
// RUN: not kvasir-opt %s --one-shot-bufferize 2>&1 | FileCheck %s --check-prefix=BUFFERS
// Upstream passes that damage a right program are refused afterwards, or refuse it themselves.

// PRIVATE: agreement: @prefill is an entry of the schema but is private or has no body; a pass removed or hid it
// MERGED:  agreement: @decode is an entry of the schema but is gone; a pass removed or hid it
// BLOCKS:  firewall: @{{prefill|decode}} lets 'cf.{{.*}}' touch slot @k
// WHILE:   firewall: @{{prefill|decode}} lets 'scf.{{.*}}' touch slot @k
// BUFFERS: op was not bufferized
kv.schema @m entries [@prefill, @decode] { kv.cache @k layers(2) heads(2) row(16) }
func.func @prefill(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %k9 = scf.for %i = %c0 to %c2 step %c1 iter_args(%ki = %k) -> !kv.slot<@k> {
    %k1 = kv.append %ki[%i], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    scf.yield %k1 : !kv.slot<@k>
  }
  return %k9 : !kv.slot<@k>
}
func.func @decode(%r: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %batch: !kv.batch) -> !kv.slot<@k> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %k9 = scf.for %i = %c0 to %c2 step %c1 iter_args(%ki = %k) -> !kv.slot<@k> {
    %k1 = kv.append %ki[%i], %r, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
    scf.yield %k1 : !kv.slot<@k>
  }
  return %k9 : !kv.slot<@k>
}
