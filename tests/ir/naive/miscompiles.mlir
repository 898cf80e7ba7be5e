// RUN: kvasir-opt %s --load-dialect-plugin=%naive --cse | FileCheck %s --check-prefix=CSE
// RUN: kvasir-opt %s --load-dialect-plugin=%naive --loop-invariant-code-motion | FileCheck %s --check-prefix=LICM
// RUN: kvasir-opt %s --load-dialect-plugin=%naive --control-flow-sink | FileCheck %s --check-prefix=SINK
// RUN: kvasir-opt %s --load-dialect-plugin=%naive --canonicalize | FileCheck %s --check-prefix=DCE
// The classic miscompiles of state, each shown on a dialect that has no memory effects (naive) and beside it on kv: the
// same pass, the same program, and it stays as it was written.

kv.schema @m entries [@kv_reread, @kv_third, @kv_hoisted, @kv_swapped, @kv_sunk, @kv_dropped] {
  kv.register @s layers(2) tensor<8xf32>
}

// A value is read again after a write: merged with the stale read, y is 0.
// CSE-LABEL: func.func @naive_reread
// CSE:         %[[OLD:.*]] = naive.read
// CSE-NOT:     naive.read
// CSE:         arith.subf %[[OLD]], %[[OLD]]
func.func @naive_reread(%x: tensor<?x8xf32>) -> (tensor<?x8xf32>, index) {
  %c0 = arith.constant 0 : index
  %old = naive.read @s[%c0] : tensor<?x8xf32>
  %sum = arith.addf %old, %x : tensor<?x8xf32>
  %w = naive.write @s[%c0], %sum : tensor<?x8xf32>
  %new = naive.read @s[%c0] : tensor<?x8xf32>
  %y = arith.subf %new, %old : tensor<?x8xf32>
  return %y, %w : tensor<?x8xf32>, index
}
// CSE-LABEL: func.func @kv_reread
// CSE:         %[[OLD:.*]] = kv.get %arg1
// CSE:         %[[S1:.*]] = kv.set %arg1
// CSE:         %[[NEW:.*]] = kv.get %[[S1]]
// CSE:         arith.subf %[[NEW]], %[[OLD]]
func.func @kv_reread(%x: tensor<?x8xf32>, %s: !kv.slot<@s>, %b: !kv.batch) -> (tensor<?x8xf32>, !kv.slot<@s>) {
  %c0 = arith.constant 0 : index
  %old = kv.get %s[%c0], %b : !kv.slot<@s> -> tensor<?x8xf32>
  %sum = arith.addf %old, %x : tensor<?x8xf32>
  %s1 = kv.set %s[%c0], %sum, %b : !kv.slot<@s>, tensor<?x8xf32>
  %new = kv.get %s1[%c0], %b : !kv.slot<@s> -> tensor<?x8xf32>
  %y = arith.subf %new, %old : tensor<?x8xf32>
  return %y, %s1 : tensor<?x8xf32>, !kv.slot<@s>
}

// a, b, a: the third write is taken for the first, and b stays.
// CSE-LABEL: func.func @naive_third
// CSE:         %[[A:.*]] = naive.write @s[%{{.*}}], %arg0
// CSE:         %[[B:.*]] = naive.write @s[%{{.*}}], %arg1
// CSE-NOT:     naive.write
// CSE:         return %[[A]], %[[B]], %[[A]]
func.func @naive_third(%x: tensor<?x8xf32>, %y: tensor<?x8xf32>) -> (index, index, index) {
  %c0 = arith.constant 0 : index
  %w1 = naive.write @s[%c0], %x : tensor<?x8xf32>
  %w2 = naive.write @s[%c0], %y : tensor<?x8xf32>
  %w3 = naive.write @s[%c0], %x : tensor<?x8xf32>
  return %w1, %w2, %w3 : index, index, index
}
// CSE-LABEL: func.func @kv_third
// CSE:         %[[S1:.*]] = kv.set %arg2[%{{.*}}], %arg0
// CSE:         %[[S2:.*]] = kv.set %[[S1]][%{{.*}}], %arg1
// CSE:         %[[S3:.*]] = kv.set %[[S2]][%{{.*}}], %arg0
// CSE:         return %[[S3]]
func.func @kv_third(%x: tensor<?x8xf32>, %y: tensor<?x8xf32>, %s: !kv.slot<@s>, %b: !kv.batch) -> !kv.slot<@s> {
  %c0 = arith.constant 0 : index
  %s1 = kv.set %s[%c0], %x, %b : !kv.slot<@s>, tensor<?x8xf32>
  %s2 = kv.set %s1[%c0], %y, %b : !kv.slot<@s>, tensor<?x8xf32>
  %s3 = kv.set %s2[%c0], %x, %b : !kv.slot<@s>, tensor<?x8xf32>
  return %s3 : !kv.slot<@s>
}

