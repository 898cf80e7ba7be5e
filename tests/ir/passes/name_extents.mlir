// RUN: kvasir-opt %s --name-extents --split-input-file --verify-diagnostics | FileCheck %s
// Which numbers of the call the extents of inputs and outputs are.

kv.schema @m entries [@prefill] { kv.cache @k layers(1) heads(2) row(8) }

// CHECK-LABEL: func.func @prefill
// CHECK-SAME: %arg0: tensor<1x?xi32> {kv.extents = "T", kv.name = "ids"}
// CHECK-SAME: %arg1: tensor<1x1x?x?xf32> {kv.extents = "TS"}
// CHECK-SAME: %arg2: tensor<?x4xf32> {kv.extents = "B"}
// CHECK-SAME: -> (tensor<?x8xf32> {kv.extents = "W"}, tensor<?x8xf32> {kv.extents = "T"}, tensor<1x?xi32> {kv.extents = "T"})
func.func @prefill(%ids: tensor<1x?xi32> {kv.name = "ids"}, %mask: tensor<1x1x?x?xf32>,
                   %given: tensor<?x4xf32> {kv.extents = "B"}, %x: tensor<?x8xf32>, %k: !kv.slot<@k>,
                   %batch: !kv.batch {kv.sequences = 1 : i64})
    -> (tensor<?x8xf32>, tensor<?x8xf32>, tensor<1x?xi32>) {
  %m0 = kv.bind %mask dim 2 = count %batch[0] : tensor<1x1x?x?xf32>
  %m1 = kv.bind %m0 dim 3 = length %batch[0] : tensor<1x1x?x?xf32>
  %wanted = kv.wanted %batch : tensor<?xi32>
  %y = lm.take %x, %wanted : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  return %y, %x, %ids : tensor<?x8xf32>, tensor<?x8xf32>, tensor<1x?xi32>
}

// -----

// expected-error @+1 {{kv.extents is "TX", expected one of TWBS, or of the function's kv.own_extents, for each dynamic extent of 'tensor<?x?xf32>'}}
func.func @unknown(%x: tensor<?x?xf32> {kv.extents = "TX"}, %batch: !kv.batch) { return }

// -----

// CHECK-LABEL: func.func @own
// CHECK-SAME: -> (tensor<?xf32> {kv.extents = "b"})
func.func @own(%x: tensor<?xf32> {kv.extents = "a"}, %batch: !kv.batch {kv.sequences = 1 : i64, kv.tokens = 0 : i64})
    -> (tensor<?xf32> {kv.extents = "b"})
    attributes {kv.own_extents = {a = {from = 1 : i64, to = 8 : i64}, b = {constant = 0 : i64, terms = {a = 1 : i64}}}} {
  return %x : tensor<?xf32>
}

// -----

// expected-error @+1 {{kv.extents is "b", expected one of TWBS, or of the function's kv.own_extents}}
func.func @other(%x: tensor<?xf32> {kv.extents = "b"}, %batch: !kv.batch)
    attributes {kv.own_extents = {a = {from = 1 : i64, to = 8 : i64}}} { return }

// -----

// expected-error @+1 {{has an extent of the rows of one sequence; its batch must state {kv.sequences = 1}}}
func.func @several(%x: tensor<?xf32> {kv.extents = "S"}, %batch: !kv.batch) { return }

// -----

func.func @past(%x: tensor<?xf32>, %batch: !kv.batch {kv.sequences = 1 : i64}) {
  // expected-error @+1 {{binds an extent to the start, which may be 0; no input can have that}}
  %y = kv.bind %x dim 0 = start %batch[0] : tensor<?xf32>
  return
}