// What is written does not change from layer to layer: the write is hoisted above the first read.
// LICM-LABEL: func.func @naive_hoisted
// LICM:         naive.write
// LICM:         scf.for
// LICM-NOT:     naive.write
// LICM:         naive.read
func.func @naive_hoisted(%x: tensor<?x8xf32>) -> (tensor<?x8xf32>, index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %y, %w = scf.for %i = %c0 to %c2 step %c1 iter_args(%h = %x, %last = %c0) -> (tensor<?x8xf32>, index) {
    %old = naive.read @s[%i] : tensor<?x8xf32>
    %sum = arith.addf %h, %old : tensor<?x8xf32>
    %done = naive.write @s[%c1], %x : tensor<?x8xf32>
    scf.yield %sum, %done : tensor<?x8xf32>, index
  }
  return %y, %w : tensor<?x8xf32>, index
}
// LICM-LABEL: func.func @kv_hoisted
// LICM-NOT:     kv.set
// LICM:         scf.for
// LICM:         kv.get
// LICM:         kv.set
// LICM:         scf.yield
func.func @kv_hoisted(%x: tensor<?x8xf32>, %s: !kv.slot<@s>, %b: !kv.batch) -> (tensor<?x8xf32>, !kv.slot<@s>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %y, %s9 = scf.for %i = %c0 to %c2 step %c1 iter_args(%h = %x, %si = %s) -> (tensor<?x8xf32>, !kv.slot<@s>) {
    %old = kv.get %si[%i], %b : !kv.slot<@s> -> tensor<?x8xf32>
    %sum = arith.addf %h, %old : tensor<?x8xf32>
    %s1 = kv.set %si[%c1], %x, %b : !kv.slot<@s>, tensor<?x8xf32>
    scf.yield %sum, %s1 : tensor<?x8xf32>, !kv.slot<@s>
  }
  return %y, %s9 : tensor<?x8xf32>, !kv.slot<@s>
}

// Two writes: the first sinks into the branch that alone asks for it, below the second. They have changed places.
// SINK-LABEL: func.func @naive_swapped
// SINK:         naive.write @s[%{{.*}}], %arg2
// SINK:         scf.if
// SINK:           naive.write @s[%{{.*}}], %arg1
func.func @naive_swapped(%c: i1, %x: tensor<?x8xf32>, %y: tensor<?x8xf32>) -> (index, index) {
  %c0 = arith.constant 0 : index
  %w1 = naive.write @s[%c0], %x : tensor<?x8xf32>
  %w2 = naive.write @s[%c0], %y : tensor<?x8xf32>
  %w = scf.if %c -> index {
    %t = arith.addi %w1, %c0 : index
    scf.yield %t : index
  } else {
    scf.yield %c0 : index
  }
  return %w, %w2 : index, index
}
// SINK-LABEL: func.func @kv_swapped
// SINK:         %[[S1:.*]] = kv.set %arg3[%{{.*}}], %arg1
// SINK:         kv.set %[[S1]][%{{.*}}], %arg2
// SINK:         scf.if
func.func @kv_swapped(%c: i1, %x: tensor<?x8xf32>, %y: tensor<?x8xf32>, %s: !kv.slot<@s>, %b: !kv.batch) -> (tensor<?x8xf32>, !kv.slot<@s>) {
  %c0 = arith.constant 0 : index
  %s1 = kv.set %s[%c0], %x, %b : !kv.slot<@s>, tensor<?x8xf32>
  %s2 = kv.set %s1[%c0], %y, %b : !kv.slot<@s>, tensor<?x8xf32>
  %z = scf.if %c -> tensor<?x8xf32> {
    %t = kv.get %s1[%c0], %b : !kv.slot<@s> -> tensor<?x8xf32>
    scf.yield %t : tensor<?x8xf32>
  } else {
    scf.yield %x : tensor<?x8xf32>
  }
  return %z, %s2 : tensor<?x8xf32>, !kv.slot<@s>
}

// A read sinks below the write that replaces what it was to read. Linear slots alone do not stop this: both take %s.
// SINK-LABEL: func.func @naive_sunk
// SINK:         naive.write
// SINK:         scf.if
// SINK:           naive.read
func.func @naive_sunk(%c: i1, %x: tensor<?x8xf32>) -> (tensor<?x8xf32>, index) {
  %c0 = arith.constant 0 : index
  %old = naive.read @s[%c0] : tensor<?x8xf32>
  %w = naive.write @s[%c0], %x : tensor<?x8xf32>
  %y = scf.if %c -> tensor<?x8xf32> {
    %u = arith.negf %old : tensor<?x8xf32>
    scf.yield %u : tensor<?x8xf32>
  } else {
    scf.yield %x : tensor<?x8xf32>
  }
  return %y, %w : tensor<?x8xf32>, index
}
// SINK-LABEL: func.func @kv_sunk
// SINK:         kv.get %arg2
// SINK:         kv.set %arg2
// SINK:         scf.if
// SINK-NOT:       kv.get
func.func @kv_sunk(%c: i1, %x: tensor<?x8xf32>, %s: !kv.slot<@s>, %b: !kv.batch) -> (tensor<?x8xf32>, !kv.slot<@s>) {
  %c0 = arith.constant 0 : index
  %old = kv.get %s[%c0], %b : !kv.slot<@s> -> tensor<?x8xf32>
  %s1 = kv.set %s[%c0], %x, %b : !kv.slot<@s>, tensor<?x8xf32>
  %y = scf.if %c -> tensor<?x8xf32> {
    %u = arith.negf %old : tensor<?x8xf32>
    scf.yield %u : tensor<?x8xf32>
  } else {
    scf.yield %x : tensor<?x8xf32>
  }
  return %y, %s1 : tensor<?x8xf32>, !kv.slot<@s>
}

// A write whose result nobody uses: gone, or there for verify-state to refuse.
// DCE-LABEL: func.func @naive_dropped
// DCE-NOT:     naive.write
// DCE:         return
func.func @naive_dropped(%x: tensor<?x8xf32>) {
  %c0 = arith.constant 0 : index
  %w = naive.write @s[%c0], %x : tensor<?x8xf32>
  return
}
// DCE-LABEL: func.func @kv_dropped
// DCE:         kv.set
// DCE:         return %arg1
func.func @kv_dropped(%x: tensor<?x8xf32>, %s: !kv.slot<@s>, %b: !kv.batch) -> !kv.slot<@s> {
  %c0 = arith.constant 0 : index
  %s1 = kv.set %s[%c0], %x, %b : !kv.slot<@s>, tensor<?x8xf32>
  return %s : !kv.slot<@s>
}
